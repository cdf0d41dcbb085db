"""The cache of builds: trees and disks, named by what they are made from, and package files, named by their content.

An entry never changes once it is there; builds mount cached trees beneath an overlay of their own and read cached
disks. While an entry is made, whoever wants the same one waits for it; while it is used, nobody removes it. Both are
locks that the kernel lets go of when a process dies, so a kill at any moment leaves at most a directory that the
next maker of the same entry clears away.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ingot.build.lock import locked, try_locked
from ingot.build.packages.fetch import PACKAGE_SUFFIXES, package_pool

Kind = Literal["trees", "disks"]
_DESCRIPTION = "description.json"
_CONTENT = "tree"
_LOG = "log"


@dataclass(frozen=True)
class CacheEntry:
    """A tree or a disk in the cache: `size` is bytes on the host's disk, `used` the time of its last use in seconds.

    `title` is for people; `content` the directory with the tree's or the disk's files.
    """

    kind: Kind
    key: str
    title: str
    description: dict[str, Any]
    size: int
    used: float
    content: Path


@dataclass(frozen=True)
class CachedPackage:
    """A package file in the cache. Its key is the SHA-256 of its content."""

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
    """Everything below a cache directory that builds share."""

    def __init__(self, root: Path) -> None:
        self.root = root

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
                with locked(lock):
                    if not entry.exists():
                        _make(directory, key, title, description, make)
            with locked(lock, shared=True):
                if entry.exists():
                    os.utime(entry)
                    yield entry / _CONTENT
                    return
            # Somebody removed it between the two locks: make it again.

    def entries(self) -> list[CacheEntry]:
        """All trees and disks, least recently used first."""
        found = [entry for kind in get_args(Kind) for entry in self._entries(kind)]
        return sorted(found, key=lambda entry: entry.used)

    def package_files(self) -> Iterator[CachedPackage]:
        """All package files, in no order."""
        directory = package_pool(self.root)
        if not directory.is_dir():
            return
        for item in os.scandir(directory):
            path = Path(item.path)
            if path.suffix in PACKAGE_SUFFIXES and item.is_file():
                status = item.stat()
                yield CachedPackage(path.stem, status.st_size, status.st_mtime, path)

    def prune(self, limit: int) -> list[CacheEntry | CachedPackage]:
        """Remove what was used least recently until all together have at most `limit` bytes; returns it.

        What is in use stays. Must run inside the namespace: trees hold files of subordinate users.
        """
        everything: list[CacheEntry | CachedPackage] = [*self.entries(), *self.package_files()]
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

    def remove(self, item: CacheEntry | CachedPackage) -> bool:
        """Remove one thing if nobody uses it; whether it is gone."""
        if isinstance(item, CachedPackage):
            # Open files outlive their names: a build that is reading it is not disturbed.
            item.path.unlink(missing_ok=True)
            return True
        directory = self.root / item.kind
        with try_locked(directory / f"{item.key}.lock") as alone:
            if not alone:
                return False
            if (directory / item.key).exists():
                # Renamed first: nobody ever sees half an entry.
                doomed = directory / f"{item.key}.removed"
                (directory / item.key).rename(doomed)
                shutil.rmtree(doomed)
            return True

    def _entries(self, kind: Kind) -> Iterator[CacheEntry]:
        directory = self.root / kind
        if not directory.is_dir():
            return
        for entry in directory.iterdir():
            file = entry / _DESCRIPTION
            if entry.suffix or not file.exists():
                continue
            document = json.loads(file.read_text(encoding="utf-8"))
            yield CacheEntry(
                kind,
                entry.name,
                document.get("title", ""),
                document["description"],
                document["size"],
                entry.stat().st_mtime,
                entry / _CONTENT,
            )


def _make(directory: Path, key: str, title: str, description: Mapping[str, Any], make: Callable[[Path], None]) -> None:
    staging = directory / f"{key}.staging"
    for leftover in (staging, directory / f"{key}.removed"):
        if leftover.exists():
            shutil.rmtree(leftover)
    content = staging / _CONTENT
    content.mkdir(parents=True)
    content.chmod(0o755)
    try:
        make(content)
        document = {"title": title, "description": description, "size": _size(content)}
        (staging / _DESCRIPTION).write_text(json.dumps(document, sort_keys=True), encoding="utf-8")
        staging.rename(directory / key)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _size(tree: Path) -> int:
    total = 0
    for directory, _, names in os.walk(tree):
        for name in names:
            total += os.lstat(f"{directory}/{name}").st_blocks * 512
    return total
