"""Time and size of each format from a ready disk, against the converter that people would use alone.

    python benchmarks/formats.py DISK.raw

The converter runs in the same way in the same run, and its time is the measure: 1.0 is as fast as it. Both bring the
file safely to the disk; ours also has its SHA-256 by then. Formats that the converter cannot make (archives with what
launches them) are measured against its disk inside them. Processor seconds say more than the wall's on a machine that
others use, too. At the end, all virtual disk formats at once against the slowest of them alone.
"""

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ingot.build.disk.layout import Identities
from ingot.build.formats.base import Source
from ingot.build.formats.options import FormatOptions
from ingot.build.formats.registry import find_format
from ingot.build.formats.write import Target, write, write_all
from ingot.build.template import Template

_STREAM = ("-O", "vmdk", "-o", "subformat=streamOptimized")
#: (format, compressed, arguments of `qemu-img convert`); text instead is a shell command with $disk and $out.
_CASES: tuple[tuple[str, bool, Sequence[str] | str], ...] = (
    ("raw", False, ("-O", "raw")),
    ("raw", True, 'pigz -n -c "$disk" >"$out"'),
    ("qcow2", True, ("-O", "qcow2", "-c", "-o", "compression_type=zstd")),
    ("vhd", False, ("-O", "vpc", "-o", "subformat=dynamic,force_size=on")),
    ("azure", False, ("-O", "vpc", "-o", "subformat=fixed,force_size=on")),
    ("vhdx", True, ("-O", "vhdx", "-o", "subformat=dynamic")),
    ("vmdk", True, ("-O", "vmdk")),
    ("vdi", True, ("-O", "vdi")),
    ("ovf", True, _STREAM),
    ("vbox", True, _STREAM),
    (
        "google",
        True,
        'tar --format=oldgnu --sparse -C "$(dirname "$disk")" -c "$(basename "$disk")" | pigz -n >"$out"',
    ),
)
_TOGETHER = ("qcow2", "vhd", "vhdx", "vmdk", "vdi", "ovf")


def main(disk: Path) -> None:
    """Measure and print a table."""
    print(
        f"{'format':<12} {'ours s':>8} {'peer s':>8} {'ratio':>6} {'ours CPU':>8} {'peer CPU':>8} "
        f"{'ours MB':>8} {'peer MB':>8}"
    )
    alone: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=disk.parent) as name:
        place = Path(name)
        disk.read_bytes()  # both read from memory
        for format_name, compress, peer in _CASES:
            ours = place / "ours"
            target = _target(disk, place, format_name, ours, compress)
            seconds, cpu = _timed(lambda target=target: write(target))  # type: ignore[misc]
            alone[format_name] = seconds
            theirs = place / "theirs"
            command = (
                ["sh", "-c", peer]
                if isinstance(peer, str)
                else ["qemu-img", "convert", "-f", "raw", *peer, str(disk), str(theirs)]
            )
            environment = {"PATH": "/usr/bin:/bin", "disk": str(disk), "out": str(theirs)}
            peer_seconds, peer_cpu = _timed(
                lambda command=command, environment=environment: _convert(  # type: ignore[misc]
                    command, environment
                )
            )
            label = f"{format_name}{'' if compress else ' (plain)'}"
            print(
                f"{label:<12} {seconds:8.2f} {peer_seconds:8.2f} {seconds / peer_seconds:6.2f} "
                f"{cpu:8.2f} {peer_cpu:8.2f} {_size(ours):8} {_size(theirs):8}"
            )
            ours.unlink()
            theirs.unlink()
        targets = [
            _target(disk, place, format_name, place / format_name, format_name != "vhd") for format_name in _TOGETHER
        ]
        together, _ = _timed(lambda: write_all(targets))
        slowest = max(alone[name] for name in _TOGETHER)
        print(
            f"{len(targets)} virtual disk formats at once: {together:.2f} s, {together / slowest:.2f} of the slowest"
        )


def _target(disk: Path, place: Path, format_name: str, output: Path, compress: bool) -> Target:
    work = place / f"work-{output.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    template = Template.model_validate(
        {"name": "Benchmark", "version": "1", "os": {"name": "Debian", "version": "12"}}
    )
    source = Source(
        template=template,
        identities=Identities.of_build("benchmark"),
        epoch=1_700_000_000,
        options=FormatOptions(),
        work=work,
        log=work / "log",
        disks=(disk,),
        compress=compress,
    )
    return Target(find_format(format_name), source, output)


def _convert(command: Sequence[str], environment: dict[str, str]) -> None:
    subprocess.run(command, check=True, env=environment)
    subprocess.run(["sync", environment["out"]], check=True, env=environment)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the wall's clock, and of processors."""
    started, cpu = time.monotonic(), _cpu()
    work()
    return time.monotonic() - started, _cpu() - cpu


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _size(file: Path) -> int:
    """MB that a file takes on the disk."""
    return file.stat().st_blocks * 512 >> 20


if __name__ == "__main__":
    main(Path(sys.argv[1]))
