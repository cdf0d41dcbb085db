"""Appliances on their way through a server's imports and exports, by its own jobs and without a network."""

import subprocess
from pathlib import Path
from typing import IO

from sqlalchemy import select

from ingot.build.template import Template
from ingot.jobs.appliance_export import ApplianceExportJob
from ingot.jobs.appliance_import import ApplianceImportJob
from ingot.jobs.job import Job, Workplace
from ingot.services import appliance_exports, appliance_imports, attempts, first_start
from ingot.services.deliveries import Delivery
from ingot.services.templates import template_of
from ingot.settings import Settings
from ingot.store.artifacts import Course, LocalArtifacts
from ingot.store.database import Database
from ingot.store.tables import Appliance, ApplianceExport, ApplianceImport, User


class Importer:
    """What a server keeps below a directory, with two users who may import: root and bob.

    `files` has the content of everything by its hash, as a build looks for it.
    """

    def __init__(self, data: Path) -> None:
        self.database = Database(f"sqlite:///{data / 'ingot.db'}")
        self._artifacts, self._data = LocalArtifacts(data / "artifacts"), data
        self.files = data / "files"
        self.files.mkdir()
        self.database.migrate()
        with self.database.transaction() as session:
            first_start.prepare(session, root_password="secret")
            session.flush()
            organisation = session.scalars(select(User)).one().organisation
            session.add(User(login="bob", email="bob@localhost", password_hash="-", organisation=organisation))

    def take(self, archive: IO[bytes], login: str = "root") -> int:
        """Import an archive for a user; returns the appliance's id."""
        with self._artifacts.writer() as writer:
            while chunk := archive.read(1 << 20):
                writer.write(chunk)
        with self.database.transaction() as session:
            owner = session.scalars(select(User).where(User.login == login)).one()
            row = appliance_imports.create(session, owner, appliance_imports.Flags())
            appliance_imports.set_archive(session, row, writer.result())
            session.flush()
            number = row.id
        self._work(ApplianceImportJob())
        with self.database.transaction(read_only=True) as session:
            made = session.get_one(ApplianceImport, number).appliance_id
        assert made is not None
        return made

    def give(self, appliance_id: int, output_format: str = "yaml") -> Path:
        """Export an appliance; returns the archive."""
        with self.database.transaction() as session:
            row = appliance_exports.create(session, session.get_one(Appliance, appliance_id), output_format)
            session.flush()
            number = row.id
        self._work(ApplianceExportJob())
        with self.database.transaction(read_only=True) as session:
            sha256 = session.get_one(ApplianceExport, number).sha256
        assert sha256 is not None
        return self._artifacts.path(sha256)

    def template(self, appliance_id: int) -> Template:
        """What the engine gets of an appliance; `files` has what that names."""
        with self.database.transaction(read_only=True) as session:
            template = template_of(session.get_one(Appliance, appliance_id), None)
        for sha256 in appliance_imports.sources(template):
            if not (link := self.files / sha256).is_symlink():
                link.symlink_to(self._artifacts.path(sha256).resolve(strict=True))
        return template

    def _work(self, job: Job) -> None:
        """Do the job that waits, as a worker does."""
        with self.database.transaction() as session:
            attempt = attempts.claim(session, "worker", 600, [job.kind])
            assert attempt is not None
            scratch = self._data / "scratch" / str(attempt.id)
            scratch.mkdir(parents=True)
            place = Workplace(attempt, scratch, self._artifacts, Settings(data_dir=self._data), b"")
            command = job.command(session, place)
        assert command is not None
        self._artifacts.bring(place.needs, Course())
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (done.stdout, done.stderr)
        with self.database.transaction() as session:
            job.keep(session, place, {})
            Delivery(self.database, self._artifacts, job.contents(place, {})).enter(session)
            session.flush()
            attempts.finish(session, attempt.id, attempt.token or "", "done", message="")
