"""`ingot user`, `ingot account` and `ingot quota` against a real server."""

import json

import httpx

from tests.serving import PASSWORD, Command


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


def test_accounts_and_quotas(ingot: Command, address: str) -> None:
    assert json.loads(ingot("account", "list", "--output", "json")) == []
    body = {
        "credAccount": {
            "@type": "CredAccountDocker",
            "name": "hub",
            "targetPlatform": {"name": "Docker"},
            "endpointUrl": "https://d.example",
            "login": "l",
            "password": "hush-hush",
        }
    }
    made = httpx.post(f"{address}/api/users/root/accounts", json=body, auth=("root", PASSWORD))
    assert made.status_code == 201, made.text
    assert "hub" in ingot("account", "list")
    assert "hush" not in ingot("account", "list", "--output", "json")
    assert "hub is deleted" in ingot("account", "delete", "hub", "--yes")
    assert "no cloud account hub" in ingot("account", "delete", "hub", "--yes", code=3)
    rows = json.loads(ingot("quota", "list", "--output", "json"))
    assert {row["type"] for row in rows} == {"appliance", "generation", "scan", "diskusage"}
    assert "none" in ingot("quota", "list")
