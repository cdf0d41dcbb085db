"""Check that the cache still holds what it says, and drop what does not: a miss is never an error."""

from collections.abc import Iterator
from pathlib import Path

from ingot.build.cache import Cache, CachedPackage, CacheEntry
from ingot.build.families import FAMILIES
from ingot.build.packages import fetch
from ingot.build.sparse import data_digest

#: The file beside a cached disk that holds the hash of its data.
DIGEST = "sha256"


def verify(cache: Cache) -> Iterator[tuple[CacheEntry | CachedPackage, str | None]]:
    """Everything in the cache with what is wrong with it (None: nothing). Must run inside the namespace."""
    for package in cache.package_files():
        yield package, None if fetch.verify(package.path) else "its content is not what its name says"
    for entry in cache.entries():
        yield entry, _tree_problem(entry.content) if entry.kind == "trees" else _disk_problem(entry.content)


def _tree_problem(tree: Path) -> str | None:
    """The first file of a tree that is not as its package has it, of whichever family the tree is."""
    return next((problem for family in FAMILIES.values() if (problem := family.first_wrong_file(tree))), None)


def _disk_problem(directory: Path) -> str | None:
    for file in sorted(directory.glob("*.raw")):
        recorded = directory / f"{file.name}.{DIGEST}"
        if not recorded.exists():
            return f"the digest of {file.name} is missing"
        if data_digest(file) != recorded.read_text(encoding="ascii"):
            return f"the content of {file.name} has changed"
    return None
