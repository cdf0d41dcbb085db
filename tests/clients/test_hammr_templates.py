"""hammr's templates: created from files, imported from archives, exported, built, and refused."""

import json
import tarfile
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from ingot.services.templates import template_of
from ingot.store.tables import Appliance, Image
from tests.clients.conftest import Hammr
from tests.faults.site import Site
from tests.serving import PASSWORD, add_user


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
    assert "Generation 'QCOW2' ok" in built, built
    junit = (hammr.home / "junit.xml").read_text()
    assert 'name="Generation QCOW2"' in junit
    assert 'failures="0"' in junit
    (image,) = api.get(f"appliances/{appliance['dbId']}/images").json()["images"]["images"]["image"]
    assert image["status"]["complete"]
    assert image["installProfile"]["diskSize"] == 5000
    template = _generated_from(site, image["dbId"])
    assert template["installation"]["diskSize"] == 5000
    again = hammr("template", "build", "--id", str(appliance["dbId"]), "--file", str(file))
    assert "Generating 'QCOW2' image (1/1)" in again
    assert api.get(f"appliances/{appliance['dbId']}/images").json()["images"]["total"] == 2


def _generated_from(site: Site, image_id: int) -> dict[str, Any]:
    """The template that the engine gets for an image."""
    with site.database.transaction(read_only=True) as session:
        image = session.get(Image, image_id)
        assert image is not None
        return image.template


def test_simulate_and_unknown_builders(site: Site, hammr: Hammr, api: httpx.Client, name: str, file: Path) -> None:
    hammr("template", "create", "--file", str(file))
    site.let_go(name)
    assert "Generation 'QCOW2' ok" in hammr("template", "build", "--file", str(file), "--simulate", "--force")
    (image,) = api.get(f"appliances/{_appliance(api, name)['dbId']}/images").json()["images"]["images"]["image"]
    assert (image["simulated"], image["status"]["complete"]) == (True, True)
    document = _stack(name)
    document["builders"] = [{"type": "Nonsense"}]
    file.write_text(yaml.safe_dump(document))
    assert "Builder type unknown: Nonsense" in hammr("template", "build", "--file", str(file), code=2)
    document["stack"]["name"] = "never-created"
    file.write_text(yaml.safe_dump(document))
    assert "No template found on the plateform" in hammr("template", "build", "--file", str(file))


def test_a_name_that_exists_and_force(hammr: Hammr, api: httpx.Client, name: str, file: Path) -> None:
    hammr("template", "create", "--file", str(file))
    first = _appliance(api, name)["uuid"]
    refused = hammr("template", "create", "--file", str(file), code=2)
    assert f"User root already has an appliance {name} 1.0" in " ".join(refused.split())
    assert _appliance(api, name)["uuid"] == first
    created = _created(hammr("template", "create", "--file", str(file), "--force", "-r"))
    assert str(_appliance(api, name)["dbId"]) == created
    assert _appliance(api, name)["uuid"] != first


def test_the_major_version(hammr: Hammr, api: httpx.Client, name: str, file: Path) -> None:
    document = _stack(name, os={"name": "Debian", "version": "12.7", "arch": "x86_64", "profile": "Minimal"})
    file.write_text(yaml.safe_dump(document))
    refused = " ".join(hammr("template", "create", "--file", str(file), code=2).split())
    assert "There is no operating system Debian 12.7 x86_64; there is Debian 12: take it with --usemajor." in refused
    hammr("template", "create", "--file", str(file), "--usemajor")
    assert _appliance(api, name)["distributionName"] == "Debian 12"


def test_an_archive_that_is_none(hammr: Hammr, api: httpx.Client, name: str) -> None:
    (hammr.home / "archive").write_bytes(b"no archive at all")
    assert "is no archive" in hammr("template", "import", "--file", "archive", code=2)
    assert api.get("appliances", params={"query": f"name=='{name}'"}).json()["appliances"]["total"] == 0


def test_json_files(hammr: Hammr, api: httpx.Client, name: str, file: Path) -> None:
    json_file = file.with_suffix(".json")
    json_file.write_text(json.dumps(_stack(name)))
    hammr("template", "create", "--file", str(json_file))
    assert _appliance(api, name)["description"] == "made by hammr"


def test_export_and_import(site: Site, hammr: Hammr, api: httpx.Client, name: str, file: Path) -> None:
    (hammr.home / "logo picture.png").write_bytes(b"\x89PNG\r\n")
    file.write_text(yaml.safe_dump(_stack(name, source_logo="logo picture.png")))
    number = _created(hammr("template", "create", "--file", str(file)))
    output = hammr("template", "export", "--id", number, "--file", "export.tar.gz", "--outputFormat", "json")
    assert "Download complete of file [export.tar.gz]" in output
    archive = hammr.home / "export.tar.gz"
    with tarfile.open(archive) as opened:
        names = opened.getnames()
    assert names == ["config/my_script.sh", "logo/logo_picture.png", "template.json"]
    assert api.get("exports").json()["applianceExports"]["total"] == 0, "hammr deletes what it has fetched"
    before = _generated(site, api, name)
    assert "already has an appliance" in hammr("template", "import", "--file", str(archive), code=2)
    hammr("template", "delete", "--id", number, "--no-confirm")
    imported = _created(hammr("template", "import", "--file", str(archive)))
    appliance = _appliance(api, name)
    assert str(appliance["dbId"]) == imported
    assert appliance["imported"] is True
    assert appliance["logo"]["name"] == "logo_picture.png"
    assert api.get(appliance["logo"]["uri"].removeprefix("users/root/")).content == b"\x89PNG\r\n"
    assert _generated(site, api, name) == before


def _generated(site: Site, api: httpx.Client, name: str) -> dict[str, Any]:
    """The template that the engine gets when an image of the appliance is asked for."""
    site.let_go(name)
    uri = f"appliances/{_appliance(api, name)['dbId']}/images"
    made = api.post(uri, json={"image": {"targetFormat": {"name": "QCOW2"}, "simulated": True}})
    return _generated_from(site, made.json()["image"]["dbId"])


def test_an_archive_is_imported_under_another_user(
    site: Site, hammr: Hammr, api: httpx.Client, name: str, file: Path
) -> None:
    add_user(site, "alice@example.org")
    number = _created(hammr("template", "create", "--file", str(file)))
    hammr("template", "export", "--id", number, "--file", "export.tar.gz")
    before = _generated(site, api, name)
    hammr.login = ("-u", "alice@example.org", "-p", PASSWORD)
    imported = _created(hammr("template", "import", "--file", "export.tar.gz"))
    assert "UForge Error '404'" in hammr("template", "export", "--id", number, "--file", "x", code=2)
    with site.database.transaction(read_only=True) as session:
        row = session.get(Appliance, int(imported))
        assert row is not None
        assert (row.owner.login, row.name) == ("alice@example.org", name)
        assert template_of(row, None).model_dump(mode="json", by_alias=True, exclude_none=True) == before
    # Neither reaches the other's import, and a supervisor acts for both.
    hammr.login = ("-u", "root\\alice@example.org", "-p", PASSWORD)
    assert name in hammr("template", "list")
    assert "Template deleted" in hammr("template", "delete", "--id", imported, "--no-confirm")


def test_the_guide_says_what_works(site: Site, hammr: Hammr, api: httpx.Client, name: str, file: Path) -> None:
    """The commands of the guide, one after the other, as they stand there."""
    guide = (Path(__file__).parents[2] / "docs/how-to/use-hammr.md").read_text()
    commands = [line.split()[1:] for line in guide.splitlines() if line.startswith("    hammr ")]
    site.let_go(name)
    number = ""
    for command in commands:
        words = command[: command.index("-a")] if "-a" in command else command
        words = [number if word == "1" else name if word == "web" else word for word in words]
        output = hammr(*words)
        assert "ERROR" not in output, (words, output)
        if command[1] == "create":
            number = _created(output)
    rows = api.get("appliances", params={"query": f"name=='{name}'"}).json()["appliances"]["appliances"]["appliance"]
    assert {row["version"] for row in rows} == {"1.0", "2"}
