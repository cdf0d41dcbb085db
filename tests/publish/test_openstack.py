"""Publishing to a real Glance, without a login and with that of a real Keystone."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ingot.messages.account import CredAccountOpenStack
from ingot.messages.image import PublishImageOpenStack
from ingot.publish.openstack import OpenStackTarget
from ingot.publish.target import PublishError, Source
from tests.publish.conftest import Broken, Notes, as_format
from tests.publish.servers import glance, keystone

_PASSWORD = "keystone-password"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("openstack")


@pytest.fixture(scope="module")
def open_glance(root: Path) -> Iterator[str]:
    with glance(root / "open") as address:
        yield address


def _image(name: str, **fields: str) -> PublishImageOpenStack:
    return PublishImageOpenStack.model_validate({"display_name": name, **fields})


def _open(address: str) -> CredAccountOpenStack:
    return CredAccountOpenStack(glance_url=address)


def test_an_image_without_a_login(open_glance: str, root: Path, large_file: Source) -> None:
    source = as_format(large_file, "openstackqcow2")
    notes = Notes()
    published = OpenStackTarget(_open(open_glance), _image("Web"), source, notes.journal()).run()
    image = httpx.get(f"{open_glance}/v2/images/{published.cloud_id}").json()
    assert (image["name"], image["status"], image["disk_format"]) == ("Web", "active", "qcow2")
    assert image["size"] == source.size
    assert image["visibility"] == "private"
    assert image["ingot_sha256"] == source.sha256
    assert (root / "open" / "images" / published.cloud_id).read_bytes() == source.file.read_bytes()
    assert notes.reports[-1] == (source.size, source.size)
    assert notes.last == {"published": [published.cloud_id, published.location]}


def test_what_died_or_was_given_up_leaves_no_image(open_glance: str, large_file: Source) -> None:
    source = as_format(large_file, "openstackqcow2")
    dying = Notes(dies_after=1)
    with pytest.raises(Broken):
        OpenStackTarget(_open(open_glance), _image("Dead"), source, dying.journal()).run()

    def named(name: str) -> list[str]:
        images = httpx.get(f"{open_glance}/v2/images", params={"name": name}).json()["images"]
        return [image["id"] for image in images]

    assert named("Dead") == [dying.last["image"]]
    again = OpenStackTarget(_open(open_glance), _image("Dead"), source, Notes().journal(dying.last)).run()
    assert named("Dead") == [again.cloud_id]
    OpenStackTarget(_open(open_glance), _image("Dead"), source, Notes().journal({"image": again.cloud_id})).abort()
    assert named("Dead") == []
    OpenStackTarget(_open(open_glance), _image("Dead"), source, Notes().journal({"image": again.cloud_id})).abort()


def test_a_login_at_keystone(root: Path, large_file: Source) -> None:
    source = as_format(large_file, "openstackqcow2")
    with keystone(root / "keystone", _PASSWORD) as login, glance(root / "guarded", (login, _PASSWORD)) as address:
        account = CredAccountOpenStack(
            glance_url=address, keystone_url=login, login="admin", password=_PASSWORD, keystone_version="v3"
        )
        image = _image("Guarded", keystone_domain="Default", keystone_project="admin")
        published = OpenStackTarget(account, image, source, Notes().journal()).run()
        assert (root / "guarded" / "images" / published.cloud_id).stat().st_size == source.size
        assert httpx.get(f"{address}/v2/images/{published.cloud_id}").status_code == 401
        resources = OpenStackTarget(account, image, source, Notes().journal()).resources()
        assert [tenant.name for tenant in resources.tenants or []] == ["admin"]
        account.password = "wrong"
        with pytest.raises(PublishError, match=r"(?i)requires authentication"):
            OpenStackTarget(account, image, source, Notes().journal()).run()


def test_an_account_without_any_address_is_refused(large_file: Source) -> None:
    source = as_format(large_file, "openstackqcow2")
    with pytest.raises(PublishError, match="neither a keystoneUrl nor a glanceUrl"):
        OpenStackTarget(CredAccountOpenStack(), _image("x"), source, Notes().journal()).run()
