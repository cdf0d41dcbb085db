"""The cache of package files: one file per content, named by its SHA-256, shared by all builds."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.lock import locked, try_locked
from ingot.build.packages.repository import Repository, ResolvedPackage

#: Longer argument lists would outgrow the kernel's limit.
_BATCH = 500
_LOCK = "lock"
#: How the directories begin that files are fetched into.
INCOMING = "incoming-"


def fetch(
    repository: Repository,
    packages: Sequence[ResolvedPackage],
    cache: Path,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> dict[str, Path]:
    """Bring every package into the cache; returns {SHA-256: file}.

    Nothing is asked of the network when all are there. The family's own transport fetches the rest and refuses a
    file whose hash is not the one that the verified package lists name. `on_progress` gets bytes done, all.
    """
    pool = package_pool(cache)
    pool.mkdir(parents=True, exist_ok=True)
    files = {package.sha256: pool / f"{package.sha256}{repository.suffix}" for package in packages}
    missing = [package for package in packages if _size(files[package.sha256]) != package.size]
    done = 0
    for start in range(0, len(missing), _BATCH):
        batch = missing[start : start + _BATCH]
        with tempfile.TemporaryDirectory(dir=pool, prefix=INCOMING) as incoming:
            repository.download(batch, Path(incoming))
            for package in batch:
                arrived = Path(incoming) / package.sha256
                if arrived.stat().st_size != package.size:
                    raise BuildError(
                        f"Package {package.name} {package.version} arrived with the wrong size. Try again."
                    )
                # A rename is atomic; two builds that fetch the same file both succeed.
                arrived.rename(files[package.sha256])
                done += package.size
                on_progress(done, sum(package.size for package in missing))
    for file in files.values():
        os.utime(file)  # recently used: eviction takes the oldest first
    return files


def without_damage(files: Mapping[str, Path]) -> list[str]:
    """Remove the files that are not what their names say; returns their hashes. They have to be fetched again."""
    with ThreadPoolExecutor() as pool:
        sound = pool.map(verify, files.values())
        damaged = [sha256 for sha256, is_sound in zip(files, sound, strict=True) if not is_sound]
    for sha256 in damaged:
        files[sha256].unlink(missing_ok=True)
    return damaged


def in_use(cache: Path) -> AbstractContextManager[None]:
    """A context in which nobody evicts package files."""
    return locked(package_pool(cache) / _LOCK, shared=True)


def out_of_use(cache: Path) -> AbstractContextManager[bool]:
    """A context in which no build counts on package files; whether that could be had at once."""
    pool = package_pool(cache)
    pool.mkdir(parents=True, exist_ok=True)
    return try_locked(pool / _LOCK)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return -1


def package_pool(cache: Path) -> Path:
    """The directory of a cache that holds the package files."""
    return cache / "packages"


def verify(file: Path) -> bool:
    """Whether a cached package file still is what its name says."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.stem
