"""libvirt: an image becomes a volume of a storage pool, and machines are started over it.

Through libvirt's own program: the same code then reaches this host and, by SSH, any other.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar
from xml.sax.saxutils import escape, quoteattr

from ingot.build.errors import BuildError
from ingot.build.run import Argument, require, run
from ingot.build.sparse import data
from ingot.messages.extensions import CredAccountLibvirt, PublishImageLibvirt
from ingot.publish.machine import Machine, MachineState, Wanted
from ingot.publish.target import Published, PublishError, Target

_PIECE = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}")
_STATES: dict[str, MachineState] = {
    "running": "running",
    "idle": "running",
    "paused": "running",
    "in shutdown": "running",
    "shut off": "stopped",
    "crashed": "failed",
}
_DOMAIN = """\
<domain type={kind}>
  <name>{name}</name>
  <memory unit="MiB">{memory}</memory>
  <vcpu>{cores}</vcpu>
  <os><type arch="x86_64">hvm</type><boot dev="hd"/></os>
  <features><acpi/><apic/></features>
  <cpu mode={cpu}/>
  <devices>
    <disk type="volume" device="disk">
      <driver name="qemu" type="qcow2"/>
      <source pool={pool} volume={volume}/>
      <target dev="vda" bus="virtio"/>
    </disk>
    {interface}
    <channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel>
    <serial type="pty"/>
    <console type="pty"/>
    <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
  </devices>
</domain>
"""


class Host:
    """A libvirt host that an account names."""

    def __init__(self, account: CredAccountLibvirt) -> None:
        require("virsh", "libvirt-clients")
        self._account = account

    @contextlib.contextmanager
    def _connection(self) -> Iterator[list[Argument]]:
        uri = self._account.connection_uri or ""
        if not re.match(r"[a-z0-9+]+://", uri):
            raise PublishError(f"The account's connectionUri {uri!r} is none of libvirt's, such as qemu:///system.")
        with tempfile.TemporaryDirectory(prefix="ingot-libvirt-") as name:
            if "+ssh" in uri.partition(":")[0]:
                key, known = Path(name) / "key", Path(name) / "known_hosts"
                key.touch(0o600)
                key.write_text((self._account.ssh_key or "").rstrip("\n") + "\n", encoding="utf-8")
                known.write_text(self._account.host_keys or "", encoding="utf-8")
                joint = "&" if "?" in uri else "?"
                uri = f"{uri}{joint}keyfile={key}&known_hosts={known}&no_tty=1&sshauth=privkey"
            yield ["virsh", "--quiet", "--connect", uri]

    def ask(self, *arguments: Argument, pass_fds: Sequence[int] = ()) -> str:
        """Run one of virsh's commands; raises PublishError with its words."""
        with self._connection() as virsh:
            try:
                return run([*virsh, *arguments], pass_fds=pass_fds)
            except BuildError as error:
                words = re.sub(r"^.*?error: ", "", error.message, flags=re.DOTALL).strip()
                raise PublishError(f"libvirt refused: {words}", error.detail) from error

    def has(self, *arguments: Argument) -> bool:
        """Whether a command that shows something finds it."""
        try:
            self.ask(*arguments)
        except PublishError:
            return False
        return True


class LibvirtTarget(Target[CredAccountLibvirt, PublishImageLibvirt]):
    """A volume, uploaded piece by piece; its holes are not sent."""

    FORMATS: ClassVar[tuple[str, ...]] = ("qcow2", "raw")
    REQUIRED: ClassVar[tuple[str, ...]] = ("storage_pool", "display_name")

    def publish(self) -> Published:
        """Make the volume and fill it."""
        pool, volume = str(self.image.storage_pool), self._volume()
        host = Host(self.account)
        self._make_volume(host, pool, volume)
        self._fill(host, pool, volume)
        # What was made as raw bytes is found to be what it is.
        host.ask("pool-refresh", pool)
        path = host.ask("vol-path", volume, "--pool", pool).strip()
        self.journal.forget()
        return Published(f"{pool}/{volume}", path)

    def abort(self) -> None:
        """Remove the volume that has only a part of the image."""
        state = self.journal.state
        if "volume" in state:
            host = Host(self.account)
            if host.has("vol-info", state["volume"], "--pool", state["pool"]):
                host.ask("vol-delete", state["volume"], "--pool", state["pool"])
        self.journal.forget()

    def _volume(self) -> str:
        name = f"{self.image.display_name}.{self.source.format}"
        if not _NAME.fullmatch(name):
            raise PublishError(
                f"{self.image.display_name!r} is no name for a volume: use letters, digits, '.', '_', '+' and '-'."
            )
        return name

    def _make_volume(self, host: Host, pool: str, volume: str) -> None:
        state = self.journal.state
        if (state.get("pool"), state.get("volume")) == (pool, volume):
            return
        if host.has("vol-info", volume, "--pool", pool):
            raise PublishError(f"The pool {pool} already has a volume {volume}. Choose another displayName.")
        self.journal.save(pool=pool, volume=volume, next=0)
        host.ask("vol-create-as", pool, volume, f"{self.source.size}B", "--allocation", "0B", "--format", "raw")

    def _fill(self, host: Host, pool: str, volume: str) -> None:
        first, size = int(self.journal.state["next"]), self.source.size
        with self.source.file.open("rb", buffering=0) as file:
            for start, end in data(file.fileno()):
                position = max(start, first)
                while position < end:
                    length = min(_PIECE, end - position)
                    self._send(host, pool, volume, os.pread(file.fileno(), length, position), position)
                    position += length
                    self.journal.save(next=position)
                    self.journal.report(position, size, "Uploading to libvirt")

    @staticmethod
    def _send(host: Host, pool: str, volume: str, content: bytes, position: int) -> None:
        descriptor = os.memfd_create("ingot-piece", 0)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            place = f"/proc/self/fd/{descriptor}"
            where = ["--offset", str(position), "--length", str(len(content))]
            host.ask("vol-upload", volume, place, "--pool", pool, *where, pass_fds=(descriptor,))
        finally:
            os.close(descriptor)


def start(account: CredAccountLibvirt, image: PublishImageLibvirt, wanted: Wanted) -> Machine:
    """Start a machine over a published image, which it does not change. Raises PublishError."""
    host = Host(account)
    pool, _, base = str(image.cloud_id).partition("/")
    volume = f"{wanted.name}.qcow2"
    if not _NAME.fullmatch(volume):
        raise PublishError(f"{wanted.name!r} is no name for a machine: use letters, digits, '.', '_', '+' and '-'.")
    if host.has("dominfo", wanted.name):
        raise PublishError(f"The host already has a machine {wanted.name}. Choose another name.")
    capacity = _capacity(host, pool, base)
    kind = base.rpartition(".")[2]
    backing = ["--backing-vol", base, "--backing-vol-format", kind]
    host.ask("vol-create-as", pool, volume, f"{capacity}B", "--format", "qcow2", *backing)
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".xml", encoding="utf-8") as file:
            file.write(_description(host, wanted, image, pool, volume))
            file.flush()
            host.ask("define", file.name)
        host.ask("start", wanted.name)
    except PublishError:
        terminate(account, image, wanted.name)
        raise
    return Machine(id=wanted.name, name=wanted.name, state="running", provider="libvirt")


def look(account: CredAccountLibvirt, machine_id: str) -> Machine:
    """How a machine is. One that is not there any more is `gone`."""
    host = Host(account)
    if not host.has("dominfo", machine_id):
        return Machine(id=machine_id, name=machine_id, state="gone", provider="libvirt")
    state = host.ask("domstate", machine_id).strip()
    address = ""
    if state == "running":
        found = re.search(r"(\d+\.\d+\.\d+\.\d+)/", host.ask("domifaddr", machine_id))
        address = found[1] if found else ""
    return Machine(
        id=machine_id, name=machine_id, state=_STATES.get(state, "failed"), hostname=address, provider="libvirt"
    )


def terminate(account: CredAccountLibvirt, image: PublishImageLibvirt, machine_id: str) -> None:
    """End a machine and remove its disk; one that is gone already is no error."""
    host = Host(account)
    pool = str(image.cloud_id).partition("/")[0]
    if host.has("dominfo", machine_id):
        if host.ask("domstate", machine_id).strip() != "shut off":
            host.ask("destroy", machine_id)
        host.ask("undefine", machine_id, "--nvram")
    if host.has("vol-info", f"{machine_id}.qcow2", "--pool", pool):
        host.ask("vol-delete", f"{machine_id}.qcow2", "--pool", pool)


def _capacity(host: Host, pool: str, volume: str) -> int:
    text = host.ask("vol-info", volume, "--pool", pool, "--bytes")
    found = re.search(r"Capacity:\s+(\d+)", text)
    if found is None:
        raise PublishError(f"libvirt does not say how large the volume {volume} is.", text)
    return int(found[1])


def _description(host: Host, wanted: Wanted, image: PublishImageLibvirt, pool: str, volume: str) -> str:
    has_kvm = "<domain type='kvm'" in host.ask("capabilities") and host.has("domcapabilities", "--virttype", "kvm")
    interface = '<interface type="user"><model type="virtio"/></interface>'
    if image.network:
        source = f"<source network={quoteattr(image.network)}/>"
        interface = f'<interface type="network">{source}<model type="virtio"/></interface>'
    return _DOMAIN.format(
        kind=quoteattr("kvm" if has_kvm else "qemu"),
        cpu=quoteattr("host-passthrough" if has_kvm else "maximum"),
        name=escape(wanted.name),
        memory=wanted.memory,
        cores=wanted.cores,
        pool=quoteattr(pool),
        volume=quoteattr(volume),
        interface=interface,
    )
