"""Boot an image in QEMU and hear from the guest how it went.

The image itself is never written to. KVM is used where it works: a machine may have /dev/kvm and still not run a
kernel under it, so the first boot that makes no headway falls back to emulation and remembers it.
"""

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ingot.build.errors import BuildError
from ingot.build.run import ENVIRONMENT, require

Firmware = Literal["bios", "uefi"]
Accelerator = Literal["kvm", "tcg"]


@dataclass(frozen=True)
class _Platform:
    """A kind of machine in QEMU: `devices` are its own, `emulated` its processor where KVM is not, `uefi` its machine
    type with UEFI and `firmware` that as (code, variables), of which the first that is there is taken."""

    program: str
    package: str
    devices: tuple[str, ...]
    emulated: str
    uefi: tuple[str, ...]
    firmware: tuple[tuple[str, str], ...]
    firmware_package: str


_PLATFORMS = {
    "x86_64": _Platform(
        program="qemu-system-x86_64",
        package="qemu-system-x86",
        devices=("-vga", "std"),
        emulated="max",
        uefi=("-machine", "q35"),
        firmware=(
            ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
            ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
        ),
        firmware_package="ovmf",
    ),
    "aarch64": _Platform(
        program="qemu-system-aarch64",
        package="qemu-system-arm",
        devices=("-machine", "virt"),
        # The architecture's own way to sign pointers takes most of the time that emulation has.
        emulated="max,pauth-impdef=on",
        uefi=(),
        firmware=(("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),),
        firmware_package="qemu-efi-aarch64",
    ),
}
#: QEMU's names of disk formats, by how their files begin.
_FORMATS = {b"QFI\xfb": "qcow2", b"KDMV": "vmdk", b"conectix": "vpc", b"vhdxfile": "vhdx"}
_PORT = "org.ingot.boot-report"
#: With KVM a kernel speaks within seconds; one that has not by then never will.
_KVM_HEADWAY_SECONDS = 25
_SIGNS_OF_A_KERNEL = ("Linux version", "systemd[1]", "login:", "] ", "Welcome to")


class BootError(BuildError):
    """The image did not boot as it should; `detail` is the end of its console."""


class _NoHeadwayError(Exception):
    """The kernel does not run under KVM here."""


@dataclass(frozen=True)
class Mount:
    """A file system of the machine, `size` bytes large."""

    target: str
    fstype: str
    size: int


@dataclass(frozen=True)
class BootReport:
    """How a boot went: `failed_units` is a number, `root_size` and `swap_size` are bytes, `seconds` since power-on."""

    state: str
    failed_units: int
    failed: list[str]
    hostname: str
    kernel: str
    firmware: str
    root_size: int
    seconds: float
    swap_size: int = 0
    mounts: list[Mount] = field(default_factory=list)

    @classmethod
    def of_guest(cls, document: dict[str, Any]) -> "BootReport":
        """The report that the guest's script writes."""
        found = (document.pop("mounts", None) or {}).get("filesystems", [])
        mounts = [Mount(mount["target"], mount["fstype"], int(mount["size"])) for mount in found]
        return cls(**document, mounts=mounts)


@dataclass
class Machine:
    """A running virtual machine; `ports` maps guest ports to ports of this host's loopback."""

    process: "subprocess.Popen[bytes]"
    accelerator: Accelerator
    firmware: Firmware
    directory: Path
    ports: dict[int, int] = field(default_factory=dict)

    @property
    def console(self) -> str:
        """What the serial console said so far."""
        file = self.directory / "console.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def wait_for_login(self, seconds: float) -> None:
        """Wait for the login prompt."""
        self._wait(lambda: "login:" in self.console, seconds, "show a login prompt")

    def wait_for_report(self, seconds: float) -> BootReport:
        """Wait for the guest's own word on its boot."""
        file = self.directory / "report.json"
        self._wait(lambda: file.exists() and file.read_bytes().endswith(b"\n"), seconds, "report its state")
        return BootReport.of_guest(json.loads(file.read_text(encoding="utf-8")))

    def wait_for_end(self, seconds: float) -> None:
        """Wait until the machine has switched itself off."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BootError(f"The machine did not switch itself off within {seconds:.0f} seconds.") from None

    def _wait(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        started = time.monotonic()
        while not condition():
            elapsed = time.monotonic() - started
            if self.process.poll() is not None:
                words = (self.directory / "qemu.log").read_text(encoding="utf-8", errors="replace")
                if self.accelerator == "kvm":
                    raise _NoHeadwayError
                raise BootError(f"QEMU ended with status {self.process.returncode}: {words.strip()[-400:]}")
            if self.accelerator == "kvm" and elapsed > _KVM_HEADWAY_SECONDS and not self._kernel_runs():
                raise _NoHeadwayError
            if elapsed > seconds:
                raise BootError(f"The machine did not {what} within {seconds:.0f} seconds.", self.console[-4000:])
            time.sleep(0.1)

    def _kernel_runs(self) -> bool:
        text = self.console.rpartition("Booting")[2]
        return any(sign in text for sign in _SIGNS_OF_A_KERNEL)


@contextmanager
def running(
    image: Path | None,
    *,
    arch: str = "x86_64",
    firmware: Firmware | None = None,
    accelerator: Accelerator | None = None,
    memory: int = 1024,
    guest_ports: Sequence[int] = (22, 80),
    disks: Sequence[Path] = (),
    keep_changes: bool = False,
    network: str = "",
    more: Sequence[str] = (),
) -> Iterator[Machine]:
    """Run an image (any disk format that QEMU reads), with more `disks` after it, with `memory` MB until the context
    ends. Without an image the machine starts from what `network` (options of QEMU's network) and `more` (arguments of
    QEMU) give it.

    What the machine writes is thrown away unless `keep_changes` says that the image is its own. `firmware` is a BIOS
    where the architecture `arch` has one.
    """
    kind = _PLATFORMS[arch]
    require(kind.program, kind.package)
    chosen = accelerator or usable_accelerator(arch)
    firmware = firmware or ("bios" if arch == "x86_64" else "uefi")
    with tempfile.TemporaryDirectory(prefix="ingot-boot-") as name:
        directory = Path(name)
        ports = {guest: free_port() for guest in guest_ports}
        argv = [
            "setpriv", "--pdeathsig", "KILL",
            kind.program, "-nodefaults", "-no-reboot", "-display", "none", "-m", str(memory), "-smp", "2",
            "-accel", "kvm" if chosen == "kvm" else "tcg,thread=multi",
            "-cpu", "host" if chosen == "kvm" else kind.emulated,
            *kind.devices,
            "-serial", f"file:{directory / 'console.log'}",
            "-device", "virtio-rng-pci",
            "-device", "virtio-serial-pci",
            "-chardev", f"file,id=report,path={directory / 'report.json'}",
            "-device", f"virtserialport,chardev=report,name={_PORT}",
            "-nic", ",".join((
                "user,model=virtio-net-pci",
                *(f"hostfwd=tcp:127.0.0.1:{host}-:{guest}" for guest, host in ports.items()),
                *filter(None, (network,)),
            )),
            *more,
        ]  # fmt: skip
        if firmware == "uefi":
            argv += _uefi(kind, directory)
        for disk in filter(None, (image, *disks)):
            snapshot = "off" if keep_changes else "on"
            argv += ["-drive", f"file={disk},if=virtio,snapshot={snapshot},format={_format_of(disk)}"]
        with (directory / "qemu.log").open("wb") as log:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**ENVIRONMENT, "TMPDIR": str(directory)}
            )
        try:
            yield Machine(process, chosen, firmware, directory, ports)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def boot(
    image: Path,
    *,
    arch: str = "x86_64",
    firmware: Firmware | None = None,
    seconds: float = 300,
    memory: int = 1024,
    disks: Sequence[Path] = (),
    log: Path | None = None,
) -> tuple[BootReport, Accelerator]:
    """Boot an image, with the machine's other `disks`, and return the guest's report and what it ran on.

    What the serial console said is appended to the file `log`, however the boot went. Raises BootError.
    """
    try:
        with running(image, arch=arch, firmware=firmware, memory=memory, disks=disks) as machine:
            try:
                return machine.wait_for_report(seconds), machine.accelerator
            finally:
                if log is not None:
                    with log.open("a", encoding="utf-8") as file:
                        file.write(machine.console)
    except _NoHeadwayError:
        forget_kvm()
        return boot(image, arch=arch, firmware=firmware, seconds=seconds, memory=memory, disks=disks, log=log)


def usable_accelerator(arch: str = "x86_64") -> Accelerator:
    """KVM where there is one for this architecture that was not found wanting before."""
    if arch != platform.machine():
        return "tcg"
    return "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and not _marker().exists() else "tcg"


def probe(image: Path, arch: str = "x86_64") -> Accelerator:
    """Which accelerator really runs an image here; costs half a minute once on a machine whose KVM does not."""
    if usable_accelerator(arch) == "kvm" and not _proof().exists():
        try:
            with running(image, arch=arch, accelerator="kvm", guest_ports=()) as machine:
                machine.wait_for_login(300)
            _proof().parent.mkdir(parents=True, exist_ok=True)
            _proof().touch()
        except (_NoHeadwayError, BootError):
            forget_kvm()
    return usable_accelerator(arch)


def forget_kvm() -> None:
    """Remember that KVM runs no kernel on this machine, until it is started anew."""
    _marker().parent.mkdir(parents=True, exist_ok=True)
    _marker().touch()


def _marker() -> Path:
    return _state_directory() / "kvm-unusable"


def _proof() -> Path:
    return _state_directory() / "kvm-usable"


def _state_directory() -> Path:
    """A place of this user that belongs to the machine's present run."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base) / "ingot" / "boot" / boot_id


def _uefi(kind: _Platform, directory: Path) -> list[str]:
    for code, variables in kind.firmware:
        if Path(code).exists():
            own = directory / "variables.fd"
            shutil.copy(variables, own)
            flash = "if=pflash,format=raw"
            return [*kind.uefi, "-drive", f"{flash},readonly=on,file={code}", "-drive", f"{flash},file={own}"]
    raise BuildError(
        f"The UEFI firmware for virtual machines is missing. Install it: apt-get install {kind.firmware_package}"
    )


def _format_of(disk: Path) -> str:
    with disk.open("rb") as file:
        start = file.read(8)
    return next((name for magic, name in _FORMATS.items() if start.startswith(magic)), "raw")


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
