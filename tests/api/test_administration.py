"""Users, roles and organisations, and that nobody gives more than they have."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import PASSWORD, Site


def _message(response: httpx.Response) -> str:
    return str(response.json()["uforgeError"]["localizedErrorMsg"]["message"])


def _create(client: httpx.Client, login: str, **query: str) -> httpx.Response:
    return client.post(
        "users", json={"user": {"loginName": login, "email": f"{login}@x", "password": PASSWORD}}, params=query
    )


@pytest.fixture
def manager(site: Site, root: httpx.Client) -> Iterator[httpx.Client]:
    """Who keeps users and roles and may do little else."""
    rights = ["org_administrate", "user_administrate", "user_create", "user_profile_access"]
    if "manager" not in {role["name"] for role in _roles(root)}:
        body = {"role": {"name": "manager", "entitlements": {"entitlement": [{"name": name} for name in rights]}}}
        assert root.post(f"{_org(root)}/roles", json=body).status_code == 201
        assert _create(root, "manager").status_code == 201
        wanted = {"roles": {"roles": {"role": [{"name": "manager"}]}}}
        assert root.put("users/manager/roles", json=wanted).status_code == 200
    with site.client("manager") as client:
        yield client


def _org(client: httpx.Client) -> str:
    uri: str = client.get("orgs").json()["orgs"]["orgs"]["org"][0]["uri"]
    return uri


def _roles(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"{_org(client)}/roles").json()["roles"]["roles"]["role"]
    return found


def test_a_user_is_made_listed_and_logs_in(site: Site, root: httpx.Client) -> None:
    made = _create(root, "dora@example.org", org="Default", autopasswd="shown in no log", notify="True")
    assert made.status_code == 201, made.text
    user = made.json()["user"]
    assert {role["name"] for role in user["roles"]["role"]} == {"designer", "user"}
    assert "password" not in user
    with site.client("dora@example.org") as dora:
        assert dora.get("users/dora@example.org").json()["user"]["email"] == "dora@example.org@x"
        assert dora.get("users").status_code == 403
        assert _create(dora, "eve").status_code == 403
    query = {"query": "loginName==dora*", "active": "true"}
    assert root.get("users", params=query).json()["users"]["total"] == 1
    assert root.get("users", params={"orgName": "other"}).json()["users"]["total"] == 0
    assert "already" in _message(_create(root, "dora@example.org"))
    assert "is not possible" in _message(_create(root, "a/b"))
    assert "needs a password" in _message(root.post("users", json={"user": {"loginName": "flora"}}))
    assert _create(root, "gus", autopasswd=PASSWORD, org="nowhere").status_code == 404


def test_roles_are_made_changed_given_and_deleted(root: httpx.Client) -> None:
    base = f"{_org(root)}/roles"
    assert root.get("orgs/default").json()["org"]["uri"] == _org(root)
    known = {entry["name"] for entry in root.get("entitlements").json()["entitlements"]["entitlements"]["entitlement"]}
    assert {"appliance_create", "user_create"} <= known
    role = {
        "name": "reader",
        "description": "reads",
        "entitlements": {"entitlement": [{"name": "user_profile_access"}]},
    }
    assert root.post(base, json={"role": role}).status_code == 201
    assert root.post(base, json={"role": role}).status_code == 409
    role["entitlements"] = {"entitlement": [{"name": "api_key_access"}, {"name": "api_key_access"}]}
    changed = root.put(base, json={"role": role}).json()["role"]
    assert changed["entitlements"]["entitlement"] == [{"name": "api_key_access"}]
    role["entitlements"] = {"entitlement": [{"name": "fly"}]}
    assert "There are no entitlements fly" in _message(root.put(base, json={"role": role}))
    given = {"roles": {"roles": {"role": [{"name": "reader"}, {"name": "designer"}]}}}
    answer = root.put("users/bob/roles", json=given).json()["roles"]["roles"]["role"]
    assert {entry["name"] for entry in answer} == {"reader", "designer"}
    assert root.delete(f"{base}/reader").status_code == 409
    given = {"roles": {"roles": {"role": [{"name": "designer"}]}}}
    assert root.put("users/bob/roles", json=given).status_code == 200
    assert root.delete(f"{base}/reader").status_code == 204
    assert root.delete(f"{base}/designer").status_code == 403
    assert "There is no role nothing" in _message(root.delete(f"{base}/nothing"))
    assert root.get("orgs/999/roles").status_code == 404


def test_nobody_gives_more_than_they_have(manager: httpx.Client, root: httpx.Client) -> None:
    wanted = {"roles": {"roles": {"role": [{"name": "root"}]}}}
    for login in ("manager", "bob"):
        refused = manager.put(f"users/{login}/roles", json=wanted)
        assert refused.status_code == 403
        assert "rights that you lack" in _message(refused)
    none: dict[str, Any] = {"roles": {"roles": {"role": []}}}
    assert manager.put("users/root/roles", json=none).status_code == 403
    more = {"role": {"name": "sneaky", "entitlements": {"entitlement": [{"name": "supervisor_access"}]}}}
    assert manager.post(f"{_org(manager)}/roles", json=more).status_code == 403
    more["role"]["name"] = "manager"
    assert manager.put(f"{_org(manager)}/roles", json=more).status_code == 403
    assert root.put("users/root/roles", json=none).status_code == 409
