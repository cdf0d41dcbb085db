"""Users change themselves, and administrators the rest."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ingot.services import images
from ingot.services.passwords import hash_login
from ingot.store.tables import Appliance, Role, User
from tests.api.conftest import PASSWORD, Site

_ALICE = "users/alice@example.org"


@pytest.fixture(autouse=True)
def as_before(site: Site) -> Iterator[None]:
    """Alice is afterwards as she was."""
    yield
    with site.database.transaction() as session:
        user = session.query(User).filter_by(login="alice@example.org").one()
        user.password_hash, user.active, user.api_key_limit = hash_login(PASSWORD), True, 10


def _put(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.put(_ALICE, json={"user": fields})


def test_a_user_edits_the_profile_with_the_whole_object(alice: httpx.Client) -> None:
    user = alice.get(_ALICE).json()["user"]
    changed = alice.put(_ALICE, json={"user": {**user, "firstName": "Alice", "surname": "Example"}})
    assert changed.status_code == 200, changed.text
    assert changed.json()["user"]["name"] == "Alice Example"
    assert changed.json()["user"]["email"] == user["email"]


def test_a_changed_password_counts_at_once(site: Site, alice: httpx.Client) -> None:
    answer = _put(alice, password="another one")
    assert answer.status_code == 200
    assert "another one" not in answer.text
    assert alice.get(_ALICE).status_code == 401
    assert httpx.get(f"{site.address}/api/{_ALICE}", auth=("alice@example.org", "another one")).status_code == 200


def test_what_is_the_administrators_stays_theirs(root: httpx.Client, alice: httpx.Client) -> None:
    for fields in ({"apiKeysQuota": 99}, {"active": False}):
        assert _put(alice, **fields).status_code == 403
    assert _put(root, apiKeysQuota=0).json()["user"]["apiKeysQuota"] == 0
    refused = root.post(f"{_ALICE}/apikeys")
    assert refused.status_code == 403
    assert "may have 0" in refused.text
    assert _put(root, active=False).status_code == 200
    assert alice.get(_ALICE).status_code == 401
    assert _put(root, active=True).status_code == 200
    assert alice.get(_ALICE).status_code == 200


def test_an_inactive_users_keys_sign_nothing(site: Site, root: httpx.Client) -> None:
    from tests.api.test_keys import Signer

    key = root.post(f"{_ALICE}/apikeys").json()["apiKeyPair"]
    signer = Signer(site.address, key["publicKey"], key["secretKey"])
    assert httpx.get(signer.url(_ALICE)).status_code == 403  # she lacks the right
    _put(root, active=False)
    assert httpx.get(signer.url(_ALICE)).status_code == 401
    root.delete(key["uri"])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"apiKeysQuota": -2}, 400),
        ({"loginName": "bob"}, 400),
        ({"surname": "x" * 2000}, 400),
        ({"email": "a\nb"}, 400),
    ],
)
def test_bad_values_are_refused(root: httpx.Client, fields: dict[str, Any], code: int) -> None:
    assert _put(root, **fields).status_code == code


def test_nobody_locks_themselves_out(root: httpx.Client) -> None:
    assert root.put("users/root", json={"user": {"active": False}}).status_code == 409
    assert root.get("users/root").status_code == 200


def test_an_administrator_gets_no_supervisors_login(site: Site) -> None:
    with site.database.transaction() as session:
        bob = session.query(User).filter_by(login="bob").one()
        before = list(bob.roles)
        bob.roles = [*before, session.query(Role).filter_by(name="admin").one()]
    try:
        with site.client("bob") as client:
            refused = client.put("users/root", json={"user": {"password": "mine now"}})
            assert refused.status_code == 403
            assert "supervisor_access" in refused.text
            assert client.put("users/root", json={"user": {"active": False}}).status_code == 403
            assert client.put(_ALICE, json={"user": {"password": "a new one"}}).status_code == 200
    finally:
        with site.database.transaction() as session:
            session.query(User).filter_by(login="bob").one().roles = [
                session.get_one(Role, role.id) for role in before
            ]


def test_statistics_say_of_what_there_is_how_much(site: Site, root: httpx.Client, make_appliance: Any) -> None:
    def statistics() -> dict[str, tuple[int, dict[str, int]]]:
        stats = root.get("users/root/stats").json()["userStats"]["stats"]["stat"]
        return {
            stat["type"]: (stat["currNb"], {point["name"]: point["nb"] for point in stat["dataPoints"]["dataPoint"]})
            for stat in stats
        }

    before = statistics()
    appliance = make_appliance(profile=True)
    with site.database.transaction() as session:
        row = session.get_one(Appliance, appliance["dbId"])
        name = row.distribution.name
        images.generate(session, row, format_name="QCOW2", compress=True, simulated=True, overrides=None)
    after = statistics()
    assert after["APPLIANCE"][0] == before["APPLIANCE"][0] + 1
    assert after["OS_APPLIANCE"][1][name] == before["OS_APPLIANCE"][1].get(name, 0) + 1
    assert after["GENERATION_APPLIANCE"][0] == before["GENERATION_APPLIANCE"][0] + 1
    assert after["FORMAT_APPLIANCE"][1]["QCOW2"] == before["FORMAT_APPLIANCE"][1].get("QCOW2", 0) + 1
