"""Clones, layers and boot scripts on the wire, in XML and JSON, with names that are hard to carry."""

import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from lxml import etree

from tests.api.conftest import Site

_NAMESPACE = "http://www.usharesoft.com/uforge"


def _message(response: httpx.Response) -> str:
    return str(response.json()["uforgeError"]["localizedErrorMsg"]["message"])


def _xml(element: str, inner: str, kind: str = "") -> bytes:
    declared = f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="u:{kind}"' if kind else ""
    return f'<?xml version="1.0"?><u:{element} xmlns:u="{_NAMESPACE}"{declared}>{inner}</u:{element}>'.encode()


@pytest.fixture
def xml(site: Site) -> Any:
    with site.client(accept="application/xml") as client:
        client.headers["Content-Type"] = "application/xml"
        yield client


def _read(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/xml"
    return etree.fromstring(response.content)


def test_a_clone_is_an_appliance_of_its_own(root: httpx.Client, make_appliance: Any) -> None:
    source = make_appliance("clone-source", profile=True)
    root.put(source["installProfileUri"], json={"installProfile": {"diskSize": 7000}})
    script = root.post(source["bootScriptsUri"], json={"bootScript": {"name": "hello"}}).json()["bootScript"]
    root.post(f"{script['uri']}/bin/hello.sh", content=b"echo hello")
    made = root.post(source["baseCloneUri"], json={"appliance": {"name": "a 'clone'/ü", "version": "2"}})
    assert made.status_code == 201, made.text
    clone = made.json()["appliance"]
    assert (clone["name"], clone["version"], clone["revision"]) == ("a 'clone'/ü", "2", 1)
    assert clone["parentApplianceUri"] == source["uri"]
    assert clone["uuid"] != source["uuid"]
    assert root.get(clone["installProfileUri"]).json()["installProfile"]["diskSize"] == 7000
    # The content is shared and stays when the source goes.
    assert root.delete(source["uri"]).status_code == 204
    (uri,) = clone["bootScriptUris"]["uri"]
    assert root.get(f"{uri}/bin").content == b"echo hello"
    assert "parentApplianceUri" not in root.get(clone["uri"]).json()["appliance"]
    assert root.post(f"{clone['uri']}/clones", json={"appliance": {}}).status_code == 409
    assert root.delete(clone["uri"]).status_code == 204


def test_every_layer_speaks_xml(xml: httpx.Client) -> None:
    distribution = _read(xml.get("users/root/distros")).find("distributions/distribution")
    inner = f"<distributionUri>{distribution.findtext('uri')}</distributionUri>"
    inner += "<name>in &lt;xml&gt;</name><version>1</version>"
    appliance = _read(xml.post("users/root/appliances", content=_xml("appliance", inner)), 201)
    assert appliance.tag == f"{{{_NAMESPACE}}}appliance"
    uri = appliance.findtext("uri")
    assert appliance.findtext("name") == "in <xml>"
    inner = f"<standardProfileUri>{distribution.findtext('profileUris/uri')}</standardProfileUri>"
    profile = _read(xml.post(f"{uri}/osprofile", content=_xml("distribProfile", inner, "LinuxProfile")), 201)
    packages = profile.findtext("packagesUri")
    listed = _read(xml.put(packages, content=_xml("packages", "<pkgs><pkg><name>nginx</name></pkg></pkgs>")))
    assert "nginx" in [package.findtext("name") for package in listed.iterfind("pkgs/pkg")]
    # Wherever a client with an empty id asks, it means the only profile there is.
    own = appliance.findtext("installProfileUri")
    for address in (own, f"{uri}/installProfile", f"{uri}/installProfile/"):
        assert _read(xml.get(address)).findtext("uri") == own
    inner = "<diskSize>6000</diskSize><partitionAuto>true</partitionAuto>"
    for address in (own, f"{uri}/installProfile/"):
        answer = _read(xml.put(address, content=_xml("installProfile", inner)))
        assert answer.findtext("partitionTable/disks/disk/size") == "6000"
    user = _read(xml.post(f"{own}/users", content=_xml("osUser", "<name>eve</name><password>s</password>")), 201)
    assert user.find("password") is None
    assert user.findtext("uri") == f"{own}/users/{user.findtext('dbId')}"
    # An order that is not there is filled in: the original's clients cannot read an interface without one.
    inner = '<name>lan</name><order xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>'
    assert _read(xml.post(f"{own}/nics", content=_xml("nic", inner)), 201).findtext("order") == "0"
    clone = _read(xml.post(f"{uri}/clones", content=_xml("appliance", "<name>xml clone</name>")), 201)
    assert clone.findtext("version") == "1"
    for address in (clone.findtext("uri"), uri):
        gone = xml.delete(address)
        assert (gone.status_code, gone.content) == (204, b"")


@pytest.mark.parametrize("name", ["a b#c?d%25.sh", "日本.sh", "'; rm -rf", "$(reboot)&<x>", "a+b=c"])
def test_a_script_file_of_any_name_is_found_at_its_address(root: httpx.Client, make_appliance: Any, name: str) -> None:
    appliance = make_appliance()
    body = {"bootScript": {"name": f"any {name}", "bootType": "everyboot"}}
    script = root.post(appliance["bootScriptsUri"], json=body).json()["bootScript"]
    assert script["name"] == f"any {name}"
    uploaded = root.post(f"{script['uri']}/bin/{quote(name, safe='')}", content=b"echo").json()["bootScript"]
    assert uploaded["origName"] == name
    assert root.get(uploaded["binaryUri"]).content == b"echo"


def test_another_checksum_asks_for_the_content_again(root: httpx.Client, make_appliance: Any) -> None:
    appliance = make_appliance(profile=True)
    script = root.post(appliance["bootScriptsUri"], json={"bootScript": {"name": "s"}}).json()["bootScript"]
    uploaded = root.post(f"{script['uri']}/bin/s.sh", content=b"echo").json()["bootScript"]
    same = root.put(script["uri"], json={"bootScript": {**uploaded, "bootOrder": 5}}).json()["bootScript"]
    assert (same["uploaded"], same["bootOrder"]) == (True, 5)
    other = root.put(script["uri"], json={"bootScript": {**same, "md5sum": "0" * 32}}).json()["bootScript"]
    assert other["uploaded"] is False
    assert root.get(f"{script['uri']}/bin").status_code == 404
    body = {"image": {"targetFormat": {"name": "QCOW2"}, "compress": True}}
    refused = root.post(appliance["baseImagesUri"], json=body)
    assert refused.status_code == 400
    assert "upload" in _message(refused)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": ""}, "missing"),
        ({"name": "x", "bootOrder": -1}, "boot order -1"),
        ({"name": "x", "bootType": "sometimes"}, "sometimes"),
        ({"name": "x" * 256}, "at most 255"),
    ],
)
def test_impossible_boot_scripts_are_refused(root: httpx.Client, make_appliance: Any, body: Any, words: str) -> None:
    response = root.post(make_appliance()["bootScriptsUri"], json={"bootScript": body})
    assert response.status_code == 400
    assert words in _message(response)


def test_a_script_that_is_empty_or_too_large_is_refused(root: httpx.Client, make_appliance: Any) -> None:
    script = root.post(make_appliance()["bootScriptsUri"], json={"bootScript": {"name": "s"}}).json()["bootScript"]
    assert "empty" in _message(root.post(f"{script['uri']}/bin/s.sh", content=b""))
    large = root.post(f"{script['uri']}/bin/s.sh", content=bytes(10 * 1024 * 1024 + 1))
    assert large.status_code == 413
    assert "10485760" in _message(large)
    assert root.get(script["uri"]).json()["bootScript"]["uploaded"] is False


def test_scripts_are_removed_by_name_and_type(root: httpx.Client, make_appliance: Any) -> None:
    uri = make_appliance()["bootScriptsUri"]
    for name, kind in (("a", "firstboot"), ("b", "firstboot"), ("c", "everyboot")):
        root.post(uri, json={"bootScript": {"name": name, "bootType": kind}})

    def left() -> list[str]:
        return [one["name"] for one in root.get(uri).json()["bootScripts"]["bootScripts"]["bootScript"]]

    assert root.delete(uri, params={"name": ["a", "nobody"]}).status_code == 204
    assert left() == ["b", "c"]
    assert root.delete(uri, params={"type": "firstboot"}).status_code == 204
    assert left() == ["c"]
    assert root.delete(uri).status_code == 204
    assert left() == []


def test_what_belongs_to_somebody_else_is_absent(root: httpx.Client, site: Site, make_appliance: Any) -> None:
    appliance = make_appliance(profile=True)
    script = root.post(appliance["bootScriptsUri"], json={"bootScript": {"name": "s"}}).json()["bootScript"]
    root.post(f"{script['uri']}/bin/s.sh", content=b"echo")
    # Neither in the owner's place nor in one's own.
    addresses = [appliance["uri"], appliance["installProfileUri"], script["uri"], f"{script['uri']}/bin"]
    with site.client("bob") as bob:
        for address in addresses:
            for path in (address, address.replace("users/root/", "users/bob/")):
                assert bob.get(path).status_code == 404
                assert bob.delete(path).status_code in (404, 405)
        for path in (appliance["baseCloneUri"], appliance["baseCloneUri"].replace("users/root/", "users/bob/")):
            assert bob.post(path, json={"appliance": {"name": "stolen"}}).status_code == 404
    assert root.get(appliance["uri"]).status_code == 200


def test_a_missing_entitlement_is_named(site: Site) -> None:
    with site.client("carol") as carol:
        for method, path in (("GET", "users/carol/appliances"), ("POST", "users/carol/appliances/1/clones")):
            refused = carol.request(method, path)
            assert refused.status_code == 403
            assert "appliance_create" in _message(refused)


def test_packages_without_a_name_or_of_the_profile_are_refused(root: httpx.Client, make_appliance: Any) -> None:
    appliance = make_appliance(profile=True)
    profile = root.get(appliance["uri"]).json()["appliance"]["osProfile"]
    uri = profile["packagesUri"]
    nameless = root.put(uri, json={"packages": {"pkgs": {"pkg": [{"version": "1"}]}}})
    assert (nameless.status_code, "name of a package" in _message(nameless)) == (400, True)
    found = root.get("distributions/1/pkgs", params={"query": "name=='apt'"}).json()["packages"]["pkgs"]["pkg"]
    refused = root.put(uri, json={"packages": {"deletedPkgUris": {"uri": [found[0]["uri"]]}}})
    assert refused.status_code == 400
    assert re.search(r"apt cannot be removed: the profile \w+", _message(refused))
    unknown = root.put(uri, json={"packages": {"addedPkgUris": {"uri": ["distributions/1/pkgs/2147483647"]}}})
    assert (unknown.status_code, "2147483647" in _message(unknown)) == (400, True)
    pinned = root.put(uri, json={"packages": {"pkgs": {"pkg": [{"name": "nginx", "version": "9", "sticky": True}]}}})
    assert (pinned.status_code, "nginx 9 (there is 1.0-1)" in _message(pinned)) == (400, True)


def test_overrides_of_a_generation_are_checked(root: httpx.Client, make_appliance: Any) -> None:
    appliance = make_appliance(profile=True)
    body = {"image": {"targetFormat": {"name": "QCOW2"}, "installProfile": {"diskSize": 100}}}
    refused = root.post(appliance["baseImagesUri"], json=body)
    assert (refused.status_code, "100 MB" in _message(refused)) == (400, True)
