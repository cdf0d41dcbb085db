"""uforgecli 3.8.13, the administrators' command: quotas and API keys of users."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.serving import PASSWORD

_UFORGE = Path(__file__).parents[2] / ".clients/bin/uforge"
_Uforge = Callable[..., str]


@pytest.fixture
def uforge(tmp_path: Path, address: str) -> _Uforge:
    """The command, logged in as root; it ends with 0 whatever happened, and says so in words."""
    if not _UFORGE.exists():
        pytest.skip("uforge is not installed: scripts/clients installs it where there is a Python 2.7")

    def run(*argv: str) -> str:
        done = subprocess.run(
            [_UFORGE, "-U", f"{address}/api", "-u", "root", "-p", PASSWORD, *argv],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def api(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{address}/api/users/", auth=("root", PASSWORD), headers={"Accept": "application/json"}
    ) as client:
        yield client


def test_user_info(uforge: _Uforge) -> None:
    assert "root@localhost" in uforge("user", "info", "--account", "root")


def test_quotas_are_listed_and_changed(uforge: _Uforge, api: httpx.Client) -> None:
    assert uforge("user", "quota", "list", "--account", "root").count("unlimited") == 4
    changed = uforge("user", "quota", "modify", "--account", "root", "--type", "appliance", "--limit", "7")
    assert "Changes done" in changed
    (quota,) = (
        entry for entry in api.get("root/quotas").json()["quotas"]["quotas"]["quota"] if entry["type"] == "appliance"
    )
    assert quota["limit"] == 7
    uforge("user", "quota", "modify", "--account", "root", "--type", "appliance", "--unlimited")
    assert uforge("user", "quota", "list", "--account", "root").count("unlimited") == 4


def test_the_number_of_api_keys_is_changed(uforge: _Uforge, api: httpx.Client) -> None:
    assert "set at 10" in uforge("user", "api", "info", "--account", "root")
    uforge("user", "api", "quota", "--account", "root", "--apimax", "12")
    user = api.get("root").json()["user"]
    assert (user["apiKeysQuota"], user["active"], user["surname"]) == (12, True, "Administrator")


def test_users_and_roles(uforge: _Uforge, api: httpx.Client) -> None:
    made = uforge(
        "user",
        "create",
        "--account",
        "carla",
        "--email",
        "c@example.org",
        "--accountPassword",
        "secret-of-carla",
        "--code",
        "none",
    )
    assert "carla" in made
    assert "carla" in uforge("user", "list")
    uforge("user", "role", "add", "--account", "carla", "--roles", "apiuser")
    assert "apiuser" in uforge("user", "role", "list", "--account", "carla")
    assert "apiuser" in {role["name"] for role in api.get("carla/roles").json()["roles"]["roles"]["role"]}
    uforge("user", "role", "remove", "--account", "carla", "--roles", "apiuser")
    assert "apiuser" not in uforge("user", "role", "list", "--account", "carla")
    assert "designer" in uforge("role", "list")
    assert "appliance_create" in uforge("entitlement", "list")
