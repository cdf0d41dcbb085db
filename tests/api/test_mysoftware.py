"""Bundles on the wire: what is kept, what is refused, what belongs to whom."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from ingot.store.tables import Attempt
from tests.api.conftest import PASSWORD, Site

_NAMESPACE = "http://www.usharesoft.com/uforge"


def _say(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["uforgeError"]["localizedErrorMsg"]["message"])


@pytest.fixture
def made(root: httpx.Client, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Creates bundles of root, deleted after the test."""
    uris: list[str] = []

    def make(name: str | None = None, **fields: Any) -> dict[str, Any]:
        body = {"name": name or request.node.name, "version": "1", **fields}
        response = root.post("users/root/mysoftware", json={"mySoftware": body})
        assert response.status_code == 201, response.text
        bundle: dict[str, Any] = response.json()["mySoftware"]
        uris.append(bundle["uri"])
        return bundle

    yield make
    for uri in uris:
        root.delete(uri)


def _add(root: httpx.Client, bundle: dict[str, Any], kind: str = "softwareFile", **fields: Any) -> dict[str, Any]:
    response = root.post(bundle["artifactsUri"], json={kind: fields})
    assert response.status_code == 201, response.text
    artifact: dict[str, Any] = next(iter(response.json().values()))
    return artifact


def _upload(client: httpx.Client, artifact: dict[str, Any], name: str, content: bytes) -> dict[str, Any]:
    response = client.post(f"{artifact['uri']}/bin/{name}", content=content)
    assert response.status_code == 201, response.text
    uploaded: dict[str, Any] = next(iter(response.json().values()))
    return uploaded


def _stored(site: Site) -> set[str]:
    return {file.name for file in (site.directory / "artifacts").rglob("*") if file.is_file()}


def test_a_bundle_from_its_creation_to_its_deletion(root: httpx.Client, made: Any) -> None:
    bundle = made(
        "my app",
        description="An app",
        category={"name": "web servers"},
        defaultInstallLocation="/opt/app",
        website="https://app.example",
    )
    assert (bundle["name"], bundle["version"], bundle["revision"], bundle["size"]) == ("my app", "1", 1, 0)
    assert (bundle["category"]["name"], bundle["maintainer"], bundle["restricted"]) == ("Web servers", "root", False)
    assert bundle["applianceUris"] == {"uri": []}
    answer = root.get(bundle["uri"])
    again = root.get(bundle["uri"], headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    changed = root.put(bundle["uri"], json={"mySoftware": {"description": "Another", "version": "2"}})
    assert changed.json()["mySoftware"]["description"] == "Another"
    assert changed.json()["mySoftware"]["revision"] == 2
    listed = root.get("users/root/mysoftware", params={"query": "name=='my app';category.name=='Web servers'"})
    assert [entry["dbId"] for entry in listed.json()["mySoftwareList"]["mySoftwareList"]["mySoftware"]] == [
        bundle["dbId"]
    ]
    assert "already has a bundle" in _say(
        root.post("users/root/mysoftware", json={"mySoftware": {"name": "my app", "version": "2"}}), 409
    )
    assert root.delete(bundle["uri"]).status_code == 204
    assert "has no bundle" in _say(root.get(bundle["uri"]), 404)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "name of the bundle is missing"),
        ({"name": "x" * 300}, "300 characters"),
        ({"defaultInstallLocation": "/opt/../etc"}, "is not possible"),
        ({"category": {"name": "Web sarvers"}}, "did you mean Web servers?"),
        ({"bundleRestriction": {"restrictionRule": "Distribution#nam=x"}}, "which is not known"),
    ],
)
def test_wrong_bundles_are_refused(root: httpx.Client, fields: dict[str, Any], words: str) -> None:
    body = {"name": "wrong", "version": "1", **fields}
    assert words in _say(root.post("users/root/mysoftware", json={"mySoftware": body}), 400)


def test_files_directories_scripts_and_packages(root: httpx.Client, made: Any, site: Site) -> None:
    bundle = made()
    config = _add(root, bundle, name="app.conf", installLocation="/etc/app", rights="640", ownerGroup="root:adm")
    assert (config["rights"], config["ownerGroup"], config["uploaded"], config["shortTag"]) == (
        "640",
        "root:adm",
        False,
        "softwarefile",
    )
    content = b"x = 1\n" * 500_000
    uploaded = _upload(root, config, "app.conf", content)
    assert uploaded["sha256sum"] == hashlib.sha256(content).hexdigest()
    assert (uploaded["size"], uploaded["uploaded"]) == (len(content), True)
    directory = _add(root, bundle, name="site", type="directory")
    child = root.post(directory["subSoftwareArtifactUri"], json={"softwareFile": {"name": "index.html"}})
    assert child.status_code == 201, child.text
    page = _upload(root, child.json()["softwareArtifact"], "index.html", b"<p>Hi</p>")
    assert page["parentUri"] == directory["uri"]
    script = _add(root, bundle, "bootScript", name="setup", bootType="everyboot", bootOrder=3)
    assert (script["bootType"], script["bootOrder"], script["shortTag"]) == ("everyboot", 3, "bootscript")
    package = _add(root, bundle, "softwareArtifact", name="nginx", shortTag="ospkg")
    listed = root.get(bundle["artifactsUri"]).json()["softwareArtifacts"]["softwareArtifacts"]["softwareArtifact"]
    assert [entry["name"] for entry in listed] == ["app.conf", "site", "setup", "nginx"]
    assert [entry["name"] for entry in listed[1]["subSoftwareArtifacts"]["softwareArtifact"]] == ["index.html"]
    assert [entry["@type"] for entry in listed] == ["SoftwareFile", "SoftwareFile", "BootScript", "OSPackage"]
    found = root.get(bundle["artifactsUri"], params={"filename": "index.html"}).json()["softwareArtifacts"]
    assert found["total"] == 1
    assert root.get(bundle["uri"]).json()["mySoftware"]["size"] == len(content) + 9
    # A directory's rights go to all that is in it when that is asked for.
    body = {"softwareFile": {"rights": "600", "ownerGroup": "www-data:www-data"}}
    root.put(directory["uri"], params={"recursive": "true"}, json=body)
    assert root.get(page["uri"]).json()["softwareArtifact"]["rights"] == "600"
    # Another order.
    order = {"softwareArtifacts": {"softwareArtifacts": {"softwareArtifact": [{"dbId": package["dbId"]}]}}}
    assert root.put(bundle["artifactsUri"], json=order).status_code == 200
    listed = root.get(bundle["artifactsUri"]).json()["softwareArtifacts"]["softwareArtifacts"]["softwareArtifact"]
    assert [entry["name"] for entry in listed] == ["nginx", "app.conf", "site", "setup"]
    assert uploaded["sha256sum"] in _stored(site)
    assert root.delete(config["uri"]).status_code == 204
    assert uploaded["sha256sum"] not in _stored(site)
    assert root.delete(bundle["artifactsUri"]).status_code == 204
    assert root.get(bundle["artifactsUri"]).json()["softwareArtifacts"]["total"] == 0
    assert page["sha256sum"] not in _stored(site)


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("softwareFile", {"name": "a/b"}, "is no file name"),
        ("softwareFile", {"name": ".."}, "is no file name"),
        ("softwareFile", {"name": "a", "rights": "rwx"}, "rights rwx"),
        ("softwareFile", {"name": "a", "ownerGroup": "a b"}, "is no owner"),
        ("softwareFile", {"name": "a", "installLocation": "/a/../b"}, "is not possible"),
        ("softwareFile", {"name": "a", "remotePath": "file:///etc/passwd"}, "cannot be fetched"),
        ("bootScript", {"name": "a", "bootOrder": -1}, "boot order -1"),
        ("softwareArtifact", {"name": "a", "shortTag": "other"}, "no artifacts of the kind other"),
    ],
)
def test_wrong_artifacts_are_refused(
    root: httpx.Client, made: Any, kind: str, fields: dict[str, Any], words: str
) -> None:
    bundle = made("wrong artifacts")
    assert words in _say(root.post(bundle["artifactsUri"], json={kind: fields}), 400)
    assert root.get(bundle["artifactsUri"]).json()["softwareArtifacts"]["total"] == 0


def test_packages_tell_their_names_and_versions(root: httpx.Client, made: Any, tmp_path: Path, site: Site) -> None:
    (tmp_path / "p/DEBIAN").mkdir(parents=True)
    (tmp_path / "p/DEBIAN/control").write_text(
        "Package: app\nVersion: 2:1.5-3\nArchitecture: amd64\nMaintainer: M <m@example.org>\nDescription: x\n"
    )
    subprocess.run(["dpkg-deb", "--build", tmp_path / "p", tmp_path / "app.deb"], check=True, capture_output=True)
    bundle = made()
    artifact = _add(root, bundle, name="app.deb")
    assert artifact["install"]
    uploaded = _upload(root, artifact, "app.deb", (tmp_path / "app.deb").read_bytes())
    assert (uploaded["version"], uploaded["release"], uploaded["arch"]) == ("2:1.5", "3", "amd64")
    assert uploaded["fullName"] == "app_2:1.5-3_amd64"
    before = _stored(site)
    refused = root.post(f"{artifact['uri']}/bin/app.deb", content=b"no package at all")
    assert "app.deb cannot be taken: it is no Debian package" in _say(refused, 400)
    # Nothing of what was refused is left, and what was there is.
    assert _stored(site) == before
    assert root.get(artifact["uri"]).json()["softwareArtifact"]["version"] == "2:1.5"


def test_contents_are_downloaded_by_their_owner_and_once_by_key(root: httpx.Client, made: Any, site: Site) -> None:
    artifact = _add(root, made(), name="größe.bin")
    _upload(root, artifact, "größe.bin", b"content")
    shown = root.get(artifact["uri"]).json()["softwareArtifact"]
    assert root.get(shown["binaryUri"].partition("?")[0]).content == b"content"
    address = f"{site.address}/api/{shown['binaryUri']}"
    first = httpx.get(address)
    assert (first.status_code, first.content) == (200, b"content")
    assert first.headers["etag"] == f'"{shown["sha256sum"]}"'
    assert httpx.get(address).status_code == 403
    assert root.get(artifact["uri"]).json()["softwareArtifact"]["binaryUri"] != shown["binaryUri"]
    assert httpx.get(address.partition("?")[0]).status_code == 401


def test_quotas_hold_for_uploads(site: Site, root: httpx.Client) -> None:
    with site.client("alice@example.org") as alice:
        bundle = alice.post("users/alice@example.org/mysoftware", json={"mySoftware": {"name": "q", "version": "1"}})
        body = bundle.json()["mySoftware"]
        artifact = alice.post(body["artifactsUri"], json={"softwareFile": {"name": "big"}}).json()["softwareArtifact"]
        limit = {"quotas": {"quotas": {"quota": [{"type": "diskusage", "limit": 1000}]}}}
        assert root.put("users/alice@example.org/quotas", json=limit).status_code == 200
        before = _stored(site)
        refused = alice.post(f"{artifact['uri']}/bin/big", content=bytes(2_000_000))
        assert "2000000 more would be too many" in _say(refused, 403)
        assert _stored(site) == before
        assert alice.post(f"{artifact['uri']}/bin/big", content=bytes(900)).status_code == 201
        # Another content takes the place of the first: it does not count twice.
        assert alice.post(f"{artifact['uri']}/bin/big", content=bytes(950)).status_code == 201
        limit["quotas"]["quotas"]["quota"][0]["limit"] = -1
        root.put("users/alice@example.org/quotas", json=limit)
        assert alice.delete(body["uri"]).status_code == 204


def test_who_may_what(site: Site, root: httpx.Client, made: Any) -> None:
    bundle = made()
    artifact = _add(root, bundle, name="secret")
    _upload(root, artifact, "secret", b"s")
    with site.client("bob") as bob:
        for path in (bundle["uri"], artifact["uri"], f"{artifact['uri']}/bin"):
            assert bob.get(path).status_code == 404
        moved = bundle["uri"].replace("users/root", "users/bob")
        assert bob.get(moved).status_code == 404
        assert bob.delete(moved).status_code == 404
    with site.client("carol") as carol:
        answer = carol.post("users/carol/mysoftware", json={"mySoftware": {"name": "x", "version": "1"}})
        assert "software_upload" in _say(answer, 403)
        # Who may not send is told before anything is taken.
        answer = carol.post("users/carol/mysoftware/1/artifacts/1/bin/x", content=bytes(1000))
        assert answer.status_code == 403


def test_restrictions(root: httpx.Client, made: Any, make_appliance: Any) -> None:
    rule = "Distribution#name=Debian && Distribution#version=12 && TargetFormat#type=cloud"
    bundle = made(bundleRestriction={"restrictionRule": rule})
    assert (bundle["restricted"], bundle["formatDependent"]) == (True, True)
    restriction = bundle["bundleRestriction"]

    def names(response: httpx.Response) -> set[str]:
        entries = response.json()["distributions"]["distributions"]["distribution"]
        return {f"{entry['name']} {entry['version']}" for entry in entries}

    assert names(root.get(restriction["distributionsUri"])) == {"Debian 12"}
    others = root.get(restriction["distributionsUri"], params={"compatibility": "false"})
    assert "Debian 13" in names(others)
    assert "Debian 12" not in names(others)
    body = {"bundleRestriction": {"restrictionRule": "Distribution#version=13"}}
    evaluated = root.post(restriction["distributionsUri"], json=body)
    assert evaluated.status_code == 201
    assert names(evaluated) == {"Debian 13"}
    assert root.get(bundle["uri"]).json()["mySoftware"]["bundleRestriction"]["restrictionRule"] == rule
    appliance = make_appliance("restricted")
    image = {"image": {"parentUri": appliance["uri"], "targetFormat": {"name": "QCOW2"}}}
    assert root.post(f"{bundle['uri']}/images", json=image).status_code == 204
    body["bundleRestriction"]["restrictionRule"] = "TargetFormat#name=QCOW2"
    assert root.put(restriction["uri"], json=body).status_code == 200
    answer = root.post(f"{bundle['uri']}/images", json=image)
    assert (answer.status_code, answer.json()["mySoftware"]["dbId"]) == (201, bundle["dbId"])
    bad = root.put(restriction["uri"], json={"bundleRestriction": {"restrictionRule": "Distribution#name"}})
    assert "cannot be read" in _say(bad, 400)
    made("for 13", bundleRestriction={"restrictionRule": "Distribution#version=13"})
    twelve = appliance["distributionUri"].rpartition("/")[2]
    listed = root.get("users/root/mysoftware", params={"distribId": twelve}).json()["mySoftwareList"]
    found = {entry["name"] for entry in listed["mySoftwareList"]["mySoftware"]}
    assert bundle["name"] in found
    assert "for 13" not in found


def test_licences_and_logos(root: httpx.Client, made: Any) -> None:
    bundle = made()
    license_, logo = bundle["license"]["uri"], bundle["logo"]["uri"]
    answer = root.post(f"{license_}/LICENSE.txt", content=b"You may.")
    assert answer.status_code == 201, answer.text
    assert (answer.json()["license"]["name"], answer.json()["license"]["size"]) == ("LICENSE.txt", 8)
    assert root.get(license_).content == b"You may."
    assert root.post(license_, content=b"You may not.").status_code == 201
    assert "has to end with" in _say(root.post(f"{license_}/LICENSE.pdf", content=b"%PDF"), 400)
    assert root.get(license_).content == b"You may not."
    assert root.post(f"{logo}/logo.png", content=b"\x89PNG").status_code == 201
    assert "has to end with" in _say(root.post(f"{logo}/logo.exe", content=b"MZ"), 400)
    shown = root.get(bundle["uri"]).json()["mySoftware"]
    assert root.get(shown["logo"]["uri"]).content == b"\x89PNG"
    assert root.delete(logo).status_code == 204
    assert root.get(logo).status_code == 404
    assert root.delete(license_).status_code == 204
    assert root.get(license_).status_code == 404


def test_a_clone_is_a_bundle_of_its_own(root: httpx.Client, made: Any) -> None:
    source = made("source", description="d", bundleRestriction={"restrictionRule": "Distribution#family=linux"})
    directory = _add(root, source, name="d", type="directory")
    child = root.post(directory["subSoftwareArtifactUri"], json={"softwareFile": {"name": "f", "rights": "600"}})
    _upload(root, child.json()["softwareArtifact"], "f", b"shared")
    root.post(f"{source['license']['uri']}/L.txt", content=b"L")
    answer = root.post(source["cloneUri"], json={"mySoftware": {"name": "copy", "version": "2"}})
    assert answer.status_code == 201, answer.text
    clone = answer.json()["mySoftware"]
    assert (clone["name"], clone["description"], clone["restricted"], clone["size"]) == ("copy", "d", True, 6)
    assert root.post(source["cloneUri"], json={"mySoftware": {}}).status_code == 409
    assert root.delete(source["uri"]).status_code == 204
    (copied,) = root.get(clone["artifactsUri"]).json()["softwareArtifacts"]["softwareArtifacts"]["softwareArtifact"]
    (inner,) = copied["subSoftwareArtifacts"]["softwareArtifact"]
    assert (inner["rights"], root.get(inner["binaryUri"].partition("?")[0]).content) == ("600", b"shared")
    assert root.get(clone["license"]["uri"]).content == b"L"
    assert root.delete(clone["uri"]).status_code == 204


def test_exports_go_with_their_bundle(root: httpx.Client, made: Any, site: Site) -> None:
    bundle = made()
    assert "no output format toml" in _say(root.post(bundle["exportUri"], params={"outputFormat": "toml"}), 400)
    export = root.post(bundle["exportUri"]).json()["softwareBundleExport"]
    assert (export["bundleName"], export["status"]["complete"]) == (bundle["name"], False)
    assert "is not finished" in _say(root.get(export["downloadUri"]), 409)
    number = export["status"]["dbId"]
    assert root.delete(bundle["uri"]).status_code == 204
    with site.database.transaction(read_only=True) as session:
        attempt = session.get(Attempt, number)
        assert attempt is not None
        assert attempt.state == "cancelled"


def test_appliances_have_bundles_in_an_order(root: httpx.Client, made: Any, make_appliance: Any) -> None:
    one, two = made("one"), made("two")
    appliance = make_appliance("with bundles", profile=True)
    wanted = {"appliance": {"mySoftwareUris": {"uri": [two["uri"], one["uri"]]}}}
    answer = root.put(appliance["uri"], json=wanted)
    assert answer.json()["appliance"]["mySoftwareUris"]["uri"] == [two["uri"], one["uri"]]
    assert answer.json()["appliance"]["revision"] == appliance["revision"] + 2
    listed = root.get(appliance["baseMySoftwareUri"]).json()["mySoftwareList"]["mySoftwareList"]["mySoftware"]
    assert [entry["name"] for entry in listed] == ["two", "one"]
    used = root.get(one["appliancesUri"]).json()["appliances"]["appliances"]["appliance"]
    assert [entry["dbId"] for entry in used] == [appliance["dbId"]]
    # A change of a bundle is one of the appliances that have it.
    before = root.get(appliance["uri"]).json()["appliance"]["revision"]
    _add(root, one, name="file")
    assert root.get(appliance["uri"]).json()["appliance"]["revision"] == before + 1
    image = {"image": {"compress": True, "targetFormat": {"name": "QCOW2"}}}
    assert "file has no content" in _say(root.post(appliance["baseImagesUri"], json=image), 400)
    entries = [{"uri": one["uri"], "installLocation": "/srv/one"}]
    root.put(appliance["uri"], json={"appliance": {"mySoftwareList": {"mySoftware": entries}}})
    (entry,) = root.get(appliance["baseMySoftwareUri"]).json()["mySoftwareList"]["mySoftwareList"]["mySoftware"]
    assert entry["installLocation"] == "/srv/one"
    clone = root.post(appliance["baseCloneUri"], json={"appliance": {"name": "with bundles 2"}}).json()["appliance"]
    assert clone["mySoftwareUris"]["uri"] == [one["uri"]]
    root.delete(clone["uri"])
    # Who deletes a bundle takes it from the appliances too.
    assert root.delete(one["uri"]).status_code == 204
    assert root.get(appliance["uri"]).json()["appliance"]["mySoftwareUris"]["uri"] == []
    missing = root.put(appliance["uri"], json=wanted)
    assert "has no bundle" in _say(missing, 404)


def test_the_chapter_speaks_xml(site: Site) -> None:
    with site.client(accept="application/xml") as xml:
        xml.headers["Content-Type"] = "application/xml"

        def post(path: str, element: str, inner: str) -> Any:
            body = f'<?xml version="1.0"?><u:{element} xmlns:u="{_NAMESPACE}">{inner}</u:{element}>'
            answer = xml.post(path, content=body.encode())
            assert answer.status_code == 201, answer.text
            return etree.fromstring(answer.content)

        bundle = post("users/root/mysoftware", "mySoftware", "<name>&lt;ü&gt;</name><version>1.0</version>")
        assert bundle.findtext("name") == "<ü>"
        uri = bundle.findtext("uri")
        file = post(f"{uri}/artifacts", "softwareFile", "<name>f</name><rights>644</rights>")
        # Sent as the clients do: as XML that it is not.
        sent = xml.post(f"{file.findtext('uri')}/bin/f", content=b"binary")
        assert etree.fromstring(sent.content).findtext("size") == "6"
        script = post(f"{uri}/artifacts", "bootScript", "<name>s</name><bootOrder>1</bootOrder>")
        assert script.findtext("bootType") == "firstboot"
        listed = etree.fromstring(xml.get(f"{uri}/artifacts").content)
        assert [entry.findtext("name") for entry in listed.iterfind("softwareArtifacts/softwareArtifact")] == [
            "f",
            "s",
        ]
        library = etree.fromstring(xml.get("users/root/mysoftware").content)
        assert library.find("mySoftwareList") is not None
        assert xml.delete(uri).status_code == 204


def test_categories(site: Site, root: httpx.Client) -> None:
    organisation = root.get("users/root/orgs").json()["orgs"]["orgs"]["org"][0]
    path = organisation["categoriesUri"]
    # Without a login, and as the original's client asks.
    listed = httpx.get(
        f"{site.address}/api/{path}", params={"query": "type=='PROJECT'"}, headers={"Accept": "application/json"}
    )
    names = [entry["name"] for entry in listed.json()["categories"]["categories"]["category"]]
    assert "Databases" in names
    made = root.post(path, json={"category": {"name": "Games", "type": "PROJECT"}})
    assert made.status_code == 201, made.text
    uri = made.json()["category"]["uri"]
    child = root.post(f"{uri}/subcategories", json={"category": {"name": "Chess"}})
    assert child.json()["category"]["type"] == "PROJECT"
    assert root.post(path, json={"category": {"name": "Games", "type": "PROJECT"}}).status_code == 409
    shown = root.get(uri).json()["category"]
    assert [entry["name"] for entry in shown["subCategories"]["category"]] == ["Chess"]
    assert root.put(uri, json={"category": {"name": "Play"}}).json()["category"]["name"] == "Play"
    bundle = root.post(
        "users/root/mysoftware", json={"mySoftware": {"name": "c", "version": "1", "category": {"uri": uri}}}
    )
    assert bundle.json()["mySoftware"]["category"]["name"] == "Play"
    with site.client("bob") as bob:
        assert bob.delete(uri).status_code == 403
    assert root.delete(uri).status_code == 204
    assert root.get(child.json()["category"]["uri"]).status_code == 404
    assert "category" not in root.get(bundle.json()["mySoftware"]["uri"]).json()["mySoftware"]
    root.delete(bundle.json()["mySoftware"]["uri"])
    assert root.delete(path, params={"id": "999999"}).status_code == 204
    assert "Databases" in root.get(path).text
    assert PASSWORD  # what a login needs
