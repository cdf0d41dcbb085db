"""Artifacts: whole or not there at all."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingot.store.artifacts import ArtifactError, ArtifactWriter, LocalArtifacts

_CONTENT = b"some bytes " * 100_000


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_what_is_written_is_found_by_its_hash(tmp_path: Path) -> None:
    artifacts = LocalArtifacts(tmp_path)
    with artifacts.writer() as writer:
        writer.write(_CONTENT[:1000])
        writer.write(_CONTENT[1000:])
        assert not artifacts.path(hashlib.sha256(_CONTENT).hexdigest()).exists()
    result = writer.result()
    assert result.sha256 == hashlib.sha256(_CONTENT).hexdigest()
    assert result.md5 == hashlib.md5(_CONTENT, usedforsecurity=False).hexdigest()
    assert result.size == len(_CONTENT)
    assert artifacts.path(result.sha256).read_bytes() == _CONTENT
    assert _files(tmp_path) == [artifacts.path(result.sha256)]


def _write_and_fail(writer: ArtifactWriter) -> None:
    writer.write(_CONTENT)
    raise KeyError


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    artifacts = LocalArtifacts(tmp_path)
    with pytest.raises(KeyError), artifacts.writer() as writer:
        _write_and_fail(writer)
    assert _files(tmp_path) == []


def test_the_same_content_twice_is_one_file_and_removed_once(tmp_path: Path) -> None:
    artifacts = LocalArtifacts(tmp_path)
    for _ in range(2):
        with artifacts.writer() as writer:
            writer.write(_CONTENT)
    sha256 = writer.result().sha256
    assert len(_files(tmp_path)) == 1
    with artifacts.path(sha256).open("rb") as file:
        artifacts.remove(sha256)
        artifacts.remove(sha256)
        assert file.read() == _CONTENT
    assert _files(tmp_path) == []


def test_a_finished_file_is_moved_in(tmp_path: Path) -> None:
    artifacts = LocalArtifacts(tmp_path / "store")
    file = tmp_path / "disk.qcow2"
    file.write_bytes(_CONTENT)
    sha256 = hashlib.sha256(_CONTENT).hexdigest()
    artifacts.adopt(file, sha256)
    assert artifacts.path(sha256).read_bytes() == _CONTENT
    assert not file.exists()


def test_a_disk_that_takes_no_more_is_named_with_its_figures(tmp_path: Path) -> None:
    """A limit on file sizes refuses bytes the way a full disk does: after a part of them."""
    code = """
import resource, sys
from pathlib import Path
from ingot.store.artifacts import ArtifactError, LocalArtifacts
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with LocalArtifacts(Path(sys.argv[1])).writer() as writer:
        writer.write(bytes(90_000))
        writer.write(bytes(90_000))
except ArtifactError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "needs at least 180000 bytes" in done.stdout
    assert "bytes are free" in done.stdout
    assert _files(tmp_path) == []


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    artifacts = LocalArtifacts(tmp_path)
    sha256 = hashlib.sha256(_CONTENT).hexdigest()
    (tmp_path / sha256[:2]).write_text("a file where the directory should be")
    with pytest.raises(ArtifactError, match="could not be stored"), artifacts.writer() as writer:
        writer.write(_CONTENT)
    assert _files(tmp_path) == [tmp_path / sha256[:2]]


def test_what_a_killed_process_left_is_removed_later(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from ingot.store.artifacts import LocalArtifacts
with LocalArtifacts(Path(sys.argv[1])).writer() as writer:
    writer.write(b"half of it")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60)
    (left,) = _files(tmp_path)
    artifacts = LocalArtifacts(tmp_path)
    artifacts.remove_leftovers(3600)
    assert _files(tmp_path) == [left]
    os.utime(left, (1, 1))
    artifacts.remove_leftovers(3600)
    assert _files(tmp_path) == []
