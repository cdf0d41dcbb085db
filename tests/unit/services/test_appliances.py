"""Appliances, their clones and packages."""

import threading

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ingot.messages.install_profile import InstallProfile as ProfileMessage
from ingot.messages.install_profile import OSUser
from ingot.services import appliances, boot_scripts, install_profiles, os_profiles
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.services.os_profiles import WantedPackage
from ingot.store.artifacts import StoredArtifact
from ingot.store.database import LARGEST_ID, Database
from ingot.store.tables import Appliance, User


def _names(appliance: Appliance) -> list[str]:
    assert appliance.os_profile is not None
    return [package.name for package in appliance.os_profile.packages]


def test_a_clone_has_everything_but_the_images(session: Session, appliance: Appliance) -> None:
    os_profiles.set_packages(
        session, appliance, [WantedPackage("nginx", None, "1.0", "1", "amd64"), WantedPackage("openssh-server")]
    )
    install_profiles.replace(session, appliance, ProfileMessage(users=[OSUser(name="eve", password="s3cret")]))
    script = boot_scripts.create(session, appliance, name="hello", boot_type="everyboot", boot_order=7)
    boot_scripts.set_content(session, appliance, script, "hello.sh", StoredArtifact("a" * 64, "b" * 32, 5))
    clone = appliances.clone(session, appliance, name=None, version="2")
    session.expire_all()
    assert (clone.name, clone.version, clone.description) == ("web", "2", "a server")
    assert (clone.revision, clone.parent_id) == (1, appliance.id)
    assert clone.uuid != appliance.uuid
    assert clone.install_profile.document == appliance.install_profile.document
    assert clone.os_profile is not None
    assert clone.os_profile.profile is appliance.os_profile.profile  # type: ignore[union-attr]
    pins = [(package.name, package.version, package.sticky) for package in clone.os_profile.packages]
    assert pins == [("nginx", "1.0", True), ("openssh-server", None, False)]
    (copied,) = clone.boot_scripts
    assert copied.id != script.id
    assert (copied.name, copied.boot_order, copied.sha256) == ("hello", 7, "a" * 64)


def test_what_changes_in_a_clone_stays_in_it(session: Session, appliance: Appliance) -> None:
    install_profiles.replace(session, appliance, ProfileMessage(users=[OSUser(name="eve")]))
    clone = appliances.clone(session, appliance, name="other", version=None)
    install_profiles.replace(session, clone, ProfileMessage(users=[OSUser(name="mallory")]))
    os_profiles.set_packages(session, clone, [WantedPackage("nginx")])
    session.expire_all()
    assert [user["name"] for user in appliance.install_profile.document["users"]] == ["eve"]
    assert _names(appliance) == []
    session.delete(appliance)
    session.flush()
    session.refresh(clone)
    assert clone.parent_id is None
    assert _names(clone) == ["nginx"]


def test_a_clone_needs_a_name_of_its_own(session: Session, appliance: Appliance) -> None:
    with pytest.raises(ConflictError, match="web 1"):
        appliances.clone(session, appliance, name=None, version=None)


def test_unknown_packages_are_named_together_with_near_matches(session: Session, appliance: Appliance) -> None:
    wanted = [
        WantedPackage("ngnix"),
        WantedPackage("nginx"),
        WantedPackage("zzz"),
        WantedPackage("%"),
        WantedPackage("doc"),
    ]
    with pytest.raises(InvalidError) as refused:
        os_profiles.set_packages(session, appliance, wanted)
    message = refused.value.message
    assert message.startswith("4 package(s)")
    assert "ngnix (did you mean nginx?)" in message
    assert "doc (did you mean nginx-doc?)" in message
    assert "% (did you mean 100%_pure?)" in message
    assert "zzz" in message
    assert refused.value.parameters == ("%", "doc", "ngnix", "zzz")
    assert _names(appliance) == []


def test_a_pinned_version_has_to_exist(session: Session, appliance: Appliance) -> None:
    with pytest.raises(InvalidError, match=r"nginx 9\.9-1 \(there is 1\.0-1\)"):
        os_profiles.set_packages(session, appliance, [WantedPackage("nginx", None, "9.9", "1")])
    os_profiles.set_packages(session, appliance, [WantedPackage("nginx", None, "1.0", "1")])
    assert _names(appliance) == ["nginx"]


def test_thousands_of_unknown_packages_are_answered(session: Session, appliance: Appliance) -> None:
    with pytest.raises(InvalidError, match="5000 package"):
        os_profiles.set_packages(session, appliance, [WantedPackage(f"none-{number}") for number in range(5000)])
    with pytest.raises(InvalidError, match="too many"):
        os_profiles.set_packages(session, appliance, [WantedPackage(f"none-{number}") for number in range(5001)])


def test_the_standard_profile_stays(session: Session, appliance: Appliance) -> None:
    profile = appliance.os_profile
    assert profile is not None
    with pytest.raises(InvalidError, match=f"the profile {profile.profile.name} consists of it"):
        os_profiles.refuse_standard(profile, [profile.profile.package_names[0], "nginx"])
    os_profiles.refuse_standard(profile, ["nginx"])


def test_an_announced_content_replaces_the_one_before(session: Session, appliance: Appliance) -> None:
    script = boot_scripts.create(session, appliance, name="hello", boot_type=None, boot_order=None)
    boot_scripts.set_content(session, appliance, script, "hello.sh", StoredArtifact("a" * 64, "b" * 32, 5))
    same = {"name": None, "boot_type": None, "boot_order": 3}
    assert boot_scripts.update(session, appliance, script, **same, md5="B" * 32) is None  # type: ignore[arg-type]
    assert script.sha256 == "a" * 64
    assert boot_scripts.update(session, appliance, script, **same, md5="c" * 32) == "a" * 64  # type: ignore[arg-type]
    assert (script.sha256, script.boot_order) == (None, 3)


def test_somebody_elses_appliance_is_absent(session: Session, owner: User, appliance: Appliance) -> None:
    other = User(login="other", password_hash="", organisation=owner.organisation)
    session.add(other)
    session.flush()
    with pytest.raises(NotFoundError):
        appliances.find(session, other, appliance.id)
    with pytest.raises(NotFoundError):
        appliances.find(session, owner, LARGEST_ID)


def test_changes_at_the_same_moment_are_all_kept(
    database: Database, session: Session, owner: User, appliance: Appliance
) -> None:
    appliance_id, owner_id = appliance.id, owner.id
    session.commit()
    before = appliance.revision
    errors: list[Exception] = []

    def add_users(prefix: str) -> None:
        try:
            for number in range(5):
                with database.transaction() as own:
                    user = own.get_one(User, owner_id)
                    row = appliances.find(own, user, appliance_id, to_change=True)
                    install_profiles.put_item(own, row, OSUser(name=f"{prefix}{number}"), None)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=add_users, args=(prefix,)) for prefix in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with database.transaction(read_only=True) as own:
        row = own.get_one(Appliance, appliance_id)
        users = row.install_profile.document["users"]
        assert len({user["db_id"] for user in users}) == len({user["name"] for user in users}) == 15
        assert row.revision == before + 15


def test_one_of_two_who_take_the_same_name_is_refused(database: Database, session: Session, owner: User) -> None:
    owner_id, distribution_id = owner.id, 1
    session.commit()
    outcomes: list[str] = []

    def create() -> None:
        try:
            with database.transaction() as own:
                appliances.create(
                    own,
                    own.get_one(User, owner_id),
                    name="same",
                    version="1",
                    description="",
                    distribution_id=distribution_id,
                )
            outcomes.append("made")
        except (ConflictError, IntegrityError):
            outcomes.append("refused")

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "refused", "refused", "refused"]
