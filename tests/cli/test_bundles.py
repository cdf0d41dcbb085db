"""`ingot bundle`: what it prints, how it ends, and what it did at the server."""

import contextlib
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.site import Site, eventually
from tests.serving import PASSWORD, Command

_FILE = """\
name: {name}
version: "1.0"
description: My software
category: Databases
restrictionRule: Distribution#family=linux
license: {{name: LICENSE.txt, source: LICENSE.txt}}
files:
  - {{name: app.conf, source: app.conf, destination: /etc/app, rights: "640", ownerGroup: "root:adm"}}
  - name: site
    source: site
    rights: "644"
  - {{name: setup, source: setup.sh, tag: bootscript, bootType: firstboot, bootOrder: 1}}
  - {{name: nginx, tag: ospkg}}
"""


@pytest.fixture
def api(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{address}/api/", auth=("root", PASSWORD), headers={"Accept": "application/json"}, timeout=60
    ) as client:
        yield client


@pytest.fixture
def file(ingot: Command, name: str) -> Path:
    home = ingot.home
    (home / "LICENSE.txt").write_text("You may.\n")
    (home / "app.conf").write_text("x = 1\n")
    (home / "site/deep").mkdir(parents=True)
    (home / "site/deep/größe.txt").write_text("deep\n")
    (home / "setup.sh").write_text("true\n")
    (home / "bundle.yml").write_text(_FILE.format(name=name))
    return home / "bundle.yml"


def _entries(shown: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}

    def walk(entries: list[dict[str, Any]], place: str) -> None:
        for entry in entries:
            found[f"{place}{entry['name']}"] = (
                entry["shortTag"],
                entry.get("rights"),
                entry.get("ownerGroup"),
                entry["size"],
            )
            walk(entry.get("subSoftwareArtifacts") or [], f"{place}{entry['name']}/")

    walk(shown["artifacts"], "")
    return found


_ENTRIES = {
    "app.conf": ("softwarefile", "640", "root:adm", 6),
    "site": ("softwarefile", "644", "root:root", 0),
    "site/deep": ("softwarefile", "644", "root:root", 0),
    "site/deep/größe.txt": ("softwarefile", "644", "root:root", 5),
    "setup": ("bootscript", None, None, 5),
    "nginx": ("ospkg", None, None, 0),
}


def test_a_bundle_from_its_file_to_its_deletion(ingot: Command, name: str, file: Path) -> None:
    assert f"is a bundle of {name} 1.0 with 4 entries" in ingot("bundle", "validate", "bundle.yml")
    made = json.loads(ingot("bundle", "create", "bundle.yml", "--output", "json"))
    assert (made["name"], made["version"], made["category"]["name"]) == (name, "1.0", "Databases")
    shown = json.loads(ingot("bundle", "show", name, "--output", "json"))
    assert _entries(shown) == _ENTRIES
    table = ingot("bundle", "show", f"{name}:1.0")
    for words in ("Restricted to", "site/deep/größe.txt", "firstboot 1", "root:adm", "LICENSE.txt"):
        assert words in table
    assert name in ingot("bundle", "list")
    assert f"already has a bundle {name} 1.0" in ingot("bundle", "create", "bundle.yml", code=1)
    assert ingot("bundle", "export", name).strip() == f"{name}-1.0.tar.gz"
    assert "is there already" in ingot("bundle", "export", name, code=4)
    ingot("bundle", "export", name, "--json", "--force")
    with tarfile.open(ingot.home / f"{name}-1.0.tar.gz") as archive:
        assert archive.getnames()[-1] == "bundle.json"
        assert f"bundles/{name}/1.0/site/deep/größe.txt" in archive.getnames()
    copy = json.loads(ingot("bundle", "clone", name, "--version", "2", "--output", "json"))
    assert (copy["version"], copy["size"]) == ("2", made["size"])
    assert "means several bundles" in ingot("bundle", "show", name, code=4)
    assert "Delete this bundle?" in ingot("bundle", "delete", f"{name}:1.0", stdin="n\n", code=1)
    assert "is deleted" in ingot("bundle", "delete", f"{name}:1.0", "--yes")
    imported = json.loads(ingot("bundle", "import", f"{name}-1.0.tar.gz", "--output", "json"))
    assert imported["imported"]
    assert _entries(json.loads(ingot("bundle", "show", f"{name}:1.0", "--output", "json"))) == _ENTRIES
    assert "There is no bundle nosuch" in ingot("bundle", "show", "nosuch", code=3)
    assert "There is no archive nosuch" in ingot("bundle", "import", "nosuch", code=3)


def test_mistakes_are_told_before_anything_is_sent(ingot: Command, name: str, file: Path) -> None:
    file.write_text(
        _FILE.format(name=name).replace("app.conf, destination", "app.cnf, destination").replace("640", "9")
    )
    said = ingot("bundle", "create", "bundle.yml", code=1)
    assert "line 8, column 22: files[0].source: 'app.cnf': there is no such file; did you mean app.conf?" in said
    assert "files[0].rights: '9'" in said
    report = json.loads(ingot("bundle", "validate", "bundle.yml", "--output", "json", code=1) or "null") or {}
    assert report == {}  # of a failure, the command tells on standard error alone
    assert "There is no bundle none.yml" in ingot("bundle", "validate", "none.yml", code=3)


def test_an_archive_that_is_none_is_refused(ingot: Command, name: str, site: Site) -> None:
    before = set(site.artifacts())
    (ingot.home / "x.tar.gz").write_bytes(os.urandom(5000))
    assert "is no archive" in ingot("bundle", "import", "x.tar.gz", code=1)
    with tarfile.open(ingot.home / "y.tar.gz", "w:gz") as archive:
        archive.add(ingot.home / "x.tar.gz", "x")
    assert "The archive has no bundle: bundle.yml or bundle.json has to lie at its root" in ingot(
        "bundle", "import", "y.tar.gz", code=1
    )
    assert set(site.artifacts()) == before


def test_a_large_bundle_is_sent_in_bounded_memory(
    ingot: Command, name: str, file: Path, site: Site, api: httpx.Client
) -> None:
    """A file of 300 MB, and what the server's processes had at most in memory before and after."""
    before = _peak_memory(site)
    with (ingot.home / "large").open("wb") as large:
        large.truncate(300 << 20)
    text = file.read_text() + '  - {name: large, source: large, destination: /srv, rights: "600"}\n'
    file.write_text(text)
    made = json.loads(ingot("bundle", "create", "bundle.yml", "--output", "json"))
    assert made["size"] == (300 << 20) + 16
    artifacts = api.get(f"{made['uri']}/artifacts", params={"filename": "large"}).json()["softwareArtifacts"]
    (artifact,) = artifacts["softwareArtifacts"]["softwareArtifact"]
    # As it is, and not packed: what goes over the wire is as large as the file.
    with (ingot.home / "large").open("rb") as content:
        answer = api.post(f"{artifact['uri']}/bin/large", content=content, timeout=300)
    assert answer.status_code == 201, answer.text
    assert answer.json()["softwareArtifact"]["sha256sum"] == artifact["sha256sum"]
    assert _peak_memory(site) < before + 150
    api.delete(made["uri"])
    eventually(lambda: artifact["sha256sum"] not in {path.name for path in site.artifacts()}, "the file is gone")


def _peak_memory(site: Site) -> int:
    """The most MB that any process of the site has had in memory."""
    peaks = [0]
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError):  # it has just ended
            if process.name.isdecimal() and site.marker.encode() in (process / "environ").read_bytes():
                status = (process / "status").read_text()
                peaks.append(int(status.partition("VmHWM:")[2].split()[0]) >> 10)
    return max(peaks)
