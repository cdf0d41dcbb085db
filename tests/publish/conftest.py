"""A small image to publish, and what a publication tells of itself."""

import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ingot.publish.target import Journal, Source
from tests.publish.archives import write_oci_archive

_MIB = 1 << 20


class Broken(Exception):  # noqa: N818 - it is what a power cut would be
    """The process has died."""


@dataclass
class Notes:
    """A journal that remembers everything; `dies_after` saves, the process is dead."""

    saved: list[dict[str, Any]] = field(default_factory=list)
    reports: list[tuple[int, int]] = field(default_factory=list)
    dies_after: int | None = None

    def journal(self, state: dict[str, Any] | None = None) -> Journal:
        """A journal that goes on from a state."""
        return Journal(dict(state or {}), self._save, self._report)

    @property
    def last(self) -> dict[str, Any]:
        """The state that the next process finds."""
        return self.saved[-1] if self.saved else {}

    def _save(self, state: dict[str, Any]) -> None:
        self.saved.append(json.loads(json.dumps(state)))
        if self.dies_after is not None and len(self.saved) >= self.dies_after:
            raise Broken

    def _report(self, done: int, total: int, message: str) -> None:
        assert 0 <= done <= total
        assert message
        self.reports.append((done, total))


def _source(file: Path, image_format: str, name: str) -> Source:
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return Source(file, name, file.stat().st_size, sha256, image_format, "Web server", "1.0", "x86_64")


@pytest.fixture
def raw_disk(tmp_path: Path) -> Source:
    """A raw disk of 100 MiB with data at its beginning, in its middle and at its end, and holes between."""
    file = tmp_path / "disk.raw"
    with file.open("wb") as disk:
        for position in (0, 33 * _MIB + 4096, 99 * _MIB):
            disk.seek(position)
            disk.write(os.urandom(_MIB))
        disk.truncate(100 * _MIB)
    return _source(file, "aws", "disk.raw")


@pytest.fixture
def large_file(tmp_path: Path) -> Source:
    """A file of 40 MiB and a bit, all of it data."""
    file = tmp_path / "large.qcow2"
    file.write_bytes(os.urandom(40 * _MIB + 12345))
    return _source(file, "qcow2", "Web server-1.0.qcow2")


@pytest.fixture
def oci_archive(tmp_path: Path) -> Source:
    """An OCI archive with one small layer and one of 20 MiB."""
    file = tmp_path / "image.oci.tar"
    write_oci_archive(file, (b"small", os.urandom(20 * _MIB)))
    return _source(file, "docker", "image.oci.tar")


def as_format(source: Source, image_format: str) -> Source:
    """The same file as an image of another format."""
    return replace(source, format=image_format)
