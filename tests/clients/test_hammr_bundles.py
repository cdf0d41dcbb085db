"""hammr's bundles: created from files, imported from archives, exported, copied, deleted, and refused."""

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.clients.conftest import Hammr
from tests.faults.site import Site


def _rows(output: str) -> list[list[str]]:
    lines = (line for line in output.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _bundle(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "version": "1.10",
        "description": "My software",
        "category": "Databases",
        "destination": "/opt/my app",
        "license": {"name": "LICENSE.txt", "source": "LICENSE.txt"},
        "restrictionRule": "Distribution#name=Debian",
        "files": [
            {
                "name": "app.conf",
                "source": "app conf",
                "destination": "/etc/app",
                "rights": "640",
                "ownerGroup": "root:adm",
            },
            {"name": "site", "source": "site", "files": []},
            {"name": "setup", "source": "setup.sh", "tag": "bootscript", "bootType": "firstboot", "bootOrder": 2},
            {"name": "nginx", "source": "nginx", "tag": "ospkg"},
        ],
        **more,
    }


@pytest.fixture
def files(hammr: Hammr) -> Path:
    """The directory with the files that the bundle names."""
    (hammr.home / "LICENSE.txt").write_text("You may.\n")
    (hammr.home / "app conf").write_text("x = 1\n")
    (hammr.home / "site/deep/er").mkdir(parents=True)
    (hammr.home / "site/index.html").write_text("<p>Hi</p>\n")
    (hammr.home / "site/deep/er/text.txt").write_text("deep\n")
    (hammr.home / "setup.sh").write_text("echo set up\n")
    return hammr.home


def _written(directory: Path, document: dict[str, Any], name: str = "bundle.yml") -> str:
    file = directory / name
    file.write_text(yaml.safe_dump(document) if file.suffix == ".yml" else json.dumps(document))
    return str(file)


def _kept(api: httpx.Client, name: str, version: str = "1.10") -> dict[str, Any]:
    found = api.get("mysoftware", params={"query": f"name=='{name}';version=='{version}'"}).json()
    (bundle,) = found["mySoftwareList"]["mySoftwareList"]["mySoftware"]
    kept: dict[str, Any] = bundle
    return kept


def _tree(api: httpx.Client, bundle: dict[str, Any]) -> dict[str, Any]:
    """{path: (kind, rights, content)} of everything in a bundle."""
    found: dict[str, Any] = {}

    def walk(entries: list[dict[str, Any]], place: str) -> None:
        for entry in entries:
            path = f"{place}{entry['name']}"
            uri = entry["binaryUri"].removeprefix("users/root/")
            content = api.get(uri).text if entry["uploaded"] else None
            found[path] = (entry["shortTag"], entry.get("rights"), content)
            walk((entry.get("subSoftwareArtifacts") or {}).get("softwareArtifact", []), f"{path}/")

    artifacts = api.get(f"mysoftware/{bundle['dbId']}/artifacts").json()["softwareArtifacts"]
    walk(artifacts["softwareArtifacts"]["softwareArtifact"], "")
    return found


_TREE = {
    "app.conf": ("softwarefile", "640", "x = 1\n"),
    "site": ("softwarefile", "755", None),
    "site/index.html": ("softwarefile", "755", "<p>Hi</p>\n"),
    "site/deep": ("softwarefile", "755", None),
    "site/deep/er": ("softwarefile", "755", None),
    "site/deep/er/text.txt": ("softwarefile", "755", "deep\n"),
    "setup": ("bootscript", None, "echo set up\n"),
    "nginx": ("ospkg", None, None),
}


def test_a_bundle_from_its_file(hammr: Hammr, api: httpx.Client, name: str, files: Path) -> None:
    file = _written(files, _bundle(name))
    assert "Syntax of bundle file" in hammr("bundle", "validate", "--file", file)
    output = hammr("bundle", "create", "--file", file)
    bundle = _kept(api, name)
    assert f"Bundle URI: users/root/mysoftware/{bundle['dbId']}" in output
    assert f"Bundle Id : {bundle['dbId']}" in output
    assert (bundle["description"], bundle["category"]["name"], bundle["imported"]) == (
        "My software",
        "Databases",
        False,
    )
    assert bundle["defaultInstallLocation"] == "/opt/my app"
    assert bundle["bundleRestriction"]["restrictionRule"] == "Distribution#name=Debian"
    assert api.get(bundle["license"]["uri"].removeprefix("users/root/")).text == "You may.\n"
    assert _tree(api, bundle) == _TREE
    (row,) = (row for row in _rows(hammr("bundle", "list")) if row[1] == name)
    assert row[:5] == [str(bundle["dbId"]), name, "1.10", "My software", "Databases"]
    again = hammr("bundle", "create", "--file", file)
    assert "already has a bundle" in " ".join(again.split())


def test_export_import_clone_and_delete(hammr: Hammr, api: httpx.Client, name: str, files: Path) -> None:
    hammr("bundle", "create", "--file", _written(files, _bundle(name), "bundle.json"))
    bundle = _kept(api, name)
    number = str(bundle["dbId"])
    for form in ("yaml", "json"):
        output = hammr("bundle", "export", "--id", number, "--file", f"{form}.tar.gz", "--outputFormat", form)
        assert f"Download complete of file [{form}.tar.gz]" in output
        with tarfile.open(hammr.home / f"{form}.tar.gz") as archive:
            last = archive.getmembers()[-1]
            assert last.name == {"yaml": "bundle.yml", "json": "bundle.json"}[form]
            content = archive.extractfile(last)
            assert content is not None
            document = yaml.safe_load(content.read())
        assert (document["name"], document["version"]) == (name, "1.10")
    assert "Clonned successfully" in hammr("bundle", "clone", "--id", number, "--name", name, "--version", "2")
    copy = _kept(api, name, "2")
    assert _tree(api, copy) == _TREE
    assert "Bundle deleted" not in hammr("bundle", "delete", "--id", number, stdin="n\n")
    assert "Bundle deleted" in hammr("bundle", "delete", "--id", number, stdin="y\n")
    assert api.get(f"mysoftware/{number}").status_code == 404
    for form in ("yaml", "json"):
        output = hammr("bundle", "import", "--file", f"{form}.tar.gz")
        imported = _kept(api, name)
        assert f"Bundle Id : {imported['dbId']}" in output
        assert imported["imported"]
        assert _tree(api, imported) == _TREE
        assert imported["bundleRestriction"]["restrictionRule"] == "Distribution#name=Debian"
        assert api.get(imported["license"]["uri"].removeprefix("users/root/")).text == "You may.\n"
        api.delete(f"mysoftware/{imported['dbId']}")
    assert "UForge Error '404'" in hammr("bundle", "export", "--id", number, code=2)


def test_categories_are_listed(hammr: Hammr) -> None:
    assert "Databases" in hammr("bundle", "categories")


def test_bad_files_are_refused(hammr: Hammr, api: httpx.Client, name: str, files: Path, site: Site) -> None:
    for change, words in (
        ({"category": "Databaes"}, "did you mean Databases"),
        ({"filez": []}, "is not known; did you mean files"),
    ):
        output = hammr("bundle", "create", "--file", _written(files, _bundle(name, **change)))
        assert words in " ".join(output.split())
        assert "Bundle Id" not in output
    assert not [entry for entry in _library(api) if entry["name"] == name]


def _library(api: httpx.Client) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = api.get("mysoftware").json()["mySoftwareList"]["mySoftwareList"]["mySoftware"]
    return entries


def _archive(file: Path, name: str, *hostile: tuple[str, bytes, str]) -> str:
    """An archive of a bundle, with entries of (name, type, link's target)."""
    document = {"name": name, "version": "1", "files": [{"name": "f", "source": "f"}]}
    with tarfile.open(file, "w:gz") as archive:
        for entry, content in (("f", b"content"), ("bundle.json", json.dumps(document).encode())):
            info = tarfile.TarInfo(entry)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for entry, kind, target in hostile:
            info = tarfile.TarInfo(entry)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return str(file)


def test_hostile_archives_are_refused_and_nothing_is_left(
    hammr: Hammr, api: httpx.Client, name: str, site: Site
) -> None:
    def stored() -> set[str]:
        return {path.name for path in site.artifacts()}

    before = stored()
    for entry, words in (
        (("../../x", tarfile.REGTYPE, ""), "leads out"),
        (("link", tarfile.SYMTYPE, "/etc/passwd"), "leads out"),
    ):
        output = hammr("bundle", "import", "--file", _archive(hammr.home / "evil.tar.gz", name, entry))
        assert words in " ".join(output.split()), output
        assert "Bundle Id" not in output
    cut = Path(_archive(hammr.home / "cut.tar.gz", name))
    cut.write_bytes(cut.read_bytes()[:-20])
    assert "damaged or was cut off" in " ".join(hammr("bundle", "import", "--file", str(cut)).split())
    assert not [entry for entry in _library(api) if entry["name"] == name]
    assert stored() == before
    assert site.scratch() == []
    output = hammr("bundle", "import", "--file", _archive(hammr.home / "good.tar.gz", name))
    assert re.search(r"Bundle Id : \d+", output)


def test_a_template_with_bundles(site: Site, hammr: Hammr, api: httpx.Client, name: str, files: Path) -> None:
    document = {
        "stack": {
            "name": name,
            "version": "1",
            "os": {"name": "Debian", "version": "12", "arch": "x86_64", "profile": "Minimal"},
            "bundles": [_bundle(f"{name}-soft")],
        }
    }
    file = _written(files, document, "template.yml")
    assert "Template Id" in hammr("template", "create", "--file", file)
    bundle = _kept(api, f"{name}-soft")
    assert _tree(api, bundle) == _TREE

    def appliance() -> dict[str, Any]:
        found = api.get("appliances", params={"query": f"name=='{name}'"}).json()["appliances"]["appliances"]
        (entry,) = found["appliance"]
        kept: dict[str, Any] = entry
        return kept

    assert appliance()["mySoftwareUris"]["uri"] == [bundle["uri"]]
    # Once more: refused, with the bundle that is there, or with another one in its place.
    api.delete(f"appliances/{appliance()['dbId']}")
    assert "already has a bundle" in " ".join(hammr("template", "create", "--file", file, code=2).split())
    assert "Template Id" in hammr("template", "create", "--file", file, "-r")
    assert appliance()["mySoftwareUris"]["uri"] == [bundle["uri"]]
    assert "Template Id" in hammr("template", "create", "--file", file, "-f")
    replaced = _kept(api, f"{name}-soft")
    assert replaced["created"] != bundle["created"]
    assert appliance()["mySoftwareUris"]["uri"] == [replaced["uri"]]
    assert _tree(api, replaced) == _TREE
    number = str(appliance()["dbId"])
    assert "Download complete" in hammr("template", "export", "--id", number, "--file", "t.tar.gz")
    api.delete(f"appliances/{number}")
    api.delete(f"mysoftware/{_kept(api, f'{name}-soft')['dbId']}")
    assert "Template Id" in hammr("template", "import", "--file", "t.tar.gz")
    assert _tree(api, _kept(api, f"{name}-soft")) == _TREE
