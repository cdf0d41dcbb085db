"""Put the files of bundles into a tree: each in its place, with its rights and owner, and never outside."""

import os
import re
import shutil
import stat
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from ingot.build import archives
from ingot.build.bundles import is_installed
from ingot.build.contents import Contents
from ingot.build.errors import BuildError
from ingot.build.template import Bundle, BundleFile
from ingot.build.tree import files

_DEFAULT_MODE, _DEFAULT_OWNER = 0o755, "root:root"
_LICENSES = "/usr/share/licenses"
_SHOWN = "/usr/lib/ingot/licenses.txt"
_UNIT = "ingot-licenses.service"
_UNIT_TEXT = f"""\
[Unit]
Description=Licences of the software in this machine
ConditionPathExists=!/var/lib/ingot/licenses-shown
After=local-fs.target systemd-tmpfiles-setup.service
Before=getty.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/cat {_SHOWN}
ExecStart=/bin/mkdir -p /var/lib/ingot
ExecStart=/bin/touch /var/lib/ingot/licenses-shown
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
"""


def put_in_place(
    tree: Path,
    bundles: Sequence[Bundle],
    contents: Contents,
    limits: archives.Limits,
    on_bundle: Callable[[str], None] = lambda _name: None,
) -> None:
    """Put all files of bundles into the tree, in their order; a later one replaces an earlier one of the same name."""
    accounts = _Accounts(tree)
    for bundle in bundles:
        on_bundle(bundle.name)
        place = _Placer(tree, bundle, contents, limits, accounts)
        for entry in bundle.files:
            if entry.tag == "softwarefile":
                place.put(entry, bundle.destination or f"/opt/{_slug(bundle.name)}")


def keep_licenses(tree: Path, bundles: Sequence[Bundle], contents: Contents, *, shown: bool) -> list[str]:
    """Keep the licences of bundles in the machine; returns the units that show them at its first boot."""
    texts = []
    for bundle in bundles:
        if bundle.license is None:
            continue
        content = contents.path(bundle.license.source).read_bytes()
        name = _slug(bundle.license.name)
        place = f"{_LICENSES}/{_slug(bundle.name)}-{_slug(bundle.version)}/{name}"
        files.write(tree, place, content)
        texts.append(f"{bundle.name} {bundle.version}: {place}\n\n{_readable(content, name)}\n")
    if not texts or not shown:
        return []
    files.write(tree, _SHOWN, "\n".join(texts))
    files.write(tree, f"/usr/lib/systemd/system/{_UNIT}", _UNIT_TEXT)
    return [_UNIT]


def _readable(content: bytes, name: str) -> str:
    """What a console can show of a licence."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    is_page = name.lower().endswith((".html", ".htm")) or text.lstrip()[:1] == "<"
    return "" if is_page else "".join(char for char in text if char in "\n\t" or char.isprintable())


def _slug(text: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", text).strip("._") or "bundle"


class _Accounts:
    """The users and groups of the tree."""

    def __init__(self, tree: Path) -> None:
        self._users = _ids(tree / "etc/passwd")
        self._groups = _ids(tree / "etc/group")

    def owner(self, text: str, what: str) -> tuple[int, int]:
        """(user id, group id) of `user:group` or `user`; raises BuildError for one that the machine does not have."""
        user, _, group = text.partition(":")
        return self._find(self._users, user, "user", what), self._find(self._groups, group or user, "group", what)

    def _find(self, known: dict[str, int], name: str, kind: str, what: str) -> int:
        if name.isdecimal():
            return int(name)
        if name not in known:
            raise BuildError(
                f"{what} belongs to the {kind} {name}, which the machine does not have: declare it in the "
                "installation, or add the package that makes it."
            )
        return known[name]


def _ids(file: Path) -> dict[str, int]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return {line.split(":")[0]: int(line.split(":")[2]) for line in lines if line.count(":") >= 2}


class _Placer:
    """Puts what belongs to one bundle into its places."""

    def __init__(
        self, tree: Path, bundle: Bundle, contents: Contents, limits: archives.Limits, accounts: _Accounts
    ) -> None:
        self._tree, self._contents, self._limits, self._accounts = tree, contents, limits, accounts
        self._whose = f"Bundle {bundle.name}"

    def put(self, entry: BundleFile, directory: str) -> None:
        """Put a file, a directory, or what is in an archive below a directory of the machine."""
        if is_installed(entry):
            return
        target = _joined(directory, entry.destination)
        place = f"{target.rstrip('/')}/{entry.name}"
        owner = self._accounts.owner(entry.owner_group, f"{self._whose}: {entry.name}")
        mode = int(entry.rights, 8) if entry.rights else _DEFAULT_MODE
        if entry.source is None:
            made, is_new = self._make_directory(place)
            if is_new or entry.rights or entry.owner_group != _DEFAULT_OWNER:
                made.chmod(_searchable(mode))
                os.chown(made, *owner)
            for child in entry.files:
                self.put(child, place)
        elif entry.extract:
            self._extract(entry, target, owner)
        else:
            with self._contents.path(entry.source).open("rb") as source:
                self._write(place, source, mode, owner)
        if entry.symlink:
            link = _joined(target, entry.symlink)
            self._make_directory(link.rpartition("/")[0] or "/")
            self._free(link, "the link")
            files.link(self._tree, link, place)

    def _extract(self, entry: BundleFile, target: str, owner: tuple[int, int]) -> None:
        """Unpack an archive: its own rights, unless others are asked for; all of it belongs to one owner."""
        rights = int(entry.rights, 8) if entry.rights else None
        self._make_directory(target)
        written: set[str] = set()
        for member in archives.members(self._contents.path(entry.source or ""), entry.name, self._limits):
            place = f"{target.rstrip('/')}/{member.path}"
            if member.kind == "directory":
                made, is_new = self._make_directory(place)
                if is_new:
                    made.chmod(_searchable(member.mode if rights is None else rights))
                    os.chown(made, *owner)
            elif member.kind == "symlink":
                link = self._new_file(place)
                link.symlink_to(member.target)
                os.chown(link, *owner, follow_symlinks=False)
            elif member.kind == "hardlink":
                if member.target not in written:
                    raise BuildError(f"{self._whose}: {member.path} in {entry.name} links to what is no file of it.")
                with files.inside(self._tree, f"{target.rstrip('/')}/{member.target}").open("rb") as source:
                    self._write(place, source, stat.S_IMODE(os.fstat(source.fileno()).st_mode), owner)
            else:
                self._write_chunks(place, member, member.mode if rights is None else rights, owner)
                written.add(str(member.path))

    def _write_chunks(self, place: str, member: archives.Member, mode: int, owner: tuple[int, int]) -> None:
        file = self._new_file(place)
        with file.open("xb") as output:
            for chunk in member.chunks():
                output.write(chunk)
        _finish(file, mode, owner)

    def _write(self, place: str, source: IO[bytes], mode: int, owner: tuple[int, int]) -> None:
        file = self._new_file(place)
        with file.open("xb") as output:
            shutil.copyfileobj(source, output, 1 << 20)
        _finish(file, mode, owner)

    def _new_file(self, place: str) -> Path:
        """Where a file is to be written; what was there is gone."""
        self._make_directory(str(PurePosixPath(place).parent))
        return self._free(place, "the file")

    def _free(self, place: str, what: str) -> Path:
        file = files.inside(self._tree, place)
        if file.is_dir() and not file.is_symlink():
            raise BuildError(f"{self._whose}: {what} {place} cannot be written: the machine has a directory there.")
        file.unlink(missing_ok=True)
        return file

    def _make_directory(self, place: str) -> tuple[Path, bool]:
        """A directory of the machine and whether it is new; links in the tree are followed in the tree."""
        directory = files.inside(self._tree, f"{place}/file").parent
        missing, present = [], directory
        while not present.exists():
            missing.append(present)
            present = present.parent
        if not present.is_dir():
            raise BuildError(f"{self._whose}: {place} cannot be a directory: the machine has a file there.")
        for path in reversed(missing):
            path.mkdir()
            path.chmod(0o755)
        return directory, bool(missing)


def _joined(directory: str, other: str | None) -> str:
    """A place, relative to a directory unless it is absolute."""
    return str(PurePosixPath("/", directory, other or ""))


def _searchable(mode: int) -> int:
    """The mode of a directory: who may read it may go into it."""
    return mode | ((mode & 0o444) >> 2)


def _finish(file: Path, mode: int, owner: tuple[int, int]) -> None:
    # The owner first: a change of owner takes special rights away.
    os.chown(file, *owner)
    file.chmod(mode)
