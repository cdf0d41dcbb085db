"""What the sources of a template are: files beside it, or fetched from web addresses into the cache."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ingot.build.addresses import is_remote
from ingot.build.errors import BuildError
from ingot.settings import Settings


def file_pool(cache: Path) -> Path:
    """The directory of a cache that holds files from web addresses, by SHA-256."""
    return cache / "files"


class Contents:
    """The files that a template names, by their sources.

    `known` are the hashes that a manifest has of them already: what has another content by now is refused.
    """

    def __init__(
        self,
        directory: Path | None,
        cache: Path,
        *,
        allow_private: bool = True,
        known: Mapping[str, str] | None = None,
        on_progress: Callable[[str], None] = lambda _message: None,
    ) -> None:
        self._directory, self._cache, self._allow_private = directory, cache, allow_private
        self._known = dict(known or {})
        self._fetched: dict[str, str] = {}
        self._on_progress = on_progress

    def path(self, source: str) -> Path:
        """The file of a source; raises BuildError when it cannot be had."""
        if not is_remote(source):
            return self._local(source)
        sha256 = self._fetched.get(source) or self._known.get(source)
        if sha256 is None or not (file_pool(self._cache) / sha256).exists():
            sha256 = self._fetch(source)
        self._fetched[source] = sha256
        file = file_pool(self._cache) / sha256
        os.utime(file)
        return file

    def is_directory(self, source: str) -> bool:
        """Whether a source is a directory beside the template."""
        return not is_remote(source) and self._local(source).is_dir()

    def sha256(self, source: str) -> str:
        """The hash of a source's content; raises BuildError."""
        path = self.path(source)
        if is_remote(source):
            return self._fetched[source]  # files in the cache never change
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BuildError(f"The file {source} of the template cannot be read: {error.strerror}.") from error

    def verify(self) -> None:
        """Make sure that everything that is known of is as it was; raises BuildError."""
        for source, digest in self._known.items():
            if source != digest and self.sha256(source) != digest:
                raise BuildError(
                    f"The file {source} has changed since the manifest was made: its SHA-256 is not {digest}. "
                    "Bring the old file back, or make the manifest again."
                )

    def _local(self, source: str) -> Path:
        if Path(source).is_absolute() or ".." in Path(source).parts:
            raise BuildError(f"The file {source} lies outside the template's directory.")
        if self._directory is None:
            raise BuildError(f"The template names the file {source}, but no directory was given.")
        return self._directory / source

    def _fetch(self, source: str) -> str:
        pool = file_pool(self._cache)
        pool.mkdir(parents=True, exist_ok=True)
        self._on_progress(f"Fetching {source.partition('?')[0].rpartition('/')[2]}")
        from ingot.build.remote import fetch_file  # noqa: PLC0415 - its HTTP client is slow to load

        fetched = fetch_file(source, pool, largest=Settings().largest_upload, allow_private=self._allow_private)
        expected = self._known.get(source)
        if expected is not None and fetched.sha256 != expected:
            fetched.file.unlink()
            raise BuildError(
                f"The file {source} has changed since the manifest was made: its SHA-256 is {fetched.sha256}, not "
                f"{expected}. Make the manifest again."
            )
        fetched.file.rename(pool / fetched.sha256)
        return fetched.sha256
