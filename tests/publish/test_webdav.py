"""Publishing to a real web server."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingot.messages.extension import CredAccountWebDav, PublishImageWebDav
from ingot.publish.target import PublishError, Source
from ingot.publish.webdav import WebDavTarget
from tests.publish.conftest import Notes
from tests.publish.servers import web_dav

_LOGIN = ("ingot", "a password")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dav")


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with web_dav(root, _LOGIN) as address:
        yield address


def _target(address: str, path: str | None, source: Source, notes: Notes, password: str = _LOGIN[1]) -> WebDavTarget:
    account = CredAccountWebDav(endpoint_url=address, login=_LOGIN[0], password=password)
    return WebDavTarget(account, PublishImageWebDav(path=path), source, notes.journal(notes.last))


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_file_is_in_its_place_when_it_is_whole(address: str, root: Path, large_file: Source) -> None:
    notes = Notes()
    published = _target(address, "images/", large_file, notes).run()
    assert published.location == f"{address}/images/Web%20server-1.0.qcow2"
    directory = root / "files" / "images"
    assert [file.name for file in directory.iterdir()] == ["Web server-1.0.qcow2"]
    assert _sha256(directory / "Web server-1.0.qcow2") == large_file.sha256
    assert notes.reports[-1] == (large_file.size, large_file.size)
    assert notes.last == {"published": [published.cloud_id, published.location]}


def test_a_server_without_move_has_the_file_too(tmp_path: Path, large_file: Source) -> None:
    root = tmp_path / "plain"
    with web_dav(root, _LOGIN, moves=False) as address:
        _target(address, "disk.qcow2", large_file, Notes()).run()
    assert [file.name for file in (root / "files").iterdir()] == ["disk.qcow2"]
    assert _sha256(root / "files" / "disk.qcow2") == large_file.sha256


def test_what_was_given_up_is_removed(address: str, root: Path, large_file: Source) -> None:
    partial = root / "files" / "given-up.part"
    partial.write_bytes(b"a part")
    notes = Notes(saved=[{"paths": ["given-up.part"]}])
    _target(address, "given-up", large_file, notes).abort()
    assert not partial.exists()
    notes = Notes(saved=[{"paths": ["given-up.part"]}])
    _target(address, "given-up", large_file, notes).abort()


def test_faults_are_told(address: str, large_file: Source) -> None:
    with pytest.raises(PublishError, match="401 Unauthorized"):
        _target(address, "x", large_file, Notes(), "wrong").run()
    with pytest.raises(PublishError, match="must not leave"):
        _target(address, "../x", large_file, Notes()).run()
    with pytest.raises(PublishError, match="could not be reached"):
        _target("http://127.0.0.1:1", "x", large_file, Notes()).run()
