"""Contents go when nothing refers to them any more, and not before."""

import os
import threading
from pathlib import Path

from sqlalchemy.orm import Session

from ingot.services import appliances, boot_scripts
from ingot.services.artifacts import sweep, sweep_unreferenced
from ingot.store.artifacts import LocalArtifacts, StoredArtifact
from ingot.store.database import ARTIFACT_LOCK, Database
from ingot.store.tables import Appliance, BootScript


def _store(artifacts: LocalArtifacts, content: bytes) -> StoredArtifact:
    with artifacts.writer() as writer:
        writer.write(content)
    return writer.result()


def _add_script(session: Session, appliance: Appliance, name: str, content: StoredArtifact) -> BootScript:
    script = boot_scripts.create(session, appliance, name=name, boot_type=None, boot_order=None)
    boot_scripts.set_content(session, appliance, script, f"{name}.sh", content)
    return script


def test_a_content_goes_with_the_last_that_refers_to_it(
    database: Database, session: Session, appliance: Appliance, tmp_path: Path
) -> None:
    artifacts = LocalArtifacts(tmp_path / "artifacts")
    content = _store(artifacts, b"echo hello")
    script = _add_script(session, appliance, "a", content)
    clone = appliances.clone(session, appliance, name="clone", version=None)
    boot_scripts.remove(session, appliance, script)
    session.commit()
    sweep(database, artifacts, {content.sha256})
    assert artifacts.path(content.sha256).exists()
    with database.transaction() as own:
        own.delete(own.get_one(Appliance, clone.id))
    sweep(database, artifacts, {content.sha256})
    assert not artifacts.path(content.sha256).exists()


def test_what_is_added_while_a_sweep_waits_stays(
    database: Database, session: Session, appliance: Appliance, tmp_path: Path
) -> None:
    artifacts = LocalArtifacts(tmp_path / "artifacts")
    content = _store(artifacts, b"echo hello")
    appliance_id = appliance.id
    session.commit()
    sweeper = threading.Thread(target=sweep, args=(database, artifacts, {content.sha256}))
    with database.transaction() as own:
        database.exclude_others(own, ARTIFACT_LOCK)
        sweeper.start()
        sweeper.join(0.3)
        assert sweeper.is_alive()
        _add_script(own, own.get_one(Appliance, appliance_id), "a", _store(artifacts, b"echo hello"))
    sweeper.join()
    assert artifacts.path(content.sha256).read_bytes() == b"echo hello"


def test_what_a_crash_left_is_found_later(
    database: Database, session: Session, appliance: Appliance, tmp_path: Path
) -> None:
    artifacts = LocalArtifacts(tmp_path / "artifacts")
    used, unused, young = (_store(artifacts, text) for text in (b"used", b"unused", b"young"))
    _add_script(session, appliance, "a", used)
    session.commit()
    for content in (used, unused):
        os.utime(artifacts.path(content.sha256), (1, 1))
    for content in (used, unused, young):
        sweep_unreferenced(database, artifacts, content.sha256[:2])
    assert [artifacts.path(content.sha256).exists() for content in (used, unused, young)] == [True, False, True]
