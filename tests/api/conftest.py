"""A real server on the loopback, and clients of it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from ingot.api.server import server_config
from ingot.build.packages.repository import AvailablePackage
from ingot.services import first_start, package_index
from ingot.services.passwords import hash_login
from ingot.settings import Settings
from ingot.store.database import Database
from ingot.store.tables import Distribution, Organisation, Role, User
from tests.faults.conftest import namespaces

__all__ = ["namespaces"]
PASSWORD = "a password: with a colon"


@dataclass
class Site:
    """A running server and its database."""

    address: str
    database: Database
    directory: Path

    def client(self, login: str = "root", accept: str = "application/json") -> httpx.Client:
        """A client that is logged in and asks for JSON (or what `accept` says)."""
        return httpx.Client(
            base_url=f"{self.address}/api/", auth=(login, PASSWORD), headers={"Accept": accept}, timeout=30
        )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    settings = Settings(data_dir=directory)
    database = Database(settings.database)
    database.migrate()
    with database.transaction() as session:
        first_start.prepare(session, root_password=PASSWORD)
        session.flush()
        roles = {role.name: role for role in session.query(Role)}
        organisation = session.query(Organisation).one()
        for login, names in (("alice@example.org", ["designer", "user"]), ("bob", ["designer"]), ("carol", ["user"])):
            session.add(
                User(
                    login=login,
                    email=f"{login}@localhost",
                    password_hash=hash_login(PASSWORD),
                    organisation=organisation,
                    roles=[roles[name] for name in names],
                )
            )
        first = session.query(Distribution).order_by(Distribution.id).first()
        assert first is not None
        distribution_id = first.id
    names = ["nginx", "nginx-doc", "libnginx-mod-http-lua", "openssh-server", "postgresql", "apt", "sudo", "login"]
    package_index.refresh(database, distribution_id, [_package(name) for name in names])
    config = server_config(settings, database, "127.0.0.1", 0)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Site(f"http://127.0.0.1:{port}", database, directory)
    server.should_exit = True
    thread.join()
    database.close()


def _package(name: str) -> AvailablePackage:
    return AvailablePackage(name, None, "1.0", "1", "amd64", 1000, 5000, "0" * 64, "web", f"The {name} package")


@pytest.fixture
def root(site: Site) -> Iterator[httpx.Client]:
    with site.client() as client:
        yield client


@pytest.fixture
def alice(site: Site) -> Iterator[httpx.Client]:
    with site.client("alice@example.org") as client:
        yield client


@pytest.fixture
def make_appliance(root: httpx.Client, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Creates appliances of root, deleted after the test."""
    made: list[str] = []

    def make(name: str | None = None, *, profile: bool = False) -> dict[str, Any]:
        distribution = root.get("distributions").json()["distributions"]["distributions"]["distribution"][0]
        body = {"name": name or request.node.name, "version": "1", "distributionUri": distribution["uri"]}
        response = root.post("users/root/appliances", json={"appliance": body})
        assert response.status_code == 201, response.text
        appliance: dict[str, Any] = response.json()["appliance"]
        made.append(appliance["uri"])
        if profile:
            uri = distribution["profileUris"]["uri"][0]
            created = root.post(
                appliance["baseOsProfileUri"],
                json={"distribProfile": {"@type": "LinuxProfile", "standardProfileUri": uri}},
            )
            assert created.status_code == 201, created.text
        return appliance

    yield make
    for uri in made:
        root.delete(uri, params={"force": "True"})
