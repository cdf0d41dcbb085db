"""Machines of a libvirt host, each over a published image that it does not change."""

import re
import tempfile
import time
from xml.sax.saxutils import escape, quoteattr

from ingot.messages.extension import CredAccountLibvirt, PublishImageLibvirt
from ingot.publish.libvirt import NAME, Host
from ingot.publish.machine import Effector, Machine, MachineState, Wanted
from ingot.publish.target import PublishError

_STATES: dict[str, MachineState] = {
    "running": "running",
    "idle": "running",
    "paused": "running",
    "in shutdown": "running",
    "shut off": "stopped",
    "crashed": "failed",
}
#: A machine that has not switched itself off by then is switched off.
_GRACE_SECONDS = 60.0
_POLL_SECONDS = 0.5
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


def start(account: CredAccountLibvirt, image: PublishImageLibvirt, wanted: Wanted) -> Machine:
    """Start a machine over a published image, which it does not change; one that is there already by this name is the
    same one, begun by a process that ended. Raises PublishError.
    """
    host = Host(account)
    pool, _, base = str(image.cloud_id).partition("/")
    volume = f"{wanted.name}.qcow2"
    if not NAME.fullmatch(volume):
        raise PublishError(f"{wanted.name!r} is no name for a machine: use letters, digits, '.', '_', '+' and '-'.")
    if not host.has("vol-info", volume, "--pool", pool):
        capacity = _capacity(host, pool, base)
        backing = ["--backing-vol", base, "--backing-vol-format", base.rpartition(".")[2]]
        host.ask("vol-create-as", pool, volume, f"{capacity}B", "--format", "qcow2", *backing)
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".xml", encoding="utf-8") as file:
            file.write(_description(host, wanted, image, pool, volume))
            file.flush()
            if not host.has("dominfo", wanted.name):
                host.ask("define", file.name)
        if host.ask("domstate", wanted.name).strip() != "running":
            host.ask("start", wanted.name)
    except PublishError:
        terminate(account, image, wanted.name)
        raise
    return Machine(
        id=wanted.name, name=wanted.name, state="running", provider="libvirt", has_address=bool(image.network)
    )


def look(account: CredAccountLibvirt, image: PublishImageLibvirt, machine_id: str) -> Machine:
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
        id=machine_id,
        name=machine_id,
        state=_STATES.get(state, "failed"),
        hostname=address,
        provider="libvirt",
        # Nobody outside QEMU's own network knows of it.
        has_address=bool(image.network),
    )


def act(account: CredAccountLibvirt, image: PublishImageLibvirt, machine_id: str, effector: Effector) -> Machine:
    """Switch a machine on or off, or one after the other; what is so already stays. It is asked to switch itself off,
    and has a minute for that. Raises PublishError."""
    host = Host(account)
    if effector in ("stop", "restart"):
        _stop(host, machine_id)
    if effector in ("start", "restart") and host.ask("domstate", machine_id).strip() != "running":
        host.ask("start", machine_id)
    return look(account, image, machine_id)


def _stop(host: Host, machine_id: str) -> None:
    def is_off() -> bool:
        return host.ask("domstate", machine_id).strip() == "shut off"

    if is_off():
        return
    host.ask("shutdown", machine_id)
    deadline = time.monotonic() + _GRACE_SECONDS
    while not is_off() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    if not is_off():
        host.ask("destroy", machine_id)


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
