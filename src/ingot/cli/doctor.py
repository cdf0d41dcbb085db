"""`ingot doctor`: what this machine lacks for building images, and how to get it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.table import Table

from ingot.build.distributions import DISTRIBUTIONS
from ingot.build.errors import BuildError
from ingot.build.packages.sources import sources_of
from ingot.build.run import require
from ingot.cli.output import FAILED, console

_PROGRAMS = (
    ("apt-get", "apt"),
    ("bwrap", "bubblewrap"),
    ("debugfs", "e2fsprogs"),
    ("mcopy", "mtools"),
    ("mke2fs", "e2fsprogs"),
    ("mkfs.vfat", "dosfstools"),
    ("mkfs.xfs", "xfsprogs"),
    ("qemu-img", "qemu-utils"),
    ("sfdisk", "fdisk"),
    ("tar", "tar"),
)
_ENOUGH_SPACE = 5 << 30


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; without `needed`, builds work all the same."""

    what: str
    ok: bool
    words: str
    needed: bool = True


def doctor(cache_dir: Path) -> None:
    """Check everything and print a table; ends with 1 when a build would fail."""
    findings = list(_findings(cache_dir))
    table = Table(box=None, pad_edge=False)
    table.add_column("Check")
    table.add_column("")
    table.add_column("")
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[red]missing[/]" if finding.needed else "[yellow]without[/]"
        table.add_row(finding.what, mark, finding.words)
    console.print(table)
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(FAILED)


def _findings(cache_dir: Path) -> Iterator[Finding]:
    for program, package in _PROGRAMS:
        yield _check(program, lambda program=program, package=package: require(program, package))  # type: ignore[misc]
    yield _check("user namespace", _enter_namespace)
    for distribution in DISTRIBUTIONS:
        yield _check(
            f"{distribution.name} {distribution.version} mirror",
            lambda distribution=distribution: sources_of(distribution),  # type: ignore[misc]
        )
    place = cache_dir.expanduser().absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    yield Finding("free space", free >= _ENOUGH_SPACE, f"{free >> 30} GiB at {place}; a build takes about 3 GiB")
    yield _check("qemu-system-x86_64", lambda: require("qemu-system-x86_64", "qemu-system-x86"), needed=False)
    kvm = os.access("/dev/kvm", os.R_OK | os.W_OK)
    yield Finding("/dev/kvm", kvm, "boot tests are quick" if kvm else "boot tests run by emulation", needed=False)


def _check(what: str, check: Callable[[], object], *, needed: bool = True) -> Finding:
    try:
        check()
    except BuildError as error:
        return Finding(what, ok=False, words=error.message, needed=needed)
    return Finding(what, ok=True, words="", needed=needed)


def _enter_namespace() -> None:
    """Try in a process of its own: what it says on standard error is the remedy."""
    code = "import sys; from ingot.build import namespace; sys.exit(namespace.call(lambda: 0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(done.stderr.strip().removeprefix("ingot: ") or "It cannot be entered.")
