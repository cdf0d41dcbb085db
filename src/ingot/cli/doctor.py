"""`ingot doctor`: what this machine lacks for building images, and how to get it."""

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.table import Table

from ingot.build import emulation, namespace
from ingot.build.distributions import known_distributions
from ingot.build.distributions.architectures import ARCHITECTURES, Architecture
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
    ("mksquashfs", "squashfs-tools"),
    ("qemu-img", "qemu-utils"),
    ("sfdisk", "fdisk"),
    ("tar", "tar"),
    ("xorriso", "xorriso"),
)
#: Without these, only what they are for cannot be built.
_PROGRAMS_FOR_SOME = (("mkfs.xfs", "xfsprogs"),)
_ENOUGH_SPACE = 5 << 30
#: Tells, as a process of its own, how builds would run with a cache in its argument's directory.
_PROBE = """
import json, sys
from pathlib import Path
from tempfile import TemporaryDirectory
from ingot.build import limits, namespace
from ingot.build.errors import BuildError

def probe():
    said = {"processes": namespace.has_own_processes(), "bounds": limits.are_kept_by_the_kernel(), "overlay": ""}
    with TemporaryDirectory(dir=sys.argv[1]) as name:
        place = Path(name)
        for part in ("lower", "upper", "work", "tree"):
            (place / part).mkdir()
        try:
            namespace.mount_overlay([place / "lower"], place / "upper", place / "work", place / "tree")
            namespace.unmount(place / "tree")
        except BuildError as error:
            said["overlay"] = error.message
    print(json.dumps(said))
    return 0

sys.exit(namespace.call(probe))
"""


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
    for architecture in ARCHITECTURES:
        if emulation.is_foreign(architecture):
            yield _check(
                f"programs of {architecture.name}",
                lambda architecture=architecture: _emulate(architecture),  # type: ignore[misc]
                needed=False,
            )
    yield _check("dnf", lambda: require("dnf", "dnf python3-dnf python3-librepo rpm"), needed=False)
    place = cache_dir.expanduser().absolute()
    while not place.exists():
        place = place.parent
    who = "root" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    yield Finding("runs as", ok=True, words=f"{who}{', in a container' if namespace.is_container() else ''}")
    programs = _PROGRAMS if os.geteuid() == 0 else (*_PROGRAMS, ("newuidmap", "uidmap"))
    for program, package in programs:
        yield _check(program, lambda program=program, package=package: require(program, package))  # type: ignore[misc]
    for program, package in _PROGRAMS_FOR_SOME:
        check = lambda program=program, package=package: require(program, package)  # noqa: E731
        yield _check(program, check, needed=False)
    yield from _namespace(place)
    yield from _mirrors()
    free = shutil.disk_usage(place).free
    words = f"{free >> 30} GiB at {place}; a build takes about 3 GiB"
    if free < _ENOUGH_SPACE:
        words += ". Make room (ingot cache prune --to 5G), or have the cache elsewhere (--cache, INGOT_CACHE_DIR)"
    yield Finding("free space", free >= _ENOUGH_SPACE, words)
    yield _check("qemu-system-x86_64", lambda: require("qemu-system-x86_64", "qemu-system-x86"), needed=False)
    kvm = os.access("/dev/kvm", os.R_OK | os.W_OK)
    remedy = "boot tests run by emulation. Where there is one: usermod --append --groups kvm USER"
    yield Finding("/dev/kvm", kvm, "boot tests are quick" if kvm else remedy, needed=False)


def _namespace(place: Path) -> Iterator[Finding]:
    """What a build's namespaces can do here; tried in a process of its own."""
    argv = [sys.executable, "-c", _PROBE, str(place)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = done.stderr.strip().removeprefix("ingot: ") or "It cannot be entered."
        yield Finding("user namespace", ok=False, words=words)
        return
    said = json.loads(done.stdout.splitlines()[-1])
    yield Finding("user namespace", ok=True, words="")
    remedy = " Layers need Linux 5.11 and a cache on ext4, XFS or btrfs; in a container, put it on a volume."
    yield Finding(
        "overlay mounts", ok=not said["overlay"], words=f"{said['overlay']}{remedy}" if said["overlay"] else ""
    )
    masked = (
        "parts of /proc are hidden: builds share this container's process ids. "
        "Show them: --security-opt systempaths=unconfined (Podman: unmask=ALL)"
    )
    yield Finding("own /proc", said["processes"], "" if said["processes"] else masked, needed=False)
    watched = (
        "memory and processes of package scripts are looked at several times a second. For bounds that the kernel "
        "keeps, run in a delegated control group (systemd: Delegate=memory pids, DelegateSubgroup=ingot)"
    )
    yield Finding("bounds by the kernel", said["bounds"], "" if said["bounds"] else watched, needed=False)


def _mirrors() -> Iterator[Finding]:
    """One finding for each distribution; builds need one of them."""
    found = [
        _check(
            f"{distribution.name} {distribution.version} {distribution.arch} mirror",
            lambda distribution=distribution: sources_of(distribution),  # type: ignore[misc]
            needed=False,
        )
        for distribution in known_distributions()
    ]
    yield from found
    if not any(finding.ok for finding in found):
        yield Finding(
            "a mirror", ok=False, words="nothing can be built without any: see INGOT_MIRRORS and INGOT_KEYRINGS"
        )


def _emulate(architecture: Architecture) -> None:
    """Try in a process of its own: what it says on standard error is the remedy."""
    function = f"lambda: emulation.try_out({architecture.name!r})"
    code = f"import sys; from ingot.build import emulation, namespace; sys.exit(namespace.call({function}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(done.stderr.strip().removeprefix("ingot: ") or "They do not run.")


def _check(what: str, check: Callable[[], object], *, needed: bool = True) -> Finding:
    try:
        check()
    except BuildError as error:
        return Finding(what, ok=False, words=error.message, needed=needed)
    return Finding(what, ok=True, words="", needed=needed)
