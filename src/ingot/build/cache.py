"""The cache of trees: layers of an image's file system, named by what they are made from, shared by all builds.

A layer is a directory that never changes once it is there; a build mounts layers beneath an overlay of its own.
While a layer is made, whoever wants the same one waits for it; while it is used, nobody removes it. Both are
locks that the kernel lets go of when a process dies, so a kill at any moment leaves at most a directory that the
next maker of the same layer clears away.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingot.build.lock import locked, try_locked

_DESCRIPTION = "description.json"
_TREE = "tree"


@dataclass(frozen=True)
class CachedLayer:
    """A layer in the cache: `size` is bytes on disk, `used` the time of its last use in seconds."""

    key: str
    description: dict[str, Any]
    size: int
    used: float


def layer_key(description: Mapping[str, Any]) -> str:
    """The name of a layer: the hash of everything that it is made from."""
    canonical = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


class TreeCache:
    """The layers below a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root / "trees"
        self.root.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def layer(self, description: Mapping[str, Any], make: Callable[[Path], None]) -> Iterator[Path]:
        """The tree of a layer, made by `make` in an empty directory if need be; it stays until the context ends."""
        key = layer_key(description)
        lock, entry = self.root / f"{key}.lock", self.root / key
        while True:
            if not entry.exists():
                with locked(lock):
                    if not entry.exists():
                        self._make(key, description, make)
            with locked(lock, shared=True):
                if entry.exists():
                    os.utime(entry)
                    yield entry / _TREE
                    return
            # Somebody removed it between the two locks: make it again.

    def layers(self) -> list[CachedLayer]:
        """All layers, least recently used first."""
        found = []
        for entry in self.root.iterdir():
            file = entry / _DESCRIPTION
            if entry.suffix or not file.exists():
                continue
            document = json.loads(file.read_text(encoding="utf-8"))
            used = entry.stat().st_mtime
            found.append(CachedLayer(entry.name, document["description"], document["size"], used))
        return sorted(found, key=lambda layer: layer.used)

    def prune(self, limit: int) -> list[CachedLayer]:
        """Remove the least recently used layers until all together have at most `limit` bytes; returns them.

        A layer in use stays. Must run inside the namespace: layers hold files of subordinate users.
        """
        layers = self.layers()
        total = sum(layer.size for layer in layers)
        removed = []
        for layer in layers:
            if total <= limit:
                break
            with try_locked(self.root / f"{layer.key}.lock") as alone:
                if not alone:
                    continue
                # Renamed first: nobody ever sees half a layer.
                doomed = self.root / f"{layer.key}.removed"
                (self.root / layer.key).rename(doomed)
                shutil.rmtree(doomed)
            removed.append(layer)
            total -= layer.size
        return removed

    def _make(self, key: str, description: Mapping[str, Any], make: Callable[[Path], None]) -> None:
        staging = self.root / f"{key}.staging"
        for leftover in (staging, self.root / f"{key}.removed"):
            if leftover.exists():
                shutil.rmtree(leftover)
        tree = staging / _TREE
        tree.mkdir(parents=True)
        tree.chmod(0o755)
        try:
            make(tree)
            document = {"description": description, "size": _size(tree)}
            (staging / _DESCRIPTION).write_text(json.dumps(document, sort_keys=True), encoding="utf-8")
            staging.rename(self.root / key)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise


def _size(tree: Path) -> int:
    total = 0
    for directory, _, names in os.walk(tree):
        for name in names:
            total += os.lstat(f"{directory}/{name}").st_blocks * 512
    return total
