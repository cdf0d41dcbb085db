"""Target formats and platforms: administrators keep them, users see what they may use; options of generations."""

from typing import Any

import httpx
import pytest

from ingot.build.formats.registry import OBSOLETE
from ingot.services import formats
from tests.api.conftest import Site

_PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def _org(client: httpx.Client) -> str:
    return str(client.get("users/root/orgs").json()["orgs"]["orgs"]["org"][0]["uri"])


def _formats(client: httpx.Client, path: str) -> dict[str, dict[str, Any]]:
    answer = client.get(path, params={"count": "100"} if path.startswith("orgs") else {})
    assert answer.status_code == 200, answer.text
    rows = answer.json()["targetFormats"]["targetFormats"]["targetFormat"]
    return {row["format"]["name"]: row for row in rows}


def test_every_format_is_offered_with_its_platform(root: httpx.Client) -> None:
    rows = _formats(root, "users/root/targetformats")
    assert set(rows) >= {format_ for _, format_, _, _ in formats.DEFAULTS}
    assert not set(rows) & set(OBSOLETE)
    assert (rows["ovf"]["name"], rows["ovf"]["type"]) == ("OVF or OVA", "virtual")
    assert (rows["azure"]["credAccountType"], rows["docker"]["type"]) == ("azure", "container")
    platforms = root.get("users/root/targetplatforms").json()["targetPlatforms"]["targetPlatforms"]["targetPlatform"]
    openstack = next(row for row in platforms if row["type"] == "openstack")
    published = _formats(root, f"users/root/targetplatforms/{openstack['dbId']}/targetformats")
    assert set(published) == {"openstackqcow2", "openstackvmdk", "openstackvhd", "openstackvdi"}


def test_administrators_rename_hide_and_delete_target_formats(root: httpx.Client, alice: httpx.Client) -> None:
    org = _org(root)
    body = {"targetFormat": {"name": "Our machines", "format": {"name": "qcow2"}, "category": {"name": "Ours"}}}
    assert alice.post(f"{org}/targetformats", json=body).status_code == 403
    made = root.post(f"{org}/targetformats", json=body)
    assert made.status_code == 201, made.text
    row = made.json()["targetFormat"]
    assert (row["category"]["name"], row["type"]) == ("Ours", "virtual")
    assert root.post(f"{org}/targetformats", json=body).status_code == 409
    renamed = root.put(row["uri"], json={"targetFormat": {"name": "Theirs", "imageInfos": "For them"}})
    assert (renamed.json()["targetFormat"]["name"], renamed.json()["targetFormat"]["imageInfos"]) == (
        "Theirs",
        "For them",
    )
    hidden = {"targetFormats": {"targetFormats": {"targetFormat": [{"dbId": row["dbId"], "active": False}]}}}
    assert root.put(f"{org}/targetformats", json=hidden).status_code == 200
    names = {entry["name"] for entry in _all(alice, "users/alice@example.org/targetformats")}
    assert "Theirs" not in names
    assert root.delete(row["uri"]).status_code == 204
    assert root.get(row["uri"]).status_code == 404


def _all(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    return list(client.get(path).json()["targetFormats"]["targetFormats"]["targetFormat"])


@pytest.mark.parametrize(
    "body", [{"name": "x"}, {"format": {"name": "qcow2"}}, {"name": "x", "format": {"name": "esx"}}]
)
def test_impossible_target_formats_are_refused(root: httpx.Client, body: dict[str, Any]) -> None:
    answer = root.post(f"{_org(root)}/targetformats", json={"targetFormat": body})
    assert answer.status_code == 400, answer.text


def test_formats_are_kept_from_a_user(root: httpx.Client, alice: httpx.Client) -> None:
    mine = "users/alice@example.org/targetformats"
    row = _formats(alice, mine)["lxc"]

    def allow(access: bool) -> httpx.Response:
        entry = {"dbId": row["dbId"], "access": access}
        return root.put(mine, json={"targetFormats": {"targetFormats": {"targetFormat": [entry]}}})

    assert allow(False).status_code == 200
    assert "lxc" not in _formats(alice, mine)
    assert "lxc" in _formats(root, "users/root/targetformats")
    assert allow(True).status_code == 200
    assert "lxc" in _formats(alice, mine)
    primitive = {"imageFormats": {"imageFormats": {"imageFormat": [{"name": "lxc", "access": False}]}}}
    assert root.put("users/alice@example.org/formats", json=primitive).status_code == 200
    assert "lxc" not in _formats(alice, mine)
    primitive["imageFormats"]["imageFormats"]["imageFormat"][0]["access"] = True
    assert root.put("users/alice@example.org/formats", json=primitive).status_code == 200


def test_platforms_are_linked_and_have_logos(root: httpx.Client, alice: httpx.Client) -> None:
    org = _org(root)
    made = root.post(f"{org}/targetplatforms", json={"targetPlatform": {"name": "Our cloud", "type": "openstack"}})
    assert made.status_code == 201, made.text
    row = made.json()["targetPlatform"]
    qcow2 = _formats(root, "users/root/targetformats")["qcow2"]
    linked = root.post(f"{row['uri']}/targetformats", json={"targetFormat": {"dbId": qcow2["dbId"]}})
    assert linked.status_code == 201
    assert set(_formats(root, row["targetFormatsUri"])) == {"qcow2"}
    back = root.get(f"{qcow2['uri']}/targetplatforms").json()["targetPlatforms"]["targetPlatforms"]["targetPlatform"]
    assert [platform["name"] for platform in back] == ["Our cloud"]
    assert root.delete(f"{qcow2['uri']}/targetplatforms/{row['dbId']}").status_code == 204
    assert _all(root, row["targetFormatsUri"]) == []
    assert root.post(f"{row['uri']}/logo/0/cloud.txt", content=_PNG).status_code == 400
    logo = root.post(f"{row['uri']}/logo/0/cloud.png", content=_PNG)
    assert logo.status_code == 201, logo.text
    shown = alice.get(logo.json()["logo"]["uri"])
    assert (shown.status_code, shown.content) == (200, _PNG)
    assert alice.delete(f"{row['uri']}/logo/{row['dbId']}").status_code == 403
    assert root.delete(f"{row['uri']}/logo/{row['dbId']}").status_code == 204
    assert root.delete(row["uri"]).status_code == 204


def test_other_organisations_are_not_there(root: httpx.Client) -> None:
    for path in ("targetformats", "targetplatforms", "formats"):
        assert root.get(f"orgs/4711/{path}").status_code == 404


def test_agents_are_told_before_generating(root: httpx.Client, make_appliance: Any) -> None:
    appliance = make_appliance(profile=True)
    rows = _formats(root, "users/root/targetformats")
    answer = root.get(f"{appliance['uri']}/images/platformtools/{rows['azure']['dbId']}")
    bundles = answer.json()["softwareBundles"]["softwareBundles"]["softwareBundle"]
    assert [bundle["name"] for bundle in bundles] == ["cloud-init", "waagent", "hyperv-daemons"]
    packages = root.get(f"{bundles[0]['uri']}/pkgs").json()["packages"]["pkgs"]["pkg"]
    # Of the index's packages: cloud-init itself is not in the tests'.
    assert [package["name"] for package in packages] == ["openssh-server"]
    plain = root.get(f"{appliance['uri']}/images/platformtools/{rows['raw']['dbId']}")
    assert plain.json()["softwareBundles"]["softwareBundles"]["softwareBundle"] == []


def test_options_of_generations(root: httpx.Client, make_appliance: Any) -> None:
    appliance = make_appliance(profile=True)

    def generate(format_name: str, **fields: Any) -> httpx.Response:
        image = {"targetFormat": {"name": format_name}, "compress": True, **fields}
        return root.post(f"{appliance['uri']}/images", json={"image": image})

    for fields, words in (
        ({"installProfile": {"hwType": "99"}}, "hardware version 99"),
        ({"installProfile": {"memorySize": 1}}, "memory"),
    ):
        refused = generate("OVF or OVA", **fields)
        assert refused.status_code == 400
        assert words in refused.text
    assert "entrypoint" in generate("Docker").text
    assert "exec form" in generate("Docker", entrypoint="nginx").text
    made = generate("Docker", entrypoint='["/bin/true"]')
    assert made.status_code == 201, made.text
    assert made.json()["image"]["entrypoint"] == '["/bin/true"]'
    aws = generate("Amazon AWS", ebs=True, ebsVolumeSize=20).json()["image"]
    assert (aws["ebs"], aws["ebsVolumeSize"]) == (True, 20)
    vmware = generate("VMware vCenter", installProfile={"memorySize": 2048, "hwType": "7"})
    assert vmware.status_code == 201, vmware.text
    missing = root.get(f"{made.json()['image']['uri']}/files/boot.ipxe")
    assert (missing.status_code, "not made of several files" in missing.text) == (404, True)


def test_the_menu_for_the_network_says_when_it_is_empty(root: httpx.Client, alice: httpx.Client) -> None:
    menu = alice.get("users/alice@example.org/pxe")
    assert menu.text.startswith("#!ipxe\n")
    assert "There is no image" in menu.text
    assert alice.get("users/root/pxe").status_code in (403, 404)


def test_a_logo_of_a_format(site: Site, root: httpx.Client) -> None:
    row = _formats(root, "users/root/targetformats")["vbox"]
    logo = root.post(f"{row['uri']}/logo/1/box.png", content=_PNG).json()["logo"]
    assert (logo["uploaded"], logo["size"]) == (True, len(_PNG))
    shown = httpx.get(f"{site.address}/api/{logo['uri']}")
    assert shown.status_code == 401
    assert root.get(logo["uri"], headers={"If-None-Match": f'"{logo["sha256sum"]}"'}).status_code == 304
    assert root.delete(f"{row['uri']}/logo/{row['dbId']}").status_code == 204
    assert root.get(logo["uri"]).status_code == 404
