"""Appliances and their layers through the API."""

import re
from typing import Any

import httpx
import pytest

from tests.api.conftest import Site

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0W7zGMHGYQ0q3ZC9S1bqyIvYhW2nV5Hn4Yc0YzqJ0K somebody"


def _message(response: httpx.Response) -> str:
    return str(response.json()["uforgeError"]["localizedErrorMsg"]["message"])


@pytest.mark.parametrize(
    "name", ["plain", "with 'quotes' and \"more\"", "a/b", "日本語 ünï", "$(reboot); `x` <&>", "x" * 255]
)
def test_any_name_works_and_is_found_again(root: httpx.Client, make_appliance: Any, name: str) -> None:
    appliance = make_appliance(name)
    assert appliance["name"] == name
    assert root.get(appliance["uri"]).json()["appliance"]["name"] == name
    if "'" not in name:
        found = root.get("users/root/appliances", params={"query": f"name=='{name}';version=='1'"}).json()
        assert [one["uri"] for one in found["appliances"]["appliances"]["appliance"]] == [appliance["uri"]]


@pytest.mark.parametrize(
    ("name", "words"), [("", "missing"), ("x" * 256, "at most 255"), ("a\u0007b", r"control|U\+0007")]
)
def test_impossible_names_are_refused(root: httpx.Client, name: str, words: str) -> None:
    body = {"appliance": {"name": name, "version": "1", "distributionUri": "distributions/1"}}
    response = root.post("users/root/appliances", json=body)
    assert response.status_code == 400
    assert re.search(words, _message(response))


def test_name_and_version_are_unique_per_user(root: httpx.Client, alice: httpx.Client, make_appliance: Any) -> None:
    make_appliance("unique")
    body = {"appliance": {"name": "unique", "version": "1", "distributionUri": "distributions/1"}}
    response = root.post("users/root/appliances", json=body)
    assert response.status_code == 409
    assert "unique 1" in _message(response)
    mine = alice.post("users/alice@example.org/appliances", json=body)
    assert mine.status_code == 201
    assert root.get(f"users/root/appliances/{mine.json()['appliance']['dbId']}").status_code == 404
    assert alice.delete(mine.json()["appliance"]["uri"]).status_code == 204
    assert alice.get(mine.json()["appliance"]["uri"]).status_code == 404


def test_an_update_changes_what_it_names(root: httpx.Client, make_appliance: Any) -> None:
    appliance = make_appliance("before")
    changed = root.put(appliance["uri"], json={"appliance": {"description": "new"}}).json()["appliance"]
    assert (changed["name"], changed["description"]) == ("before", "new")
    assert changed["digest"] != appliance["digest"]


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("colour==red", 400, "colour"),
        ("nam==x", 400, "did you mean name"),
        ("name==", 400, "cannot be read"),
        ("dbId==seven", 400, "not a number"),
        ("name=='a'" + ";name=='a'" * 1000, 400, "at most"),
        ("(name==*x* , version=='2');dbId=gt=0", 200, ""),
    ],
)
def test_queries_that_make_no_sense_say_why(root: httpx.Client, query: str, code: int, words: str) -> None:
    response = root.get("users/root/appliances", params={"query": query})
    assert response.status_code == code
    assert code == 200 or words in _message(response)


def test_lists_are_ordered_and_paged(root: httpx.Client, make_appliance: Any) -> None:
    for name in ("page-b", "page-c", "page-a"):
        make_appliance(name)

    def names(**params: str) -> tuple[int, list[str]]:
        found = root.get("users/root/appliances", params={"query": "name==page-*", **params}).json()["appliances"]
        return found["total"], [one["name"] for one in found["appliances"]["appliance"]]

    assert names(orderBy="name") == (3, ["page-a", "page-b", "page-c"])
    assert names(orderBy="name", descending="True") == (3, ["page-c", "page-b", "page-a"])
    assert names(orderBy="name", offset="1", count="1") == (3, ["page-b"])
    assert names(count="0")[1] == ["page-a", "page-c", "page-b"]
    assert root.get("users/root/appliances", params={"count": "-1"}).status_code == 400


def test_packages_are_searched_the_way_the_clients_do(root: httpx.Client) -> None:
    def names(query: str) -> list[str]:
        found = root.get("distributions/1/pkgs", params={"query": query}).json()["packages"]["pkgs"]["pkg"]
        return [package["name"] for package in found]

    assert names("name==nginx") == ["libnginx-mod-http-lua", "nginx", "nginx-doc"]
    assert names("name==nginx*") == ["nginx", "nginx-doc"]
    assert names("name=='nginx'") == ["nginx"]
    assert names("name==*doc") == ["nginx-doc"]


def test_an_os_profile_takes_packages(root: httpx.Client, make_appliance: Any) -> None:
    appliance = make_appliance(profile=True)
    profile = root.get(appliance["uri"]).json()["appliance"]["osProfile"]
    uri = profile["packagesUri"]
    body = {"packages": {"pkgs": {"pkg": [{"name": "nginx"}, {"name": "openssh-server"}]}}}
    assert root.put(uri, json=body).status_code == 200
    nginx = root.get("distributions/1/pkgs", params={"query": "name=='nginx'"}).json()["packages"]["pkgs"]["pkg"][0]
    removed = root.put(uri, json={"packages": {"deletedPkgUris": {"uri": [nginx["uri"]]}}})
    names = {package["name"] for package in removed.json()["packages"]["pkgs"]["pkg"]}
    assert "openssh-server" in names
    assert "nginx" not in names
    unknown = root.put(uri, json={"packages": {"pkgs": {"pkg": [{"name": "ngnix"}, {"name": "zzz-nothing"}]}}})
    assert unknown.status_code == 400
    assert "ngnix (did you mean nginx" in _message(unknown)
    assert "zzz-nothing" in _message(unknown)


def test_a_revision_counts_changes(root: httpx.Client, make_appliance: Any) -> None:
    appliance = make_appliance(profile=True)
    before = root.get(appliance["uri"]).json()["appliance"]["revision"]
    root.put(appliance["installProfileUri"], json={"installProfile": {"diskSize": 5000}})
    assert root.get(appliance["uri"]).json()["appliance"]["revision"] == before + 1


def test_passwords_go_in_and_never_come_out(root: httpx.Client, make_appliance: Any, site: Site) -> None:
    appliance = make_appliance()
    user = {
        "name": "eve",
        "password": "a secret word",
        "passwordAuto": False,
        "sshKeys": {"sshKey": [{"name": "k", "publicKey": _KEY + "\n\n"}]},
    }
    body = {"installProfile": {"rootUser": {"name": "root", "password": "another secret"}, "users": {"user": [user]}}}
    response = root.put(appliance["installProfileUri"], json=body)
    assert response.status_code == 200, response.text
    assert "secret" not in response.text
    assert "$6$" not in root.get(appliance["installProfileUri"]).text
    profile = response.json()["installProfile"]
    eve = profile["users"]["user"][0]
    assert root.put(eve["uri"], json={"osUser": {**eve, "fullName": "Eve"}}).status_code == 200
    with site.database.transaction(read_only=True) as session:
        from ingot.store.tables import Appliance

        document = session.get(Appliance, appliance["dbId"]).install_profile.document  # type: ignore[union-attr]
    assert document["users"][0]["full_name"] == "Eve"
    assert document["users"][0]["password"].startswith("$6$")
    assert "secret" not in str(document)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"diskSize": 10}, "10 MB"),
        ({"diskSize": 1000, "swapSize": 1000}, "swap size of 1000"),
        ({"timezone": "Europe/Pariss"}, "Europe/Paris"),
        ({"users": {"user": [{"name": "Bad Name"}]}}, "'Bad Name'"),
        ({"users": {"user": [{"name": "root"}]}}, "rootUser"),
        ({"users": {"user": [{"name": "a", "userId": "0"}]}}, "id 0"),
        ({"users": {"user": [{"name": "a"}, {"name": "a"}]}}, "more than one user a"),
        (
            {"users": {"user": [{"name": "a", "sshKeys": {"sshKey": [{"name": "k", "publicKey": "nonsense"}]}}]}},
            "nonsense",
        ),
        ({"nics": {"nic": [{"order": 0}, {"order": 0}]}}, "same order"),
        ({"keyboard": "klingon"}, "klingon"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(
    root: httpx.Client, make_appliance: Any, profile: Any, words: str
) -> None:
    appliance = make_appliance()
    before = root.get(appliance["installProfileUri"]).json()
    response = root.put(appliance["installProfileUri"], json={"installProfile": profile})
    assert response.status_code == 400
    assert words in _message(response)
    assert root.get(appliance["installProfileUri"]).json() == before


def test_users_groups_and_interfaces_have_addresses_of_their_own(root: httpx.Client, make_appliance: Any) -> None:
    uri = make_appliance()["installProfileUri"]
    for kind, element, body in (
        ("users", "osUser", {"name": "u"}),
        ("groups", "osGroup", {"name": "g"}),
        ("nics", "nic", {"order": 1, "type": "ETHERNET"}),
    ):
        made = root.post(f"{uri}/{kind}", json={element: body})
        assert made.status_code == 201, made.text
        own = made.json()[element]["uri"]
        assert root.get(own).json()[element]["dbId"] == made.json()[element]["dbId"]
        assert root.delete(own).status_code == 204
        assert root.get(own).status_code == 404


def test_a_boot_script_is_uploaded_and_read_back(root: httpx.Client, make_appliance: Any) -> None:
    appliance = make_appliance()
    body = {"bootScript": {"name": "hello", "bootType": "firstboot", "bootOrder": 3}}
    script = root.post(appliance["bootScriptsUri"], json=body).json()["bootScript"]
    assert root.post(appliance["bootScriptsUri"], json=body).status_code == 409
    assert root.get(f"{script['uri']}/bin").status_code == 404
    content = b"#!/bin/sh\necho hello\n"
    uploaded = root.post(
        f"{script['uri']}/bin/h%C3%A9llo.sh", content=content, headers={"Content-Type": "application/xml"}
    )
    assert uploaded.status_code == 201, uploaded.text
    assert uploaded.json()["bootScript"]["size"] == len(content)
    back = root.get(uploaded.json()["bootScript"]["binaryUri"])
    assert (back.status_code, back.content) == (200, content)
    assert "filename*=UTF-8''h%C3%A9llo.sh" in back.headers["content-disposition"]
    assert root.get(f"{script['uri']}/bin/other.sh").status_code == 404
    assert root.delete(script["uri"]).status_code == 204
    assert root.get(script["uri"]).status_code == 404


def test_an_image_needs_an_os_profile(root: httpx.Client, make_appliance: Any) -> None:
    appliance = make_appliance()
    response = root.post(appliance["baseImagesUri"], json={"image": {"targetFormat": {"name": "QCOW2"}}})
    assert response.status_code in (400, 409)
    assert "OS profile" in _message(response)


def test_an_unknown_format_is_refused_with_the_known_ones(root: httpx.Client, make_appliance: Any) -> None:
    appliance = make_appliance(profile=True)
    response = root.post(appliance["baseImagesUri"], json={"image": {"targetFormat": {"name": "Betamax"}}})
    assert response.status_code == 400
    assert "QCOW2" in _message(response)


@pytest.mark.parametrize(
    "path", ["users/root/appliances/abc", "users/root/appliances/999999", "users/root/appliances/1e3"]
)
def test_ids_that_name_nothing_are_404(root: httpx.Client, path: str) -> None:
    assert root.get(path).status_code == 404
