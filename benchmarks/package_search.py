"""Search over 60,000 packages, on both databases: median and slowest of many searches, with all that a handler does.

`python -m benchmarks.package_search [POSTGRESQL_URL]`
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import select
from starlette.datastructures import QueryParams

from ingot.api.operations.os import PACKAGES
from ingot.api.representations import catalogue
from ingot.build.packages.repository import AvailablePackage
from ingot.services import first_start, package_index
from ingot.store.database import Database
from ingot.store.tables import Distribution, Package

COUNT = 60_000
ROUNDS = 60
WORDS = ("lib", "python3-", "golang-", "node-", "fonts-", "nginx", "php-", "ruby-", "r-cran-", "kde", "perl-")


def main(urls: list[str]) -> None:
    """Print a line for each database and kind of search."""
    with tempfile.TemporaryDirectory() as directory:
        for url in [f"sqlite:///{Path(directory) / 'ingot.db'}", *urls]:
            database = Database(url)
            database.migrate()
            with database.transaction() as session:
                first_start.prepare(session, root_password="benchmark")  # noqa: S106
                distribution = session.scalars(select(Distribution).order_by(Distribution.id)).first()
                assert distribution is not None
                number = distribution.id
            started = time.perf_counter()
            package_index.refresh(database, number, _packages())
            print(f"{database.engine.name}: {COUNT} packages are entered in {time.perf_counter() - started:.1f} s")
            for what, query in (
                ("a word anywhere", {"query": "name==nginx", "count": "50"}),
                ("a word anywhere, the latest", {"query": "name==nginx", "count": "50", "latestOnly": "true"}),
                ("a beginning", {"query": "name=='python3-1*'", "count": "50"}),
                ("one name", {"query": "name=='nginx-777'"}),
                ("nothing there", {"query": "name==nosuchpackage"}),
                ("a page deep in all", {"offset": "50000", "count": "50"}),
                ("the first page of all", {"count": "50"}),
                ("as many as one answer has", {}),
            ):
                _measure(what, partial(_search, database, number, query))
            database.close()


def _packages() -> list[AvailablePackage]:
    chance = random.Random(7)  # noqa: S311
    return [
        AvailablePackage(
            f"{chance.choice(WORDS)}{number}" if number % 777 else f"nginx-{number}",
            None,
            f"{chance.randrange(9)}.{chance.randrange(30)}",
            str(chance.randrange(1, 9)),
            "amd64",
            chance.randrange(10**7),
            chance.randrange(10**7),
            f"{number:064x}",
            "misc",
            "A package that does what packages do, described in a line",
        )
        for number in range(COUNT)
    ]


def _search(database: Database, distribution_id: int, query: dict[str, str]) -> int:
    with database.transaction(read_only=True) as session:
        statement = select(Package).where(Package.distribution_id == distribution_id, Package.active)
        if "latestOnly" in query:
            statement = statement.where(Package.latest)
        rows = PACKAGES.rows(session, statement, QueryParams(query))
        return len([catalogue.package(row) for row in rows])


def _measure(what: str, search: Callable[[], int]) -> None:
    found = search()
    times = []
    for _ in range(ROUNDS if found < 1000 else 5):
        started = time.perf_counter()
        search()
        times.append((time.perf_counter() - started) * 1000)
    print(f"  {what}: {statistics.median(times):.1f} ms, at most {max(times):.1f} ms, {found} packages")


if __name__ == "__main__":
    main(sys.argv[1:])
