"""Refresh the package index of one distribution: `python -m ingot.jobs.refresh DISTRIBUTION_ID`."""

import json
import sys

from ingot.build.distributions import find_distribution
from ingot.build.errors import BuildError
from ingot.build.packages.repository import available_packages
from ingot.services import package_index
from ingot.settings import Settings
from ingot.store.database import Database
from ingot.store.tables import Distribution


def main(distribution_id: int) -> int:
    """Fetch the package lists and fill the index from them."""
    settings = Settings()
    database = Database(settings.database)
    with database.transaction(read_only=True) as session:
        row = session.get(Distribution, distribution_id)
    if row is None:
        print(json.dumps({"error": f"There is no distribution {distribution_id}.", "detail": ""}))
        return 1
    try:
        distribution = find_distribution(row.name, row.version, row.arch)
        # Read before the write transaction begins, so that nobody waits for the mirror.
        packages = list(available_packages(distribution, settings.cache))
        count = package_index.refresh(database, distribution_id, packages)
    except BuildError as error:
        print(json.dumps({"error": error.message, "detail": error.detail}))
        return 1
    print(json.dumps({"result": {"packages": count}}))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
