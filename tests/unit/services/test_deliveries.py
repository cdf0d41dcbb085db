"""Contents that are sent elsewhere are there when something refers to them, whoever removes others meanwhile."""

import datetime as dt
import hashlib
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ingot.services import boot_scripts, claims
from ingot.services.artifacts import sweep, sweep_leftovers, sweep_unreferenced
from ingot.services.claims import ClaimLostError
from ingot.services.deliveries import Delivery
from ingot.settings import Settings
from ingot.store.artifacts import ArtifactStore, Course, StoredArtifact
from ingot.store.base import now
from ingot.store.database import ARTIFACT_LOCK, Database
from ingot.store.stores import artifacts_of
from ingot.store.tables import Appliance, ContentClaim
from tests.faults.site import eventually
from tests.s3 import Bucket

_CONTENT = b"echo hello"
_SHA256 = hashlib.sha256(_CONTENT).hexdigest()
_NAME = f"{_SHA256[:2]}/{_SHA256}"


@pytest.fixture
def store(bucket: Bucket, tmp_path: Path) -> ArtifactStore:
    return artifacts_of(Settings(data_dir=tmp_path / "data", **bucket.settings))  # type: ignore[arg-type]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    file = tmp_path / "script"
    file.write_bytes(_CONTENT)
    return {_SHA256: file}


def _pass_on(course: Course) -> None:
    del course


def _refer(session: Session, appliance: Appliance) -> None:
    script = boot_scripts.create(session, appliance, name="a", boot_type=None, boot_order=None)
    boot_scripts.set_content(session, appliance, script, "a.sh", StoredArtifact(_SHA256, "", len(_CONTENT)))


def test_what_was_sent_stays_until_something_refers_to_it(
    database: Database, session: Session, appliance: Appliance, bucket: Bucket, store: ArtifactStore,
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("ingot.services.artifacts._UNREFERENCED_SECONDS", -60)
    number = appliance.id
    session.commit()
    delivery = Delivery(database, store, files)
    delivery.send(_pass_on)
    # Whoever looks now finds nothing that refers to it.
    sweep(database, store, {_SHA256})
    sweep_unreferenced(database, store, _SHA256[:2])
    assert bucket.names() == {_NAME}
    with database.transaction() as own:
        database.exclude_others(own, ARTIFACT_LOCK)
        _refer(own, own.get_one(Appliance, number))
        delivery.enter(own)
    delivery.close()
    sweep(database, store, {_SHA256})
    sweep_unreferenced(database, store, _SHA256[:2])
    assert bucket.names() == {_NAME}
    with database.transaction() as own:
        own.delete(own.get_one(Appliance, number))
    sweep(database, store, {_SHA256})
    assert bucket.names() == set()
    with database.transaction(read_only=True) as own:
        assert list(own.scalars(select(ContentClaim))) == []


def test_what_nothing_refers_to_in_the_end_is_removed(
    database: Database, bucket: Bucket, store: ArtifactStore, files: dict[str, Path]
) -> None:
    delivery = Delivery(database, store, files)
    delivery.send(_pass_on)
    assert bucket.names() == {_NAME}
    delivery.close()
    assert bucket.names() == set()


def test_what_is_claimed_while_it_is_removed_is_sent_again(
    database: Database, bucket: Bucket, store: ArtifactStore, files: dict[str, Path]
) -> None:
    """A sweep has decided, and is about to remove, when the same content is asked for again."""
    first = Delivery(database, store, files)
    first.send(_pass_on)
    with database.transaction() as session:
        database.exclude_others(session, ARTIFACT_LOCK)
        mark = claims.mark_removal(session, {_SHA256})
    second = Delivery(database, store, files)
    thread = threading.Thread(target=second.send, args=(_pass_on,))
    thread.start()
    time.sleep(0.5)
    assert thread.is_alive(), "it waits for the removal"
    store.remove_all({_SHA256})
    with database.transaction() as session:
        claims.release(session, mark)
    thread.join(30)
    assert bucket.names() == {_NAME}
    first.close()
    assert bucket.names() == {_NAME}, "the other still wants it"
    second.close()
    assert bucket.names() == set()


def test_a_claim_without_a_sign_of_life_is_lost(
    database: Database, bucket: Bucket, store: ArtifactStore, files: dict[str, Path]
) -> None:
    delivery = Delivery(database, store, files)
    delivery.send(_pass_on)
    with database.transaction() as session:
        session.execute(update(ContentClaim).values(until=now() - dt.timedelta(seconds=1)))
    with database.transaction() as session:
        delivery.enter(session)  # nobody has looked: it is as good as before
    sweep(database, store, {_SHA256})
    assert bucket.names() == set()
    with pytest.raises(ClaimLostError), database.transaction() as session:
        delivery.enter(session)
    delivery.send(_pass_on)
    with database.transaction() as session:
        delivery.enter(session)
    assert bucket.names() == {_NAME}
    delivery.close()


def test_a_claim_is_renewed_while_something_is_sent(
    database: Database, bucket: Bucket, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingot.services.deliveries._RENEW_SECONDS", 0.0)
    file = tmp_path / "large"
    file.write_bytes(bytes(17 << 20))
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    bucket.open.clear()
    delivery = Delivery(database, store, {sha256: file})
    thread = threading.Thread(target=delivery.send, args=(_pass_on,))
    thread.start()
    eventually(lambda: bucket.waiting > 0, "it is being sent")
    with database.transaction() as session:
        session.execute(update(ContentClaim).values(until=now()))

    def is_renewed() -> bool:
        with database.transaction(read_only=True) as session:
            return session.scalars(select(ContentClaim.until)).one() > now() + dt.timedelta(seconds=300)

    eventually(is_renewed, "the claim is renewed")
    # The stand-in says that every upload began in 2010: only the claim says that this one goes on.
    sweep_leftovers(database, store)
    assert bucket.uploads() == 1
    bucket.open.set()
    thread.join(30)
    assert {name[3:] for name in bucket.names()} == {sha256}
    delivery.close()


@pytest.mark.parametrize("way", ["away", "busy"])
def test_what_cannot_be_removed_now_is_removed_later(
    database: Database, bucket: Bucket, store: ArtifactStore, files: dict[str, Path], way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("ingot.services.artifacts._UNREFERENCED_SECONDS", -60)
    store.send(files, Course())
    if way == "away":
        bucket.stop()
    else:
        bucket.busy = 1
    sweep(database, store, {_SHA256})
    if way == "away":
        bucket.start()
    with database.transaction(read_only=True) as session:
        # What the bucket has heard of may still happen: until then nobody sends the content again.
        assert [row.removes for row in session.scalars(select(ContentClaim))] == ([True] if way == "busy" else [])
    sweep_unreferenced(database, store, _SHA256[:2])
    assert bucket.names() == set()
