"""Machine images through the real server and worker, with an engine that waits for the test."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from sqlalchemy import event, select

from ingot.api.operations.machineimage import _STATEMENT
from ingot.api.representations import images as representations
from ingot.messages import codec
from ingot.messages.base import Message, OpStatus
from ingot.messages.common import OpStatuses, UForgeError
from ingot.messages.image import Image, Images
from ingot.messages.package import ImagePkgs
from ingot.services.passwords import hash_login
from ingot.store.tables import Role, User
from tests.faults.site import Site, eventually

_M = TypeVar("_M", bound=Message)
LOGIN = ("root", "secret")
QCOW2 = "<targetFormat><name>QCOW2</name><format><name>qcow2</name></format></targetFormat>"


class Api:
    """The API of a running server, as user root sees it, or another one."""

    def __init__(self, base: str, login: tuple[str, str] | None = LOGIN) -> None:
        self.base = base
        self.client = httpx.Client(base_url=f"{base}/", auth=login, timeout=30)

    def get(self, uri: str, message_type: type[_M], status: int = 200) -> _M:
        answer = self.client.get(uri)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/xml"
        return codec.from_xml(answer.content, message_type)

    def post(self, uri: str, content: str, message_type: type[_M], status: int = 201) -> _M:
        document = f'<u:image xmlns:u="http://www.usharesoft.com/uforge">{content}</u:image>' if content else ""
        answer = self.client.post(uri, content=document, headers={"content-type": "application/xml"})
        assert answer.status_code == status, answer.text
        return codec.from_xml(answer.content, message_type)

    def delete(self, uri: str) -> None:
        answer = self.client.delete(uri)
        assert (answer.status_code, answer.content) == (204, b"")

    def refusal(self, method: str, uri: str, status: int, **options: str) -> str:
        answer = self.client.request(method, uri, **options)
        assert answer.status_code == status, answer.text
        message = codec.from_xml(answer.content, UForgeError).localized_error_msg
        assert message is not None
        assert message.message
        return message.message

    def await_status(self, image: Image) -> OpStatus:
        """The status of an image's generation, once it is over."""
        status: list[OpStatus] = []

        def is_over() -> bool:
            status[:] = [self.get(f"{image.uri}/status", OpStatus)]
            assert status[0].message
            assert status[0].percentage in range(101)
            return bool(status[0].complete or status[0].error or status[0].cancelled)

        eventually(is_over, "the generation is over")
        return status[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, namespaces: None) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"), None)
    yield site
    site.close()


@pytest.fixture(scope="module")
def base(site: Site) -> str:
    return f"{site.start_server()[1]}/api"


@pytest.fixture
def api(base: str) -> Iterator[Api]:
    api = Api(base)
    with api.client:
        yield api


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The name of the test's own appliance."""
    return str(request.node.name).removeprefix("test_").replace("_", "-")


@pytest.fixture
def uri(site: Site, name: str) -> str:
    """The address of the images of the test's own appliance."""
    return f"users/root/appliances/{site.add_appliance(name)}/images"


@pytest.fixture
def finished(site: Site, api: Api, name: str, uri: str) -> Image:
    """An image of the test's own appliance that can be downloaded."""
    site.let_go(name)
    ticket = api.post(uri, f"<compress>true</compress>{QCOW2}", Image)
    assert api.await_status(ticket).complete
    assert ticket.uri
    return api.get(ticket.uri, Image)


def test_a_generation_from_its_ticket_to_its_file(site: Site, api: Api, name: str, uri: str) -> None:
    for stage in ("started", "packages"):
        site.let_go(name, stage)
    ticket = api.post(uri, f"<compress>true</compress>{QCOW2}", Image)
    assert ticket.uri == f"{uri}/{ticket.db_id}"
    assert f"{ticket.parent_uri}/images" == uri
    assert (ticket.status_uri, ticket.pkgs_uri) == (f"{ticket.uri}/status", f"{ticket.uri}/pkgs")
    assert (ticket.size, ticket.file_size, ticket.compress, ticket.image_created) == (0, 0, True, False)
    assert (ticket.download_key, ticket.download_uri) == (None, None)
    assert ticket.target_format
    assert ticket.target_format.format
    assert (ticket.target_format.name, ticket.target_format.format.name) == ("QCOW2", "qcow2")
    assert (ticket.name, ticket.version, ticket.distribution_name) == (name, "1", "Debian 12")
    assert ticket.status
    assert (ticket.status.complete, ticket.status.error, ticket.status.cancelled) == (False, False, False)
    assert ticket.status.message

    site.await_stage(name, "install")
    eventually(lambda: api.get(f"{ticket.uri}/status", OpStatus).percentage == 50, "the progress is shown")
    running = api.get(f"{ticket.uri}/status", OpStatus)
    assert (running.message, running.complete, running.error) == ("Installing packages", False, False)
    assert "still being generated" in api.refusal("GET", f"{ticket.uri}/downloads", 409)

    site.let_go(name)
    status = api.await_status(ticket)
    assert (status.complete, status.error, status.cancelled, status.percentage) == (True, False, False, 100)
    assert re.fullmatch(r"Done, created on \d\d \w{3} \d{4} \d\d:\d\d\.", status.message or "")

    image = api.get(ticket.uri, Image)
    content = (b"disk of " + name.encode()) * 1000
    assert image.sha256sum == hashlib.sha256(content).hexdigest()
    assert (image.size, image.file_size) == (len(content), len(content))
    assert image.file_name == f"{name}-1.qcow2"
    assert image.download_uri == f"{ticket.uri}/downloads?downloadId={image.download_key}"
    assert image.image_created


def test_a_key_opens_one_download_and_the_owner_as_many_as_wanted(api: Api, base: str, finished: Image) -> None:
    stranger = Api(base, None)
    with stranger.client:
        first = stranger.client.get(finished.download_uri or "")
        assert first.status_code == 200
        assert hashlib.sha256(first.content).hexdigest() == finished.sha256sum
        assert first.headers["etag"] == f'"{finished.sha256sum}"'
        assert "one download" in stranger.refusal("GET", finished.download_uri or "", 403)
        assert stranger.client.get(f"{finished.uri}/downloads").status_code == 401
    again = api.get(finished.uri or "", Image)
    assert again.download_key
    assert again.download_key != finished.download_key
    for _ in range(2):
        assert api.client.get(f"{finished.uri}/downloads/{finished.file_name}").content == first.content
    assert finished.file_name in api.refusal("GET", f"{finished.uri}/downloads/other.qcow2", 404)


def test_what_did_not_change_is_not_sent_again(api: Api, finished: Image) -> None:
    for uri in (finished.uri, f"{finished.uri}/status", f"{finished.uri}/pkgs", f"{finished.parent_uri}/images"):
        tag = api.client.get(uri or "").headers["etag"]
        answer = api.client.get(uri or "", headers={"if-none-match": tag})
        assert (answer.status_code, answer.content) == (304, b"")


def test_the_packages_of_an_image(api: Api, finished: Image) -> None:
    packages = api.get(f"{finished.uri}/pkgs", ImagePkgs).image_pkgs
    shown = [(one.pkg.name, one.pkg.version, one.pkg.release, one.pkg.epoch, one.level) for one in packages if one.pkg]
    assert shown == [("bash", "5.2", "1", None, 0), ("dash", "5.2", "1", 1, 1)]
    assert all(one.native_from_distribution and one.pkg and one.pkg.size == 7_000_000 for one in packages)


def test_lists_of_images(site: Site, api: Api, name: str, uri: str) -> None:
    assert b"<images></images>" in api.client.get(uri).content
    site.let_go(name)
    tickets = [api.post(uri, QCOW2, Image) for _ in range(2)]
    tickets.append(api.post(uri, "<targetFormat><name>Raw Virtual Disk</name></targetFormat>", Image))
    for ticket in tickets:
        api.await_status(ticket)

    def ids(query: str = "") -> list[int | None]:
        return [image.db_id for image in api.get(f"{uri}{query}", Images).images]

    one, two, three = (ticket.db_id for ticket in tickets)
    assert ids() == [three, two, one]
    assert ids("?query=targetFormat.name=='QCOW2'") == [two, one]
    assert ids("?query=targetFormat.name=='Raw+Virtual+Disk'") == [three]
    assert ids("?orderBy=dbId&count=2&offset=1") == [two, three]
    assert api.get(f"{uri}?count=1", Images).total == 3
    assert "nosuch" in api.refusal("GET", f"{uri}?query=nosuch==1", 400)
    statuses = api.get(f"{uri}/statuses", OpStatuses).statuses
    assert [status.parent_uri for status in statuses] == [f"{uri}/{number}" for number in (three, two, one)]

    of_user = api.get("users/root/images", Images).images
    assert {one, two, three} <= {image.db_id for image in of_user}
    some = api.get(f"users/root/images?img={one}&img={three}&img=99999999", Images).images
    assert [image.db_id for image in some] == [three, one]
    assert api.get("users/root/images?img=none", Images).images == []
    statuses = api.get(f"users/root/images/status?img={two}", OpStatuses).statuses
    assert [(status.parent_uri, status.complete) for status in statuses] == [(f"{uri}/{two}", True)]


def test_lists_do_not_ask_the_database_for_each_image(site: Site, api: Api, name: str, uri: str) -> None:
    """The time of a list may grow with its length, the number of its queries may not."""
    for number in range(3):
        site.add_appliance(f"{name}-{number}")
        site.generate(f"{name}-of-{number}")
        site.cancel(f"{name}-of-{number}")
    queries = []
    with site.database.transaction(read_only=True) as session:
        event.listen(session.connection(), "before_cursor_execute", lambda *arguments: queries.append(arguments[2]))
        rows = session.scalars(_STATEMENT).unique().all()
        assert len({row.appliance_id for row in rows}) >= 3
        assert all(representations.image(row, None).uri for row in rows)
    assert len(queries) == 1, queries


def test_a_cancelled_generation(site: Site, api: Api, name: str, uri: str) -> None:
    ticket = api.post(uri, f"<compress>true</compress>{QCOW2}", Image)
    site.await_stage(name, "started")
    api.delete(f"{ticket.uri}/status")
    status = api.await_status(ticket)
    assert (status.cancelled, status.complete, status.error, status.message) == (True, False, False, "Cancelled")
    api.delete(f"{ticket.uri}/status")
    assert "cancelled" in api.refusal("GET", f"{ticket.uri}/downloads", 409)
    shown = api.get(ticket.uri or "", Image)
    assert shown.status
    assert shown.status.cancelled
    assert (shown.size, shown.file_size, shown.download_uri) == (0, 0, None)


def test_a_failed_generation_says_why(site: Site, api: Api) -> None:
    site.let_go("fails-for-all")
    uri = f"users/root/appliances/{site.add_appliance('fails-for-all')}/images"
    status = api.await_status(api.post(uri, QCOW2, Image))
    assert (status.complete, status.error, status.cancelled) == (True, True, False)
    assert status.error_message == "Package nosuch does not exist."
    assert (status.detailed_error, status.detailed_error_msg) == (True, "apt says:\nE: nosuch")
    assert status.message


def test_a_simulation_yields_the_packages_alone(site: Site, api: Api, name: str, uri: str) -> None:
    site.let_go(name)
    ticket = api.post(uri, f"<compress>true</compress>{QCOW2}<simulated>true</simulated>", Image)
    assert api.await_status(ticket).complete
    image = api.get(ticket.uri or "", Image)
    assert (image.simulated, image.size, image.download_uri) == (True, 0, None)
    assert len(api.get(f"{ticket.uri}/pkgs", ImagePkgs).image_pkgs) == 2
    assert "simulated" in api.refusal("GET", f"{ticket.uri}/downloads", 409)


def test_what_was_made_for_publishing_is_not_downloaded(site: Site, api: Api, name: str, uri: str) -> None:
    site.let_go(name)
    ticket = api.post(uri, f"<compress>false</compress>{QCOW2}", Image)
    api.await_status(ticket)
    image = api.get(ticket.uri or "", Image)
    assert image.image_created
    assert (image.download_key, image.download_uri) == (None, None)
    assert "compress=true" in api.refusal("GET", f"{ticket.uri}/downloads", 409)


def test_regenerate(site: Site, api: Api, name: str, finished: Image) -> None:
    (site.control / f"go-{name}").unlink()
    uri = finished.uri or ""
    again = api.post(uri, "", Image)
    assert (again.db_id, again.image_created, again.download_uri) == (finished.db_id, False, None)
    site.await_stage(name, "started")
    assert "force=true" in api.refusal("POST", uri, 409)
    assert api.client.get(finished.download_uri or "", auth=httpx.USE_CLIENT_DEFAULT).status_code == 409
    api.post(f"{uri}?force=True", "", Image)
    site.let_go(name)
    assert api.await_status(again).complete
    assert api.get(uri, Image).sha256sum == finished.sha256sum
    assert len(api.get(f"{uri}/pkgs", ImagePkgs).image_pkgs) == 2


def _file(site: Site, image: Image) -> Path:
    assert image.sha256sum
    return site.data / "artifacts" / image.sha256sum[:2] / image.sha256sum


def test_delete_takes_the_file_with_the_last_image_that_has_it(
    site: Site, api: Api, finished: Image, uri: str
) -> None:
    twin = api.post(uri, f"<compress>true</compress>{QCOW2}", Image)
    api.await_status(twin)
    twin = api.get(twin.uri or "", Image)
    assert twin.sha256sum == finished.sha256sum
    api.delete(finished.uri or "")
    assert str(finished.db_id) in api.refusal("GET", finished.uri or "", 404)
    assert _file(site, twin).exists()
    assert api.client.get(twin.download_uri or "", auth=None).status_code == 200
    api.delete(uri)
    assert api.get(uri, Images).images == []
    assert not _file(site, twin).exists()


def test_delete_ends_a_generation(site: Site, api: Api, name: str, uri: str) -> None:
    ticket = api.post(uri, QCOW2, Image)
    site.await_stage(name, "started")
    api.delete(ticket.uri or "")
    api.refusal("GET", f"{ticket.uri}/status", 404)
    eventually(lambda: not any(path.name.startswith(f"{ticket.db_id}-") for path in site.scratch()), "it is gone")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (QCOW2.replace("QCOW2", "Floppy"), ("Floppy", "QCOW2", "Raw Virtual Disk")),
        ("<compress>true</compress>", ("target format", "QCOW2")),
        ("<compress>maybe</compress>", ("compress", "maybe")),
        ("<nosuch/>", ("nosuch",)),
    ],
)
def test_bad_requests_are_explained(site: Site, api: Api, content: str, words: tuple[str, ...]) -> None:
    uri = f"users/root/appliances/{site.add_appliance(f'bad {words[0]}')}/images"
    document = f'<u:image xmlns:u="http://www.usharesoft.com/uforge">{content}</u:image>'
    message = api.refusal("POST", uri, 400, content=document)
    assert all(word in message for word in words)
    assert api.get(uri, Images).images == []


def test_an_appliance_without_os_profile_is_refused(site: Site, api: Api, name: str) -> None:
    appliance = f"users/root/appliances/{site.add_appliance(name, profile=False)}"
    document = f'<u:image xmlns:u="http://www.usharesoft.com/uforge">{QCOW2}</u:image>'
    assert "has no OS profile" in api.refusal("POST", f"{appliance}/images", 400, content=document)


def test_json_too(site: Site, api: Api, name: str, uri: str) -> None:
    site.let_go(name)
    body = {"image": {"compress": True, "targetFormat": {"name": "QCOW2"}}}
    ticket = api.client.post(uri, json=body, headers={"accept": "application/json"})
    assert ticket.status_code == 201
    image = codec.from_json(ticket.content, Image)
    api.await_status(image)
    shown = codec.from_json(api.client.get(uri, headers={"accept": "application/json"}).content, Images)
    assert [one.db_id for one in shown.images] == [image.db_id]


@pytest.fixture(scope="module")
def others(site: Site) -> None:
    """A designer and a user without rights."""
    with site.database.transaction() as session:
        roles = {role.name: role for role in session.scalars(select(Role))}
        root = session.scalars(select(User).where(User.login == "root")).one()
        for login, role in (("ann", "designer"), ("bob", "user")):
            session.add(
                User(
                    login=login,
                    password_hash=hash_login("secret"),
                    organisation_id=root.organisation_id,
                    roles=[roles[role]],
                )
            )


def test_the_images_of_others_do_not_exist(others: None, api: Api, base: str, finished: Image) -> None:
    ann = Api(base, ("ann", "secret"))
    with ann.client:
        uri = finished.uri or ""
        for method, what in (("GET", uri), ("DELETE", uri), ("GET", f"{uri}/downloads"), ("GET", f"{uri}/status")):
            ann.refusal(method, what, 404)
            ann.refusal(method, what.replace("users/root/", "users/ann/"), 404)
    assert api.get(uri, Image).db_id == finished.db_id


def test_a_right_that_is_missing_is_named(others: None, base: str, uri: str) -> None:
    bob = Api(base, ("bob", "secret"))
    with bob.client:
        of_bob = uri.replace("users/root/", "users/bob/")
        assert "appliance_create" in bob.refusal("GET", of_bob, 403)
        document = f'<u:image xmlns:u="http://www.usharesoft.com/uforge">{QCOW2}</u:image>'
        assert "image_generate" in bob.refusal("POST", of_bob, 403, content=document)


@pytest.mark.parametrize("number", ["0", "abc", "99999999", "1%27", "-1", "9" * 30])
def test_ids_that_name_nothing(api: Api, uri: str, number: str) -> None:
    for what in ("", "/status", "/pkgs", "/downloads"):
        api.refusal("GET", f"{uri}/{number}{what}", 404)
