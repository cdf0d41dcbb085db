"""Operating systems as administrators keep them: distributions, profiles, milestones, updates in time."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from lxml import etree
from sqlalchemy import delete, select

from ingot.build.packages.repository import AvailablePackage
from ingot.services import milestones, package_index
from ingot.services.templates import template_of
from ingot.store.base import now
from ingot.store.tables import Appliance, Distribution, Package
from tests.api.conftest import Site

XML = {"Accept": "application/xml", "Content-Type": "application/xml"}


def _words(response: httpx.Response) -> str:
    return str(response.json()["uforgeError"]["localizedErrorMsg"]["message"])


@pytest.fixture
def distribution(root: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = root.get("distributions").json()["distributions"]["distributions"]["distribution"][0]
    return found


@pytest.fixture
def history(site: Site, distribution: dict[str, Any]) -> Iterator[dt.datetime]:
    """Three versions of sudo, each known two days after the one before; the first day."""
    first = now().replace(microsecond=0) - dt.timedelta(days=10)
    with site.database.transaction() as session:
        rows = list(session.scalars(select(Package).where(Package.name == "sudo")))
        for row in rows:
            row.created = first
        for number in (1, 2):
            session.add(
                Package(
                    distribution_id=distribution["dbId"],
                    name="sudo",
                    version="1.0",
                    release=f"1+deb12u{number}",
                    full_version=f"1.0-1+deb12u{number}",
                    arch="amd64",
                    size=1,
                    installed_size=1,
                    sha256="0" * 64,
                    section="admin",
                    description="runs commands as others",
                    suite="bookworm-security",
                    created=first + dt.timedelta(days=2 * number),
                )
            )
        row = session.get(Distribution, distribution["dbId"])
        assert row is not None
        row.packages_since = first
    yield first
    with site.database.transaction() as session:
        session.execute(delete(Package).where(Package.suite == "bookworm-security"))
        row = session.get(Distribution, distribution["dbId"])
        assert row is not None
        row.packages_since = None


def _time(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_updates_are_listed_by_date_and_simulated_forward_and_back(
    make_appliance: Any, root: httpx.Client, history: dt.datetime
) -> None:
    path = _updates(root, make_appliance)
    day = dt.timedelta(days=1)
    found = root.get(path, params={"from": _time(history), "to": _time(history + 9 * day)}).json()["osUpdates"]
    updates = found["availUpdates"]["update"]
    assert [entry["numUpdates"] for entry in updates] == [1, 1]
    assert [entry["pkgs"]["pkg"][0]["release"] for entry in updates] == ["1+deb12u1", "1+deb12u2"]
    assert found["osReleaseDate"].startswith("20")
    params = {"simulate": "true", "from": _time(history), "at": _time(history + 9 * day)}
    (change,) = root.get(path, params=params).json()["osUpdates"]["simulation"]["update"]
    # Only the last version counts, whatever came between.
    assert (change["currPkg"]["release"], change["newPkg"]["release"]) == ("1", "1+deb12u2")
    back = {"simulate": "true", "from": _time(history + 9 * day), "at": _time(history + 3 * day)}
    (change,) = root.get(path, params=back).json()["osUpdates"]["simulation"]["update"]
    assert (change["currPkg"]["release"], change["newPkg"]["release"]) == ("1+deb12u2", "1+deb12u1")
    document = etree.fromstring(root.get(path, params=params, headers=XML).content)
    assert document.findtext("{*}simulation/{*}update/{*}newPkg/{*}release") or document.findtext(
        "simulation/update/newPkg/release"
    )


def _updates(root: httpx.Client, make_appliance: Any) -> str:
    appliance = root.get(make_appliance(profile=True)["uri"]).json()["appliance"]
    return f"{appliance['osProfileUri']}/updates"


def test_pinned_packages_have_no_updates(make_appliance: Any, root: httpx.Client, history: dt.datetime) -> None:
    path = _updates(root, make_appliance)
    pinned = {"name": "sudo", "version": "1.0", "release": "1", "arch": "amd64", "sticky": True}
    answer = root.put(path.replace("/updates", "/pkgs"), json={"packages": {"pkgs": {"pkg": [pinned]}}})
    assert answer.status_code == 200, answer.text
    params = {"simulate": "true", "from": _time(history)}
    assert root.get(path, params=params).json()["osUpdates"]["simulation"]["update"] == []


def test_an_appliance_is_moved_in_time(
    make_appliance: Any, root: httpx.Client, history: dt.datetime, site: Site
) -> None:
    path = _updates(root, make_appliance)
    wanted = history + dt.timedelta(days=3)
    moved = root.put(path, params={"at": _time(wanted)}).json()["appliance"]
    assert moved["lastPkgUpdate"].startswith(wanted.strftime("%Y-%m-%dT%H:%M:%S"))
    assert moved["revision"] > 1
    with site.database.transaction(read_only=True) as session:
        row = session.get(Appliance, moved["dbId"])
        assert row is not None
        assert template_of(row, None).os.update_to == wanted
    early = root.put(path, params={"at": _time(history - dt.timedelta(days=1))})
    assert early.status_code == 400
    assert "before the first snapshot" in _words(early)
    assert f"since {history:%Y-%m-%d %H:%M}" in _words(early)
    late = root.put(path, params={"at": _time(now() + dt.timedelta(days=2))})
    assert (late.status_code, "future" in _words(late)) == (400, True)
    wrong = root.put(path, params={"at": "yesterday"})
    assert (wrong.status_code, "at=yesterday" in _words(wrong)) == (400, True)
    assert root.put(path).json()["appliance"]["lastPkgUpdate"] > moved["lastPkgUpdate"]


def test_linux_has_nothing_of_windows(make_appliance: Any, root: httpx.Client) -> None:
    base = _updates(root, make_appliance).removesuffix("/updates")
    assert root.get(f"{base}/services").json()["winServices"]["total"] == 0
    assert root.get(f"{base}/applications").json()["abstractWinApplications"]["total"] == 0
    for path in ("services/3", "applications/3"):
        answer = root.get(f"{base}/{path}")
        assert (answer.status_code, "Windows" in _words(answer)) == (404, True)


def test_a_package_says_why_it_came(root: httpx.Client, distribution: dict[str, Any], history: dt.datetime) -> None:
    params = {"query": "name=='sudo'", "all": "true"}
    found = root.get(distribution["basePkgsUri"], params=params).json()["packages"]["pkgs"]["pkg"]
    by_release = {entry["release"]: entry for entry in found}
    (entry,) = root.get(f"{by_release['1+deb12u1']['uri']}/updateinfo").json()["pkgUpdateInfoList"][
        "pkgUpdateInfoList"
    ]["pkgUpdateInfo"]
    assert (entry["type"], entry["source"]) == ("security", "bookworm-security")
    assert by_release["1+deb12u1"]["repositoryName"] == "bookworm-security"
    assert root.get(f"{by_release['1']['uri']}/updateinfo").json()["pkgUpdateInfoList"]["total"] == 0


def test_of_several_versions_the_latest_is_found(root: httpx.Client, site: Site) -> None:
    second = root.get("distributions").json()["distributions"]["distributions"]["distribution"][1]

    def offer(*versions: str) -> None:
        package_index.refresh(
            site.database,
            second["dbId"],
            [AvailablePackage("web", None, v, "1", "amd64", 1, 1, "0" * 64, "web", "") for v in versions],
        )

    def latest() -> list[str]:
        params = {"query": "name=='web'", "latestOnly": "true"}
        found = root.get(second["basePkgsUri"], params=params).json()["packages"]["pkgs"]["pkg"]
        return [entry["version"] for entry in found]

    offer("1.10", "1.9", "1.8")
    assert latest() == ["1.10"]
    offer("1.9", "1.8", "1.7")
    assert latest() == ["1.9"]
    offer("1.10~rc1", "2.0")
    assert latest() == ["2.0"]


def test_no_answer_grows_without_bound(root: httpx.Client, site: Site) -> None:
    second = root.get("distributions").json()["distributions"]["distributions"]["distribution"][1]
    offered = [
        AvailablePackage(f"many-{number:05}", None, "1", "1", "amd64", 1, 1, "0" * 64, "web", "")
        for number in range(2100)
    ]
    package_index.refresh(site.database, second["dbId"], offered)
    names = [entry["name"] for entry in root.get(second["basePkgsUri"]).json()["packages"]["pkgs"]["pkg"]]
    assert len(names) == 2000
    rest = root.get(second["basePkgsUri"], params={"offset": 2000, "count": 5000}).json()["packages"]["pkgs"]["pkg"]
    assert names + [entry["name"] for entry in rest] == [package.name for package in offered]


def test_profiles_are_made_changed_and_deleted(
    root: httpx.Client, distribution: dict[str, Any], make_appliance: Any, site: Site
) -> None:
    path = distribution["baseProfilesUri"]
    base = distribution["profileUris"]["uri"][0]
    found = root.get(distribution["basePkgsUri"], params={"query": "name=='nginx'"}).json()["packages"]["pkgs"]["pkg"]
    body = {
        "@type": "LinuxProfile",
        "name": "Web",
        "description": "for the web",
        "packageUris": {"uri": [found[0]["uri"]]},
    }
    made = root.post(path, params={"basedOn": base}, json={"distribProfile": body})
    assert made.status_code == 201, made.text
    profile = made.json()["linuxProfile" if "linuxProfile" in made.json() else "distribProfile"]
    packages = root.get(f"{profile['uri']}/pkgs").json()["packages"]["pkgs"]["pkg"]
    assert {"nginx", "sudo"} <= {entry["name"] for entry in packages}
    taken = root.post(path, params={"basedOn": base}, json={"distribProfile": {**body, "name": "web"}})
    assert (taken.status_code, "already" in _words(taken)) == (409, True)
    nothing = root.post(path, json={"distribProfile": {"@type": "LinuxProfile", "name": "Empty"}})
    assert (nothing.status_code, "no packages" in _words(nothing)) == (400, True)
    only = {"@type": "LinuxProfile", "name": "Web server", "packageUris": {"uri": [found[0]["uri"]]}}
    changed = root.put(profile["uri"], json={"distribProfile": only})
    assert changed.status_code == 200, changed.text
    # What the engine does not know by its name, it is told package by package.
    appliance = make_appliance("of-a-profile")
    created = root.post(
        appliance["baseOsProfileUri"],
        json={"distribProfile": {"@type": "LinuxProfile", "standardProfileUri": profile["uri"]}},
    )
    assert created.status_code == 201
    with site.database.transaction(read_only=True) as session:
        row = session.get(Appliance, appliance["dbId"])
        assert row is not None
        system = template_of(row, None).os
        assert (system.profile, system.profile_packages) == ("Web server", ("nginx",))
    used = root.delete(profile["uri"])
    assert (used.status_code, "1 appliance(s)" in _words(used)) == (409, True)
    assert root.delete(appliance["uri"], params={"force": "true"}).status_code == 204
    assert root.delete(profile["uri"]).status_code == 204
    assert root.get(profile["uri"]).status_code == 404


def test_profiles_that_come_with_a_distribution_stay(root: httpx.Client, distribution: dict[str, Any]) -> None:
    uri = distribution["profileUris"]["uri"][0]
    body = {"distribProfile": {"@type": "LinuxProfile", "name": "Mine"}}
    for answer in (root.put(uri, json=body), root.delete(uri)):
        assert (answer.status_code, "basedOn" in _words(answer)) == (403, True)


def test_milestones(root: httpx.Client, distribution: dict[str, Any], site: Site, alice: httpx.Client) -> None:
    path = distribution["baseMilestonesUri"]
    with site.database.transaction() as session:
        for _ in range(2):
            date = dt.datetime(2026, 7, 11, tzinfo=dt.UTC)
            milestones.enter_release(session, distribution["dbId"], "12.15", date)
    document = (
        '<ns1:milestone xmlns:ns1="http://www.usharesoft.com/uforge"><name>Freeze</name>'
        "<date>2026-03-01T00:00:00.000Z</date><description>Spring</description></ns1:milestone>"
    )
    made = root.post(path, content=document, headers=XML)
    assert made.status_code == 201, made.text
    uri = etree.fromstring(made.content).findtext("uri") or ""

    def names(**params: str) -> list[str]:
        # Nobody has to log in for this.
        answer = httpx.get(f"{site.address}/api/{path}", params=params, headers={"Accept": "application/json"})
        return [entry["name"] for entry in answer.json()["milestones"]["milestones"]["milestone"]]

    assert names() == ["Freeze", "Debian 12.15"]
    assert names(search="debian") == ["Debian 12.15"]
    assert names(search="debian", cs="true") == []
    assert names(search="spring") == ["Freeze"]
    assert names(singleSearch="freeze") == ["Freeze"]
    assert names(to="2026-04-01") == ["Freeze"]
    assert names(**{"from": "2026-04-01"}) == ["Debian 12.15"]
    assert alice.get(uri).json()["milestone"]["description"] == "Spring"
    body = {"milestone": {"name": "Thaw"}}
    assert alice.put(uri, json=body).status_code == 403
    assert root.put(uri, json=body).json()["milestone"]["name"] == "Thaw"
    wrong = root.post(path, json={"milestone": {"name": "No date"}})
    assert (wrong.status_code, "no date" in _words(wrong)) == (400, True)
    twice = root.post(path, json={"milestone": {"name": "Thaw", "date": "2026-05-01T00:00:00Z"}})
    assert twice.status_code == 409
    listed = root.get(path).json()["milestones"]["milestones"]["milestone"]
    own = next(entry for entry in listed if entry["source"] == "distribution")
    for answer in (root.delete(own["uri"]), root.put(own["uri"], json=body)):
        assert (answer.status_code, "release files" in _words(answer)) == (403, True)
    assert root.delete(uri).status_code == 204
    assert root.get(uri).status_code == 404


def test_distributions_are_described_and_taken_away(
    root: httpx.Client, alice: httpx.Client, distribution: dict[str, Any]
) -> None:
    uri = distribution["uri"]
    changed = root.put(uri, json={"distribution": {"name": "Debian", "description": "Ours"}})
    assert changed.json()["distribution"]["description"] == "Ours"
    root.put(uri, json={"distribution": {"description": distribution["description"]}})
    renamed = root.put(uri, json={"distribution": {"version": "99"}})
    assert (renamed.status_code, "cannot become 99" in _words(renamed)) == (400, True)
    assert root.put(f"{uri}/changeActiveStatus", params={"active": "false"}).json()["distribution"]["active"] is False
    try:
        ids = [row["dbId"] for row in _distros(alice, "alice@example.org")]
        assert distribution["dbId"] not in ids
    finally:
        root.put(f"{uri}/changeActiveStatus", params={"active": "true"})
    assert root.put(f"{uri}/changeActiveStatus").status_code == 400
    assert alice.put(uri, json={"distribution": {"description": "mine"}}).status_code == 403
    org = root.get("users/root").json()["user"]
    there = root.post("distributions/1/Debian/12", params={"arch": "x86_64"})
    assert (there.status_code, "already" in _words(there)) == (409, True), org
    unknown = root.post("distributions/1/Solaris/11")
    assert (unknown.status_code, "Debian 12" in _words(unknown)) == (400, True)


def _distros(client: httpx.Client, login: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"users/{login}/distros").json()["distributions"]["distributions"][
        "distribution"
    ]
    return found


def test_a_distribution_is_taken_from_one_user(
    root: httpx.Client, alice: httpx.Client, distribution: dict[str, Any]
) -> None:
    def allow(active: bool) -> httpx.Response:
        item = {"dbId": distribution["dbId"], "active": active}
        body = {"distributions": {"distributions": {"distribution": [item]}}}
        return root.put("users/alice@example.org/distros", json=body)

    refused = allow(False)
    assert refused.status_code == 200, refused.text
    try:
        assert distribution["dbId"] not in [row["dbId"] for row in _distros(alice, "alice@example.org")]
        assert distribution["dbId"] in [row["dbId"] for row in _distros(root, "root")]
        body = {"appliance": {"name": "no", "version": "1", "distributionUri": distribution["uri"]}}
        assert alice.post("users/alice@example.org/appliances", json=body).status_code == 400
    finally:
        allow(True)
    assert distribution["dbId"] in [row["dbId"] for row in _distros(alice, "alice@example.org")]


def test_pictures_and_licences(root: httpx.Client, distribution: dict[str, Any]) -> None:
    logo = root.get(f"{distribution['uri']}/logo")
    assert logo.headers["content-type"] == "image/svg+xml"
    assert etree.fromstring(logo.content).tag.endswith("svg")
    assert root.get(f"{distribution['uri']}/logo/logo.svg").content == logo.content
    assert root.get(f"{distribution['uri']}/logo/other.png").status_code == 404
    again = root.get(f"{distribution['uri']}/logo", headers={"If-None-Match": logo.headers["etag"]})
    assert again.status_code == 304
    licence = root.get(f"{distribution['uri']}/license")
    assert "/usr/share/doc" in licence.text


def test_the_originals_clients_see_only_what_they_have_words_for(root: httpx.Client) -> None:
    for path in ("distributions", "users/root/distros"):
        rows = root.get(path).json()["distributions"]["distributions"]["distribution"]
        assert {"x86_64", "aarch64"} == {row["arch"] for row in rows}
        shown = etree.fromstring(root.get(path, headers=XML).content).findall("distributions/distribution")
        assert {row.findtext("arch") for row in shown} == {"x86_64"}
        assert len(shown) == sum(row["arch"] == "x86_64" for row in rows)
