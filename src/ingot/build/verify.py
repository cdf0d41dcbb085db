"""Check that the cache still holds what it says, and drop what does not: a miss is never an error."""

from collections.abc import Iterator

from ingot.build.cache import Cache, CachedFile, CacheEntry
from ingot.build.packages import fetch
from ingot.build.soundness import problem_of


def verify(cache: Cache) -> Iterator[tuple[CacheEntry | CachedFile, str | None]]:
    """Everything in the cache with what is wrong with it (None: nothing). Must run inside the namespace."""
    for file in cache.files():
        yield file, None if fetch.verify(file.path) else "its content is not what its name says"
    for entry in cache.entries():
        yield entry, problem_of(entry.kind, entry.content)
