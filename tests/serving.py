"""A running server with a worker whose engine waits for the test, for tests that drive it from outside."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from ingot.build.packages.repository import AvailablePackage
from ingot.services import package_index
from ingot.services.passwords import hash_login
from ingot.store.tables import Distribution, Role, User
from tests.faults.site import Site

PASSWORD = "secret"
PACKAGES = ("nginx", "nginx-doc", "libnginx-mod-http-lua", "openssh-server", "100%_pure")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, namespaces: None) -> Iterator[Site]:
    """A site with packages to search for."""
    site = Site(tmp_path_factory.mktemp("site"), None)
    with site.database.transaction(read_only=True) as session:
        first = session.scalars(select(Distribution.id).order_by(Distribution.id)).first()
    assert first is not None
    packages = [AvailablePackage(name, None, "1.0", "1", "amd64", 1000, 1, "0" * 64, "web", "") for name in PACKAGES]
    package_index.refresh(site.database, first, packages)
    yield site
    site.close()


@pytest.fixture(scope="module")
def address(site: Site) -> str:
    """Where the server listens: http://127.0.0.1:PORT."""
    return site.start_server()[1]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The name of the test's own appliance."""
    return re.sub(r"\W+", "-", str(request.node.name).removeprefix("test_").replace("_", "-")).strip("-")


def add_user(site: Site, login: str) -> None:
    """Add a designer of templates."""
    with site.database.transaction() as session:
        roles = list(session.scalars(select(Role).where(Role.name == "designer")))
        organisation = session.scalars(select(User).where(User.login == "root")).one().organisation
        session.add(
            User(
                login=login,
                email=login,
                password_hash=hash_login(PASSWORD),
                organisation=organisation,
                roles=roles,
            )
        )


class Command:
    """The `ingot` command as somebody at a shell calls it, with a home of their own."""

    def __init__(self, home: Path, address: str | None) -> None:
        self.home = home
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("INGOT_")},
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }
        if address is not None:
            self.environment |= {"INGOT_URL": address, "INGOT_USER": "root", "INGOT_PASSWORD": PASSWORD}

    def start(self, *argv: str) -> "subprocess.Popen[str]":
        """Start the command."""
        return subprocess.Popen(
            [Path(sys.executable).with_name("ingot"), *argv],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *argv: str, code: int = 0, stdin: str = "") -> str:
        """What the command prints; it must end with this status. Of a failure, what it says on standard error."""
        with self.start(*argv) as process:
            output, errors = process.communicate(stdin, timeout=60)
        assert process.returncode == code, (output, errors)
        assert "Traceback" not in errors
        return errors if code else output


__all__ = ["Command", "add_user", "address", "name", "site"]
