"""Refresh the package index of one distribution: `python -m ingot.jobs.refresh DISTRIBUTION_ID`."""

import datetime as dt
import json
import os
import sys
from collections.abc import Sequence
from typing import ClassVar

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ingot.build.distributions import find_distribution
from ingot.build.errors import BuildError
from ingot.build.families import repository_of
from ingot.jobs.job import Job, Workplace
from ingot.process import die_with_parent
from ingot.services import attempts, milestones, package_index
from ingot.settings import Settings
from ingot.store.base import now
from ingot.store.database import Database
from ingot.store.tables import Distribution


class PackageRefresh(Job):
    """Refreshes the package index of a distribution; what it finds it enters itself."""

    kind: ClassVar[str] = package_index.JOB

    def enqueue_due(self, session: Session, settings: Settings) -> None:
        """Every index that is older than the operator wants."""
        old = now() - dt.timedelta(seconds=settings.packages_max_age)
        query = select(Distribution).where(
            Distribution.active,
            or_(Distribution.packages_refreshed.is_(None), Distribution.packages_refreshed < old),
        )
        for distribution in session.scalars(query):
            if attempts.may_enqueue(session, self.kind, distribution.id):
                attempts.enqueue(session, self.kind, distribution.id)

    def command(self, session: Session, place: Workplace) -> Sequence[str]:
        """This module."""
        del session
        return [sys.executable, "-m", "ingot.jobs.refresh", str(place.attempt.subject_id)]


def main(distribution_id: int) -> int:
    """Fetch the package lists and fill the index from them."""
    die_with_parent()
    settings = Settings()
    database = Database(settings.database)
    with database.transaction(read_only=True) as session:
        row = session.get(Distribution, distribution_id)
    if row is None:
        print(json.dumps({"error": f"There is no distribution {distribution_id}.", "detail": ""}))
        return 1
    os.nice(10)  # who searches or builds comes first
    try:
        distribution = find_distribution(row.name, row.version, row.arch)
        repository = repository_of(distribution, settings.cache)
        count = package_index.refresh(database, distribution_id, repository.available())
        with database.transaction() as session:
            milestones.enter_release(session, distribution_id, repository.point_release(), repository.release_date())
            package_index.note_history(session, distribution_id, repository.known_since())
    except BuildError as error:
        print(json.dumps({"error": error.message, "detail": error.detail}))
        return 1
    print(json.dumps({"result": {"packages": count}}))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
