"""Unpack package files into an empty tree, all cores at once.

dpkg unpacks one package after the other and records each step on the way, which an installed system needs
and a tree that is thrown away on failure does not. Here the file contents are extracted in parallel and
dpkg's database is written as `dpkg --unpack` would leave it; dpkg then configures all in its own order.
Packages with a script that has to run before they are unpacked are left to dpkg.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from debian.deb822 import Deb822, PkgRelation

from ingot.build.errors import BuildError, DiskFullError
from ingot.build.run import ENVIRONMENT, run

_MERGED_DIRECTORIES = ("bin", "lib", "lib64", "sbin")
_NOT_INFO = ("control",)
#: What a script does whose package must be unpacked after it: files are moved out of the way, or belong to new users.
_BEFORE_UNPACKING = ("divert", "statoverride", "adduser", "addgroup", "useradd", "groupadd", "sysusers")


@dataclass(frozen=True)
class PackageFile:
    """A package file and its control members, extracted to `control_dir`."""

    path: Path
    control_dir: Path
    control: Deb822

    @classmethod
    def read(cls, path: Path, work: Path) -> Self:
        """Read a package file's control members into a directory below `work`."""
        control_dir = work / path.stem
        run(["dpkg-deb", "--control", path, control_dir])
        return cls(path, control_dir, Deb822((control_dir / "control").read_text(encoding="utf-8")))

    @property
    def name(self) -> str:
        """The package's name."""
        return str(self.control["Package"])

    @property
    def info_name(self) -> str:
        """dpkg's own name for it: what may be there once per architecture says which."""
        if self.control.get("Multi-Arch") == "same":
            return f"{self.name}:{self.control['Architecture']}"
        return self.name

    @property
    def essential(self) -> bool:
        """Whether every system of the distribution has it."""
        return self.control.get("Essential") == "yes"

    def relations(self, field: str) -> list[str]:
        """The package names in a relation field, alternatives included."""
        text = self.control.get(field)
        groups = PkgRelation.parse_relations(text) if text else []
        return [str(alternative["name"]) for group in groups for alternative in group]

    @property
    def has_preinst(self) -> bool:
        """Whether it runs a script before it is unpacked."""
        return (self.control_dir / "preinst").exists()

    @property
    def needs_preinst_first(self) -> bool:
        """Whether that script does what unpacking counts on; most only care for upgrades."""
        if not self.has_preinst:
            return False
        script = (self.control_dir / "preinst").read_text(encoding="utf-8", errors="replace")
        return any(word in script for word in _BEFORE_UNPACKING)


def base_closure(packages: Sequence[PackageFile]) -> set[str]:
    """Names of the essential packages and of all that they need: what must work before any script does."""
    by_name: dict[str, PackageFile] = {}
    for package in packages:
        for provided in (package.relations("Provides"), [package.name]):
            by_name.update(dict.fromkeys(provided, package))
    closure: set[str] = set()
    queue = [package for package in packages if package.essential]
    while queue:
        package = queue.pop()
        if package.name not in closure:
            closure.add(package.name)
            needs = (*package.relations("Pre-Depends"), *package.relations("Depends"))
            queue.extend(by_name[need] for need in needs if need in by_name)
    return closure


def read_package_files(paths: Sequence[Path], work: Path) -> list[PackageFile]:
    """Read the control members of many package files."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda path: PackageFile.read(path, work), paths))


def make_skeleton(tree: Path) -> None:
    """The directories that must be there before the first file: merged /usr and dpkg's database."""
    for name in _MERGED_DIRECTORIES:
        (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(f"usr/{name}")
    for name in ("info", "triggers", "updates", "alternatives", "parts"):
        (tree / "var/lib/dpkg" / name).mkdir(parents=True)
    (tree / "var/lib/dpkg/info/format").write_text("1\n", encoding="ascii")
    for name in ("status", "available", "diversions", "statoverride"):
        (tree / "var/lib/dpkg" / name).touch()


def unpack(packages: Sequence[PackageFile], tree: Path, on_done: Callable[[int], None]) -> None:
    """Extract packages into `tree` in parallel and record them as unpacked; `on_done` gets how many are."""
    largest_first = sorted(packages, key=lambda package: package.path.stat().st_size, reverse=True)
    lists: dict[str, list[str]] = {}
    with ThreadPoolExecutor() as pool:
        names = pool.map(lambda package: _extract(package, tree), largest_first)
        for done, (package, extracted) in enumerate(zip(largest_first, names, strict=True), 1):
            lists[package.info_name] = extracted
            on_done(done)
    for package in packages:
        _record(package, lists[package.info_name], tree)


def _extract(package: PackageFile, tree: Path) -> list[str]:
    """Extract one package's files; returns their paths as dpkg's `.list` files have them."""
    reader = subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", package.path],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=dict(ENVIRONMENT),
    )
    argv = [
        "tar",
        "--extract",
        "--verbose",
        "--preserve-permissions",
        "--numeric-owner",
        "--quoting-style=literal",
    ]
    writer = subprocess.run(
        [*argv, "--keep-directory-symlink", "--warning=no-timestamp", "--directory", tree],
        stdin=reader.stdout,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        env=dict(ENVIRONMENT),
        check=False,
    )
    if reader.stdout:
        reader.stdout.close()
    if reader.wait() != 0 or writer.returncode != 0:
        if "No space left" in writer.stderr:
            raise DiskFullError.at(tree, f"Package {package.name} could not be unpacked", writer.stderr)
        raise BuildError(f"Package {package.name} could not be unpacked: {writer.stderr.strip()}")
    return ["/." if name == "./" else name.removeprefix(".").rstrip("/") for name in writer.stdout.splitlines()]


def _record(package: PackageFile, files: Sequence[str], tree: Path) -> None:
    """Enter an extracted package into dpkg's database as unpacked."""
    database = tree / "var/lib/dpkg"
    prefix = f"{database}/info/{package.info_name}."
    for member in sorted(package.control_dir.iterdir()):
        if member.name not in _NOT_INFO:
            shutil.copy(member, f"{prefix}{member.name}")
    Path(f"{prefix}list").write_text(
        "".join(f"{file}\n" for file in files), encoding="utf-8", errors="surrogateescape"
    )
    triggers = package.control_dir / "triggers"
    if triggers.exists():
        _record_interests(package, triggers.read_text(encoding="utf-8"), database / "triggers")
    paragraph = Deb822({"Package": package.name, "Status": "install ok unpacked"})
    for field, value in package.control.items():
        if field != "Package":
            paragraph[field] = value
    conffiles = package.control_dir / "conffiles"
    if conffiles.exists():
        paragraph["Conffiles"] = _conffiles(conffiles.read_text(encoding="utf-8"), tree)
    with (database / "status").open("a", encoding="utf-8") as status:
        status.write(f"{paragraph.dump()}\n")


def _record_interests(package: PackageFile, text: str, directory: Path) -> None:
    """Register the triggers that a package is interested in: paths in `File`, names in their own files."""
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if len(words) != 2 or not words[0].startswith("interest"):
            continue
        suffix = "/noawait" if words[0] == "interest-noawait" else ""
        if words[1].startswith("/"):
            file, entry = directory / "File", f"{words[1]} {package.info_name}{suffix}\n"
        else:
            file, entry = directory / words[1], f"{package.info_name}{suffix}\n"
        with file.open("a", encoding="utf-8") as interests:
            interests.write(entry)


def _conffiles(text: str, tree: Path) -> str:
    """The Conffiles field: each configuration file with the MD5 sum of what was shipped."""
    lines = []
    for line in text.splitlines():
        name = line.split()[-1] if line.split() else ""
        file = tree / name.lstrip("/")
        if name and not line.startswith("remove-on-upgrade") and file.is_file():
            lines.append(f"\n {name} {hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()}")
    return "".join(lines)
