"""The recipes in the guides, run as they stand there against a real server."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.conftest import namespaces
from tests.serving import PASSWORD, address, site

__all__ = ["address", "namespaces", "site"]
_GUIDE = Path(__file__).parents[2] / "docs/how-to/keep-accounts-and-keys.md"
_API = "api() { curl -fsS -u root:%s -H 'Accept: application/json' -H 'Content-Type: application/json' \"$@\"; }\n"


def _recipes() -> list[str]:
    """The indented blocks of the guide."""
    blocks = re.findall(r"(?:^ {4}.*\n)+", _GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [re.sub("^    ", "", block, flags=re.MULTILINE) for block in blocks]


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{address}/api/", auth=("root", PASSWORD), headers={"Accept": "application/json"}
    ) as client:
        yield client


def test_accounts_keys_and_quotas(client: httpx.Client, address: str, tmp_path: Path) -> None:
    missing = [program for program in ("bash", "curl", "openssl") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"the recipes use {', '.join(missing)}")
    google = {"credAccount": {"@type": "CredAccountGoogle", "name": "g", "certificates": {"certificate": [{}]}}}
    assert client.post("users/root/accounts", json=google).json()["credAccount"]["dbId"] == 1
    (tmp_path / "key.json").write_text(json.dumps({"client_email": "a@b.example", "private_key": "hush"}))
    account, certificate, key, signed, quota = _recipes()
    variables = {"BASE": f"{address}/api"}

    def run(recipe: str) -> str:
        script = (
            "set -euo pipefail\n" + _API % PASSWORD + "".join(f"{k}='{v}'\n" for k, v in variables.items()) + recipe
        )
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (recipe, done.stderr)
        return done.stdout

    assert json.loads(run(account))["credAccount"]["name"] == "hub"
    assert json.loads(run(certificate))["certificate"]["uploaded"]
    pair = json.loads(run(key))["apiKeyPair"]
    variables |= {"PUBLIC": pair["publicKey"], "SECRET": pair["secretKey"]}
    assert "<type>appliance</type>" in run(signed)
    limits = json.loads(run(quota))["quotas"]["quotas"]["quota"]
    assert {entry["type"]: entry["limit"] for entry in limits}["generation"] == 100
