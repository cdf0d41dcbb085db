"""Fixtures for fault tests."""

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.postgres import Postgres
from tests.faults.site import Site


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip where the machine does not allow what every build needs."""
    probe = "n.call(lambda: 0 if n.has_own_processes() else 9)"
    code = f"import sys; from ingot.build import namespace as n; sys.exit({probe})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode == 9:
        pytest.skip("this container hides parts of /proc: builds have no process ids of their own to be ended by")
    if done.returncode != 0:
        pytest.skip(f"builds are not possible here: {done.stderr.strip()}")


@pytest.fixture
def new_site(tmp_path: Path, namespaces: None) -> Iterator[Callable[..., Site]]:
    sites = []

    def make(database_url: str | None = None, **options: int) -> Site:
        site = Site(tmp_path, database_url, **options)
        sites.append(site)
        return site

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_site(request: pytest.FixtureRequest, new_site: Callable[..., Site]) -> Site:
    """A site on each database."""
    if request.param == "sqlite":
        return new_site()
    server: Postgres = request.getfixturevalue("postgres")
    return new_site(server.new_database(f"test_{uuid.uuid4().hex}"))
