"""Run programs of other architectures: QEMU's user-mode emulation, which the kernel starts for foreign programs.

Where the host has it registered (binfmt_misc, with the flag that keeps the emulator open), nothing is to do. Since
Linux 6.7 a user namespace has a register of its own, and the build enters the emulator there, without root.
"""

import ctypes
import os
import platform
import re
import shutil
import struct
import tempfile
from pathlib import Path

from ingot.build.distributions.architectures import Architecture, find
from ingot.build.errors import BuildError
from ingot.build.run import ENVIRONMENT, ProgramFailedError
from ingot.build.sandbox import run_in_tree

_libc = ctypes.CDLL(None, use_errno=True)
_OWN_REGISTER_SINCE = (6, 7)
_PLACE, _REGISTER = "emulation", "binfmt_misc"
_LOAD_ADDRESS = 0x400000
#: Programs that only end, for trying: exit(0) in each machine's code.
_EXITS = {
    "x86_64": bytes.fromhex("31ff b83c000000 0f05"),
    "aarch64": struct.pack("<III", 0xD2800000, 0xD2800BA8, 0xD4000001),
}
#: Any ELF program of 64 bits in this byte order, whatever its version, ABI and padding.
_MASK = bytes.fromhex("ffffffffffffff00ffffffffffffffff feffffff")


def is_foreign(architecture: Architecture) -> bool:
    """Whether this machine runs the architecture's programs by emulation alone."""
    return platform.machine() != architecture.name


def prepare(architecture: Architecture, scratch: Path) -> None:
    """Make sure that programs of an architecture run in this namespace; `scratch` is a directory of the build.

    Raises BuildError with the remedy. Must be called inside the namespaces of `ingot.build.namespace`.
    """
    place = scratch / _PLACE
    place.mkdir(exist_ok=True)
    if not is_foreign(architecture) or _runs(architecture, place):
        return
    emulator = _emulator(architecture)
    problem = _register(architecture, emulator, place)
    if problem or not _runs(architecture, place):
        raise BuildError(
            f"Programs of {architecture.name} do not run on this machine ({problem or 'the emulator fails'}). Linux "
            f"{platform.release()} {'lets' if _has_own_register() else 'does not let'} builds register the emulator "
            "themselves (6.7 and later do). Register it on the host, as root: apt-get install qemu-user-static "
            f"binfmt-support && update-binfmts --enable qemu-{architecture.name}"
        )


def try_out(name: str) -> int:
    """Try in a directory that goes again; for a namespace that ends right after. Raises as `prepare` does."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        prepare(find(name), Path(directory))
        # The namespace's register is mounted there, and is taken down before the directory is removed.
        _libc.umount2(os.fsencode(Path(directory) / _PLACE / _REGISTER), 0)
    return 0


def _emulator(architecture: Architecture) -> str:
    for name in (f"qemu-{architecture.name}-static", f"qemu-{architecture.name}"):
        if found := shutil.which(name, path=ENVIRONMENT["PATH"]):
            return found
    raise BuildError(
        f"Machines of {architecture.name} are built on {platform.machine()} through emulation, and "
        f"qemu-{architecture.name}-static is missing. Install it: apt-get install qemu-user-static"
    )


def _register(architecture: Architecture, emulator: str, place: Path) -> str | None:
    """Enter the emulator into this namespace's own register; returns what is in the way."""
    directory = place / _REGISTER
    directory.mkdir(exist_ok=True)
    if _libc.mount(b"binfmt_misc", os.fsencode(directory), b"binfmt_misc", 0, None) != 0:
        return f"binfmt_misc cannot be mounted: {os.strerror(ctypes.get_errno())}"
    magic = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, architecture.elf_machine)
    # F: the emulator is opened now and works in every root directory. P: programs keep their own name.
    line = f":ingot-{architecture.name}:M::{_escaped(magic)}:{_escaped(_MASK)}:{emulator}:PF"
    try:
        (directory / "register").write_text(line, encoding="ascii")
    except OSError as error:
        return f"binfmt_misc: {error.strerror}"
    return None


def _escaped(content: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in content)


def _runs(architecture: Architecture, place: Path) -> bool:
    """Try it where nothing of the host is to be seen, as in a tree."""
    root = place / "root"
    root.mkdir(exist_ok=True)
    program = root / "exit"
    program.write_bytes(exit_program(architecture))
    program.chmod(0o755)
    try:
        run_in_tree(root, ["/exit"])
    except ProgramFailedError:
        return False
    return True


def exit_program(architecture: Architecture) -> bytes:
    """The smallest program of an architecture: an ELF file that only ends, with status 0."""
    code = _EXITS[architecture.name]
    size = 64 + 56 + len(code)
    header = struct.pack(
        "<4s5B7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0, 2, architecture.elf_machine, 1,
        _LOAD_ADDRESS + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0,
    )  # fmt: skip
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, 0x1000)
    return header + segment + code


def _has_own_register() -> bool:
    numbers = re.match(r"(\d+)\.(\d+)", platform.release())
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= _OWN_REGISTER_SINCE
