"""libvirt: an image becomes a volume of a storage pool.

Through libvirt's own program: the same code then reaches this host and, by SSH, any other.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.run import Argument, require, run
from ingot.build.sparse import data
from ingot.messages.extension import CredAccountLibvirt, PublishImageLibvirt
from ingot.publish.target import Published, PublishError, Target

_PIECE = 64 << 20
#: Names of volumes and machines.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}")


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

    def publish(self) -> Published:
        """Make the volume and fill it."""
        pool, volume = str(self.image.storage_pool), self._volume()
        host = Host(self.account)
        self._make_volume(host, pool, volume)
        self._fill(host, pool, volume)
        # What was made as raw bytes is found to be what it is.
        host.ask("pool-refresh", pool)
        path = host.ask("vol-path", volume, "--pool", pool).strip()
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
        if not NAME.fullmatch(name):
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
