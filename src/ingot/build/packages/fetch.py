"""The cache of package files: one file per content, named by its SHA-256, shared by all builds."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.packages.repository import Repository, ResolvedPackage

#: How the files in the cache may end: one suffix for each family.
PACKAGE_SUFFIXES = (".deb", ".rpm")
#: Longer argument lists would outgrow the kernel's limit.
_BATCH = 500


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
    missing = [package for package in packages if not files[package.sha256].exists()]
    done = 0
    for start in range(0, len(missing), _BATCH):
        batch = missing[start : start + _BATCH]
        with tempfile.TemporaryDirectory(dir=pool, prefix="incoming-") as incoming:
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


def package_pool(cache: Path) -> Path:
    """The directory of a cache that holds the package files."""
    return cache / "packages"


def verify(file: Path) -> bool:
    """Whether a cached package file still is what its name says."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.stem
