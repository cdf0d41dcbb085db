"""The cache of builds: trees, disks and compressed clusters, named by what they are made from, and files, named by
their content.

An entry never changes once it is there; builds mount cached trees beneath an overlay of their own and read cached
disks. While an entry is made, whoever wants the same one waits for it; while it is used, nobody removes it. Both are
locks that the kernel lets go of when a process dies, so a kill at any moment leaves at most a directory that the
next maker of the same entry clears away.

Nothing here is synced to the disk, so a machine that loses its power may come back with entries that are damaged. An
entry says in which boot it was made or last proved sound; its first use after that proves it, and makes it again if
need be.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from ingot.build.contents import file_pool
from ingot.build.lock import locked, try_locked
from ingot.build.packages.fetch import INCOMING, out_of_use, package_pool
from ingot.build.soundness import measure, problem_of, this_boot

Kind = Literal["trees", "disks", "clusters"]
_DESCRIPTION = "description.json"
_CONTENT = "tree"
_LOG = "log"
_STAGING, _REMOVED = ".staging", ".removed"
_KEY_LENGTH = 64


@dataclass(frozen=True)
class CacheEntry:
    """A tree, a disk or compressed clusters in the cache: `size` is bytes on the host's disk, `used` the time of its
    last use in seconds.

    `title` is for people; `content` the directory with its files.
    """

    kind: Kind
    key: str
    title: str
    description: dict[str, Any]
    size: int
    used: float
    content: Path


@dataclass(frozen=True)
class CachedFile:
    """A file in the cache: a package file, or what a template's web address served. Its key is the SHA-256 of its
    content."""

    key: str
    size: int
    used: float
    path: Path


def log_of(content: Path) -> Path:
    """Where the log of making an entry is kept, beside its content; `make` writes it, and it may be missing."""
    return content.with_name(_LOG)


def entry_key(description: Mapping[str, Any]) -> str:
    """The name of an entry: the hash of everything that it is made from."""
    canonical = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


class Cache:
    """Everything below a cache directory that builds share. `on_wait` is told the title of what another build makes,
    before this one waits for it."""

    def __init__(self, root: Path, on_wait: Callable[[str], None] = lambda _title: None) -> None:
        self.root, self._on_wait = root, on_wait

    @contextmanager
    def entry(
        self, kind: Kind, title: str, description: Mapping[str, Any], make: Callable[[Path], None]
    ) -> Iterator[Path]:
        """The content of an entry, made by `make` in an empty directory if need be; it stays until the end."""
        key, directory = entry_key(description), self.root / kind
        directory.mkdir(parents=True, exist_ok=True)
        lock, entry = directory / f"{key}.lock", directory / key
        while True:
            if not entry.exists():
                with locked(lock, on_wait=partial(self._on_wait, title)):
                    if not entry.exists():
                        _make(kind, entry, title, description, make)
            with locked(lock, shared=True):
                if entry.exists() and _is_sound(kind, entry):
                    os.utime(entry)
                    yield entry / _CONTENT
                    return
            # Somebody removed it between the two locks, or it is damaged: make it again.
            with locked(lock):
                if entry.exists() and not _is_sound(kind, entry):
                    _remove(entry)

    def entries(self) -> list[CacheEntry]:
        """Everything but files, least recently used first."""
        found = [entry for kind in get_args(Kind) for entry in self._entries(kind)]
        return sorted(found, key=lambda entry: entry.used)

    def files(self) -> Iterator[CachedFile]:
        """All package files and files from web addresses, in no order."""
        for directory in (package_pool(self.root), file_pool(self.root)):
            if not directory.is_dir():
                continue
            for item in os.scandir(directory):
                path = Path(item.path)
                with suppress(FileNotFoundError):  # somebody else removed it
                    status = item.stat()
                    if len(path.stem) == _KEY_LENGTH and item.is_file():
                        yield CachedFile(path.stem, status.st_size, status.st_mtime, path)

    def prune(self, limit: int) -> list[CacheEntry | CachedFile]:
        """Remove what was used least recently until all together have at most `limit` bytes; returns it.

        What is in use stays. Must run inside the namespace: trees hold files of subordinate users.
        """
        self._remove_leftovers()
        everything: list[CacheEntry | CachedFile] = [*self.entries(), *self.files()]
        everything.sort(key=lambda item: item.used)
        total = sum(item.size for item in everything)
        removed = []
        for item in everything:
            if total <= limit:
                break
            if self.remove(item):
                removed.append(item)
                total -= item.size
        return removed

    def remove(self, item: CacheEntry | CachedFile) -> bool:
        """Remove one thing if nobody uses it; whether it is gone."""
        if isinstance(item, CachedFile):
            with out_of_use(self.root) as alone:
                if alone:
                    item.path.unlink(missing_ok=True)
                return alone
        entry = self.root / item.kind / item.key
        with try_locked(entry.with_name(f"{item.key}.lock")) as alone:
            if alone and entry.exists():
                _remove(entry)
            return alone

    def _remove_leftovers(self) -> None:
        """Remove what killed builds left half fetched, half made or half removed, and nobody came back for."""
        for kind in get_args(Kind):
            for place in (self.root / kind).glob("*.*"):
                if place.suffix in (_STAGING, _REMOVED):
                    with try_locked(place.with_suffix(".lock")) as alone:
                        if alone:
                            shutil.rmtree(place, ignore_errors=True)
        with out_of_use(self.root) as alone:
            if alone:
                for place in package_pool(self.root).glob(f"{INCOMING}*"):
                    shutil.rmtree(place, ignore_errors=True)

    def _entries(self, kind: Kind) -> Iterator[CacheEntry]:
        directory = self.root / kind
        if not directory.is_dir():
            return
        for entry in directory.iterdir():
            file = entry / _DESCRIPTION
            if entry.suffix:
                continue
            try:
                document, used = json.loads(file.read_text(encoding="utf-8")), entry.stat().st_mtime
                title, description, size = document["title"], document["description"], document["size"]
            except FileNotFoundError:
                continue  # somebody removed it just now
            except (ValueError, KeyError):
                title, description, size, used = "(damaged)", {}, _size(entry), 0.0
            yield CacheEntry(kind, entry.name, title, description, size, used, entry / _CONTENT)


def _make(kind: Kind, entry: Path, title: str, description: Mapping[str, Any], make: Callable[[Path], None]) -> None:
    staging = entry.with_suffix(_STAGING)
    for leftover in (staging, entry.with_suffix(_REMOVED)):
        if leftover.exists():
            shutil.rmtree(leftover)
    content = staging / _CONTENT
    content.mkdir(parents=True)
    content.chmod(0o755)
    try:
        make(content)
        document = {
            "title": title,
            "description": description,
            "size": _size(content),
            "length": measure(kind, content),
            "boot": this_boot(),
        }
        (staging / _DESCRIPTION).write_text(json.dumps(document, sort_keys=True), encoding="utf-8")
        staging.rename(entry)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _is_sound(kind: Kind, entry: Path) -> bool:
    """Whether an entry is as it was made, as far as there is reason to look: see the module's description."""
    try:
        document = json.loads((entry / _DESCRIPTION).read_text(encoding="utf-8"))
        is_of_this_boot = document["boot"] == this_boot()
        if (kind != "trees" or not is_of_this_boot) and measure(kind, entry / _CONTENT) != document["length"]:
            return False
    except (OSError, ValueError, KeyError):
        return False
    if is_of_this_boot:
        return True
    if problem_of(kind, entry / _CONTENT) is not None:
        return False
    proved = {**document, "boot": this_boot()}
    with tempfile.NamedTemporaryFile("w", dir=entry, delete=False, encoding="utf-8") as file:
        json.dump(proved, file, sort_keys=True)
    Path(file.name).rename(entry / _DESCRIPTION)
    return True


def _remove(entry: Path) -> None:
    """Remove an entry that nobody uses. It is renamed first: nobody ever sees half of one."""
    doomed = entry.with_suffix(_REMOVED)
    shutil.rmtree(doomed, ignore_errors=True)
    entry.rename(doomed)
    shutil.rmtree(doomed)


def _size(tree: Path) -> int:
    total = 0
    for directory, _, names in os.walk(tree):
        for name in names:
            total += os.lstat(f"{directory}/{name}").st_blocks * 512
    return total
