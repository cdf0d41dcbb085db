"""Publishing to a real container registry."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ingot.messages.account import CredAccountDocker
from ingot.messages.image import PublishImageDocker
from ingot.publish.registry import RegistryTarget
from ingot.publish.target import PublishError, Source
from tests.publish.conftest import Broken, Notes
from tests.publish.servers import docker_registry

_LOGIN = ("ingot", "a password")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry"), _LOGIN) as address:
        yield address


def _account(address: str, password: str = _LOGIN[1]) -> CredAccountDocker:
    return CredAccountDocker(endpoint_url=address, login=_LOGIN[0], password=password)


def _image(repository: str) -> PublishImageDocker:
    return PublishImageDocker(namespace="team", repository_name=repository, tag_name="1.0")


def test_an_image_is_in_the_registry_as_it_was_in_the_archive(address: str, oci_archive: Source) -> None:
    notes = Notes()
    published = RegistryTarget(_account(address), _image("whole"), oci_archive, notes.journal()).run()
    assert published.cloud_id == "team/whole:1.0"
    assert published.location == f"{address.removeprefix('http://')}/team/whole:1.0"
    assert notes.reports[-1][0] == notes.reports[-1][1]
    assert notes.last == {"published": [published.cloud_id, published.location]}
    with httpx.Client(base_url=address, auth=_LOGIN) as registry, tarfile.open(oci_archive.file) as archive:
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        manifest = registry.get("/v2/team/whole/manifests/1.0", headers=accept).json()
        for entry in (*manifest["layers"], manifest["config"]):
            content = archive.extractfile(f"blobs/{entry['digest'].replace(':', '/')}")
            assert content is not None
            assert registry.get(f"/v2/team/whole/blobs/{entry['digest']}").content == content.read()


def test_a_push_that_died_goes_on_in_the_middle_of_its_layer(address: str, oci_archive: Source) -> None:
    # The small layer is saved when it begins, moves and ends; then the large one begins and has its first part.
    dying = Notes(dies_after=5)
    with pytest.raises(Broken):
        RegistryTarget(_account(address), _image("resumed"), oci_archive, dying.journal()).run()
    state = dying.last
    reached = httpx.get(state["location"], auth=_LOGIN).headers["range"]
    assert reached == f"0-{(16 << 20) - 1}"
    notes = Notes()
    RegistryTarget(_account(address), _image("resumed"), oci_archive, notes.journal(state)).run()
    sent = [done for done, _ in notes.reports]
    assert sent == sorted(sent)
    answer = httpx.get(f"{address}/v2/team/resumed/tags/list", auth=_LOGIN)
    assert json.loads(answer.text) == {"name": "team/resumed", "tags": ["1.0"]}


def test_a_push_that_is_given_up_leaves_no_upload(address: str, oci_archive: Source) -> None:
    dying = Notes(dies_after=5)
    with pytest.raises(Broken):
        RegistryTarget(_account(address), _image("aborted"), oci_archive, dying.journal()).run()
    location = dying.last["location"]
    RegistryTarget(_account(address), _image("aborted"), oci_archive, Notes().journal(dying.last)).abort()
    assert httpx.get(location, auth=_LOGIN).status_code == 404


def test_the_registry_s_own_words_are_told(address: str, oci_archive: Source) -> None:
    with pytest.raises(PublishError, match=r"(?i)unauthorized|authentication required"):
        RegistryTarget(_account(address, "wrong"), _image("x"), oci_archive, Notes().journal()).run()


def test_names_that_no_registry_takes_are_refused_before_anything_is_sent(address: str, oci_archive: Source) -> None:
    for image in (_image("Upper"), _image("a..b"), PublishImageDocker(repository_name="ok", tag_name="no tag")):
        with pytest.raises(PublishError, match="is no"):
            RegistryTarget(_account(address), image, oci_archive, Notes().journal()).run()


def test_what_is_no_oci_archive_is_named(address: str, tmp_path: Path, oci_archive: Source) -> None:
    empty = tmp_path / "empty.tar"
    tarfile.open(empty, "w").close()
    source = Source(empty, "empty.tar", empty.stat().st_size, "0" * 64, "docker", "x", "1", "x86_64")
    with pytest.raises(PublishError, match=r"has no index\.json"):
        RegistryTarget(_account(address), _image("x"), source, Notes().journal()).run()
