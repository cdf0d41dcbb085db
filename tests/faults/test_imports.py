"""Imports and exports as jobs: what is refused and leaves nothing, what a crash or a cancel leaves."""

import io
import json
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import select

from ingot.store.tables import Appliance, Attempt
from tests.faults.site import Site, eventually
from tests.serving import PASSWORD, address, name, site

__all__ = ["address", "name", "site"]
_Entry = tuple[str, bytes, bytes, str]
_LARGE = 300 << 20


@pytest.fixture
def api(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{address}/api/users/root/",
        auth=("root", PASSWORD),
        headers={"Accept": "application/json"},
        timeout=60,
    ) as client:
        yield client


def _document(name: str, **more: Any) -> dict[str, Any]:
    system = {"name": "Debian", "version": "12", "profile": "Minimal"}
    scripts = [{"name": "hi", "source": "config/x", "frequency": "firstboot"}]
    return {"stack": {"name": name, "version": "1", "os": system, "config": scripts, **more}, "builders": None}


def _template(name: str, addition: str = "", **more: Any) -> _Entry:
    return "template.yml", (yaml.safe_dump(_document(name, **more)) + addition).encode(), tarfile.REGTYPE, ""


_SCRIPT: _Entry = ("config/x", b"echo hi\n", tarfile.REGTYPE, "")


def _tar(*entries: _Entry) -> bytes:
    """An archive of (name, content, type, link)."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data, kind, link in entries:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(data), kind, link
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def _begin(api: httpx.Client, content: Any, **query: str) -> str:
    """Upload an archive; the import's path."""
    ticket = api.post("imports", params=query).json()["applianceImport"]
    path = f"imports/{ticket['dbId']}"
    uploaded = api.post(f"{path}/uploads", content=content)
    assert uploaded.status_code == 201, uploaded.text
    return path


def _status(api: httpx.Client, path: str) -> dict[str, Any]:
    status: dict[str, Any] = api.get(f"{path}/status").json()["status"]
    return status


def _import(api: httpx.Client, content: Any, **query: str) -> dict[str, Any]:
    """The status of a whole import."""
    path = _begin(api, content, **query)
    eventually(lambda: bool(_status(api, path)["complete"]), "the import is over")
    status = _status(api, path)
    assert status["percentage"] == 100
    return {**status, "path": path}


def _named(api: httpx.Client, name: str) -> list[dict[str, Any]]:
    query = {"query": f"name=='{name}'"}
    found: list[dict[str, Any]] = api.get("appliances", params=query).json()["appliances"]["appliances"]["appliance"]
    return found


def _bomb() -> bytes:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefg", "bcdefgh", strict=True)]
    return "\n".join(lines).encode()


def _hostile(name: str) -> dict[str, bytes]:
    """{what is said of it: archive}."""
    template, file = _template(name), tarfile.REGTYPE
    good = _tar(_SCRIPT, template)
    return {
        "absolute path": _tar(("/etc/cron.d/x", b"x", file, ""), template),
        "leads out with '..'": _tar(("../../x", b"x", file, ""), template),
        "its link 'config/x' leads out": _tar(("config/x", b"", tarfile.SYMTYPE, "/etc/shadow"), template),
        "is a device": _tar(("sda", b"", tarfile.BLKTYPE, ""), template),
        "has no template": _tar(_SCRIPT),
        "does not have the file(s) that its template names: config/x": _tar(template),
        "nonsense: is not known": _tar(_SCRIPT, _template(name, "nonsense: 1\n")),
        "is there twice": _tar(_SCRIPT, _template(name, "stack: {}\n")),
        "aliases": _tar(("template.yml", _bomb(), file, "")),
        "swap size of 9000 MB does not fit": _tar(
            _SCRIPT, _template(name, installation={"diskSize": 8000, "swapSize": 9000})
        ),
        "There is no operating system Debian 99": _tar(
            _SCRIPT, _template(name, os={"name": "Debian", "version": "99"})
        ),
        "ngimx (did you mean nginx?)": _tar(
            _SCRIPT, _template(name, os={"name": "Debian", "version": "12", "pkgs": [{"name": "ngimx"}]})
        ),
        "damaged or was cut off": good[:-60],
        "is no archive": b"hello",
    }


def test_what_is_hostile_or_broken_is_refused_and_leaves_nothing(site: Site, api: httpx.Client, name: str) -> None:
    before = {path.name for path in site.artifacts()}
    for words, content in _hostile(name).items():
        status = _import(api, content)
        assert status["error"] is True
        assert words in status["errorMessage"], status
        assert status["message"]
        assert "referenceUri" not in api.get(status["path"]).json()["applianceImport"]
    assert _named(api, name) == []
    eventually(lambda: {path.name for path in site.artifacts()} == before, "no archive and no file is left")
    eventually(lambda: site.scratch() == [], "no scratch directory is left")


def test_force_replaces_an_appliance_or_nothing(site: Site, api: httpx.Client, name: str) -> None:
    assert _import(api, _tar(_SCRIPT, _template(name)))["error"] is False
    (first,) = _named(api, name)
    refused = _import(api, _tar(_SCRIPT, _template(name)))
    assert "already has an appliance" in refused["errorMessage"]
    # What cannot be entered leaves what was to be replaced.
    bad = _template(name, os={"name": "Debian", "version": "12", "pkgs": [{"name": "nosuch-package"}]})
    assert _import(api, _tar(_SCRIPT, bad), force="True")["error"] is True
    assert [row["uuid"] for row in _named(api, name)] == [first["uuid"]]
    assert api.get(f"appliances/{first['dbId']}/bootscripts").json()["bootScripts"]["total"] == 1
    assert _import(api, _tar(_SCRIPT, _template(name)), force="True", imported="True")["error"] is False
    (second,) = _named(api, name)
    assert second["uuid"] != first["uuid"]
    assert second["imported"] is True


def test_an_import_takes_one_archive(api: httpx.Client, name: str) -> None:
    path = _begin(api, _tar(_SCRIPT, _template(name)))
    assert api.post(f"{path}/uploads", content=b"another").status_code == 409
    assert api.post("imports/999999/uploads", content=b"x").status_code == 404
    eventually(lambda: bool(_status(api, path)["complete"]), "the import is over")
    assert api.get("imports/statuses", params={"ai": path.rpartition("/")[2]}).json()["statuses"]["total"] == 1
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    assert len(_named(api, name)) == 1


def _large(name: str) -> Iterator[bytes]:
    """A plain tar of 300 MB, in pieces."""
    info = tarfile.TarInfo("zeros")
    info.size = _LARGE
    yield info.tobuf()
    for _ in range(_LARGE >> 20):
        yield bytes(1 << 20)
    rest = io.BytesIO()
    with tarfile.open(fileobj=rest, mode="w") as archive:
        for entry, data, _, _ in (_SCRIPT, _template(name)):
            info = tarfile.TarInfo(entry)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    yield rest.getvalue()


@contextmanager
def _api_of(site: Site) -> Iterator[tuple["subprocess.Popen[bytes]", httpx.Client]]:
    """A new server of a site, and a client of it."""
    server, address = site.start_server()
    with httpx.Client(
        base_url=f"{address}/api/users/root/",
        auth=("root", PASSWORD),
        headers={"Accept": "application/json"},
        timeout=120,
    ) as client:
        yield server, client


def _peak_memory(process: int) -> int:
    """The most bytes that a process has had in memory."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def test_a_large_import_in_bounded_memory_survives_the_end_of_its_server(new_site: Callable[..., Site]) -> None:
    site = new_site()
    with _api_of(site) as (server, api):
        before = _peak_memory(server.pid)
        path = _begin(api, _large("large"))
        assert _peak_memory(server.pid) - before < _LARGE // 4
        eventually(lambda: site.scratch() != [], "the import is being worked on")
        server.send_signal(signal.SIGKILL)
        server.wait()
    eventually(lambda: not site.survivors(), "worker and import end with the server")
    with site.database.transaction(read_only=True) as session:
        assert session.scalars(select(Attempt)).one().state in ("running", "queued")
        assert session.scalars(select(Appliance)).all() == []
    with _api_of(site) as (server, api):
        eventually(lambda: bool(_status(api, path)["complete"]), "the import is over")
        assert _status(api, path)["error"] is False
        (appliance,) = _named(api, "large")
        eventually(lambda: len(site.artifacts()) == 1, "the boot script alone is kept")
        eventually(lambda: site.scratch() == [], "no scratch directory is left")
        # Cancelled while they run or wait, imports and exports leave nothing.
        path = _begin(api, _large("cancelled"))
        eventually(lambda: site.scratch() != [], "the import is being worked on")
        assert api.delete(path).status_code == 204
        export = api.post(f"appliances/{appliance['dbId']}/exports").json()["applianceExport"]
        export_path = export["uri"].removeprefix("users/root/")
        assert api.delete(f"{export_path}/status").status_code == 204
        eventually(lambda: bool(_status(api, export_path)["complete"]), "the export is over")
        status = _status(api, export_path)
        if status["cancelled"]:
            assert (status["error"], status["errorMessage"]) == (True, "The export was cancelled.")
            assert api.get(f"{export_path}/downloads").status_code == 409
        assert api.delete(export_path).status_code == 204
        eventually(lambda: site.scratch() == [] and len(site.artifacts()) == 1, "nothing is left")
        assert _named(api, "cancelled") == []


_PARTITIONING = {
    "disks": [
        {
            "name": "sda",
            "type": "msdos",
            "size": 9000,
            "partitions": [
                {"number": 1, "fstype": "ext4", "size": 500, "mountPoint": "/boot"},
                {
                    "number": 2,
                    "fstype": "Extended",
                    "size": 8000,
                    "partitions": [{"number": 5, "fstype": "lvm2", "size": 7000, "grow": True}],
                },
            ],
        }
    ],
    "volumeGroups": [{"name": "vg", "physicalVolumes": ["sda5"]}],
    "logicalVolumes": [
        {"name": "root", "vg_name": "vg", "fstype": "ext4", "size": 4000, "mountPoint": "/", "label": "r"}
    ],
}


def test_an_export_is_the_same_each_time_and_becomes_the_same_appliance(api: httpx.Client, name: str) -> None:
    whole = _template(name, installation={"partitioning": _PARTITIONING, "hostname": "h1", "firewall": True})
    assert _import(api, _tar(_SCRIPT, whole))["error"] is False
    (appliance,) = _named(api, name)
    archives = []
    for output_format in ("yaml", "yaml", "json"):
        query = {"outputFormat": output_format}
        export = api.post(f"appliances/{appliance['dbId']}/exports", params=query).json()["applianceExport"]
        path = export["uri"].removeprefix("users/root/")
        eventually(lambda path=path: bool(_status(api, path)["complete"]), "the export is over")
        archives.append(api.get(f"{path}/downloads").content)
    assert archives[0] == archives[1] != archives[2]
    with tarfile.open(fileobj=io.BytesIO(archives[0])) as archive:
        content = archive.extractfile("template.yml")
        assert content is not None
        exported = yaml.safe_load(content)
    with tarfile.open(fileobj=io.BytesIO(archives[2])) as archive:
        content = archive.extractfile("template.json")
        assert content is not None
        assert json.load(content) == exported
    assert exported["stack"]["config"][0]["source"] == "config/x"
    installation = exported["stack"]["installation"]
    assert (installation["hostname"], installation["firewall"]) == ("h1", True)
    assert installation["partitioning"]["disks"][0]["partitions"][1]["partitions"][0]["grow"] is True
    assert installation["partitioning"]["logicalVolumes"][0]["vg_name"] == "vg"
    assert api.post(f"appliances/{appliance['dbId']}/exports", params={"outputFormat": "toml"}).status_code == 400
    assert api.get("exports", params={"query": f"applianceName=='{name}'"}).json()["applianceExports"]["total"] == 3
    assert api.delete(f"appliances/{appliance['dbId']}").status_code == 204
    assert api.get("exports", params={"query": f"applianceName=='{name}'"}).json()["applianceExports"]["total"] == 0
