"""hammr's templates: created from files, imported from archives, exported, built, and refused."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.clients.conftest import Hammr
from tests.faults.site import Site

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFM9tZ8KPr4Hw1Y3Cz3M2mPrbhKnC1m2sTq0Ck3nFj1A me"


def _stack(name: str, **more: Any) -> dict[str, Any]:
    return {
        "stack": {
            "name": name,
            "version": "1.0",
            "description": "made by hammr",
            "os": {"name": "Debian", "version": "12", "arch": "x86_64", "profile": "Minimal"},
            "installation": {
                "diskSize": 4000,
                "swapSize": 256,
                "timezone": "Europe/London",
                "keyboard": "fr",
                "welcomeMessage": "hello",
                "rootUser": {"password": "welcome", "disablePasswordLogin": False},
                "users": [{"name": "deploy", "fullName": "Deploy", "sudo": 2}],
                "displayLicenses": True,
            },
            "config": [
                {"name": "hi", "source": "my script.sh", "type": "bootscript", "frequency": "firstboot", "order": "1"}
            ],
            **more,
        },
        "builders": [{"type": "QCOW2", "hardwareSettings": {"memory": 1024}, "installation": {"diskSize": 5000}}],
    }


@pytest.fixture
def file(hammr: Hammr, name: str) -> Path:
    (hammr.home / "my script.sh").write_text("echo hi\n")
    path = hammr.home / "template.yml"
    path.write_text(yaml.safe_dump(_stack(name)))
    return path


def _created(output: str) -> str:
    """The id that hammr printed."""
    assert "Template Id : " in output or "Template Id" in output, output
    return output.rsplit("Template Id", 1)[1].strip(" :\n").split()[0]


def _appliance(api: httpx.Client, name: str) -> dict[str, Any]:
    found = api.get("appliances", params={"query": f"name=='{name}'"}).json()["appliances"]["appliances"]["appliance"]
    assert len(found) == 1
    appliance: dict[str, Any] = found[0]
    return appliance


def test_create_and_build(site: Site, hammr: Hammr, api: httpx.Client, name: str, file: Path) -> None:
    assert "is ok" in hammr("template", "validate", "--file", str(file))
    created = hammr("template", "create", "--file", str(file))
    print(created)
    appliance = _appliance(api, name)
    assert str(appliance["dbId"]) == _created(created)
    assert (appliance["version"], appliance["imported"]) == ("1.0", False)
    profile = api.get(appliance["installProfileUri"].removeprefix("users/root/")).json()["installProfile"]
    assert (profile["diskSize"], profile["swapSize"], profile["keyboard"]) == (4000, 256, "fr")
    assert (profile["timezone"], profile["welcomeMsg"], profile["skipLicenses"]) == ("Europe/London", "hello", False)
    (script,) = api.get(f"appliances/{appliance['dbId']}/bootscripts").json()["bootScripts"]["bootScripts"][
        "bootScript"
    ]
    assert (script["name"], script["bootType"], script["bootOrder"]) == ("hi", "firstboot", 1)
    assert api.get(script["binaryUri"].removeprefix("users/root/")).text == "echo hi\n"
    site.let_go(name)
    built = hammr("template", "build", "--file", str(file), "--junit", "junit.xml")
    assert "Image URI" in built or "Image Id" in built, built
