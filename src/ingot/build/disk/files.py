"""The disks of a machine as files side by side: `disk.raw` is the first, `disk-2.raw` the second, and so on."""

from pathlib import Path

#: The first raw disk in a directory of finished disks.
FIRST = "disk.raw"


def numbered(file: Path, number: int) -> Path:
    """The file beside `file` for a machine's disk of that number, from 1: disk.qcow2, disk-2.qcow2."""
    return file if number == 1 else file.with_name(f"{file.stem}-{number}{file.suffix}")


def raw_disks(directory: Path) -> list[Path]:
    """The finished raw disks in a directory, in the machine's order."""
    found = [directory / FIRST]
    while (file := numbered(directory / FIRST, len(found) + 1)).exists():
        found.append(file)
    return found
