"""Whether what the cache holds is still as it was made. Must run inside the namespace."""

import os
from pathlib import Path

from ingot.build.families import FAMILIES
from ingot.build.formats import clusters

#: How the name of the file beside a cached disk ends that says what is in it, by hash.
RECORD = "clusters"


def tree_problem(tree: Path) -> str | None:
    """The first file of a tree that is not as its package has it, of whichever family the tree is."""
    return next((problem for family in FAMILIES.values() if (problem := family.first_wrong_file(tree))), None)


def disk_problem(directory: Path) -> str | None:
    """The first disk whose data are not those that were written."""
    for file in sorted(directory.glob("*.raw")):
        recorded = directory / f"{file.name}.{RECORD}"
        if not recorded.exists():
            return f"the record of {file.name} is missing"
        if clusters.record(file) != recorded.read_bytes():
            return f"the content of {file.name} has changed"
    return None


def problem_of(kind: str, content: Path) -> str | None:
    """What is wrong with an entry of the cache."""
    check = {"trees": tree_problem, "disks": disk_problem, "clusters": clusters.problem}[kind]
    return check(content)


def measure(kind: str, content: Path) -> int:
    """The bytes of a tree's files or of disks, whether they take room or not; a disk's other files may still come."""
    if kind == "disks":
        return sum(file.stat().st_size for file in content.glob("*.raw"))
    return sum(os.lstat(f"{place}/{name}").st_size for place, _, names in os.walk(content) for name in names)


def this_boot() -> str:
    """What names the time since the machine was started. What was not written to the disk before is lost."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
