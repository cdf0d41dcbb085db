"""`ingot user` and `ingot quota` against a real server."""

import json

import httpx

from tests.serving import Command


def test_users(ingot: Command, address: str) -> None:
    assert "root@localhost" in ingot("user", "show")
    made = json.loads(
        ingot(
            "user",
            "create",
            "dora",
            "--email",
            "d@x",
            "--role",
            "user",
            "--password-stdin",
            "--output",
            "json",
            stdin="a secret\n",
        )
    )
    assert (made["loginName"], [role["name"] for role in made["roles"]]) == ("dora", ["user"])
    assert "password" not in made
    assert "dora" in ingot("user", "list")
    assert httpx.get(f"{address}/api/users/dora", auth=("dora", "a secret")).status_code == 200
    assert "already" in ingot("user", "create", "dora", "--email", "d@x", "--password-stdin", code=4, stdin="x\n")
    assert "no user nobody" in ingot("user", "show", "nobody", code=3)
    assert "empty" in ingot("user", "create", "e", "--email", "e@x", "--password-stdin", code=2, stdin="\n")


def test_quotas(ingot: Command) -> None:
    rows = json.loads(ingot("quota", "list", "--output", "json"))
    assert {row["type"] for row in rows} == {"appliance", "generation", "scan", "diskusage"}
    assert "none" in ingot("quota", "list")


def test_a_quota_is_set_and_taken_away(ingot: Command) -> None:
    ingot("user", "create", "erna", "--email", "erna@example.org", "--password-stdin", stdin="a secret\n")

    def limits(rows: str) -> dict[str, int]:
        return {row["type"]: row["limit"] for row in json.loads(rows)}

    before = limits(ingot("quota", "list", "--output", "json"))
    found = limits(ingot("quota", "set", "appliance", "7", "--user", "erna", "--output", "json"))
    assert (found["appliance"], found["generation"]) == (7, before["generation"])
    assert limits(ingot("quota", "list", "--output", "json")) == before
    assert limits(ingot("quota", "set", "appliance", "none", "--user", "erna", "--output", "json"))["appliance"] == -1
    assert "there are appliance" in ingot("quota", "set", "apliance", "7", code=2)
    assert "no number" in ingot("quota", "set", "appliance", "many", code=2)
    assert "no user nobody" in ingot("quota", "set", "appliance", "3", "--user", "nobody", code=3)
    ingot.environment |= {"INGOT_USER": "erna", "INGOT_PASSWORD": "a secret"}
    ingot("quota", "set", "appliance", "9", code=4)
