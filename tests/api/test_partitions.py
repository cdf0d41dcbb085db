"""Partition tables on the wire: made disk by disk, refused with reasons, handed to generations."""

from typing import Any

import httpx
import pytest
from lxml import etree

from ingot.services.templates import template_of
from ingot.store import tables
from tests.api.conftest import Site

_MESSAGES = {
    "disks": "disk",
    "partitions": "partition",
    "lpartitions": "partition",
    "groups": "logicalGroup",
    "volumes": "logicalVolume",
    "pools": "btrfsStoragePool",
    "subvolumes": "btrfsSubvolume",
}


class Table:
    """The partition table of an appliance, as a client sees it."""

    def __init__(self, client: httpx.Client, appliance: dict[str, Any]) -> None:
        self.client = client
        self.profile = appliance["installProfileUri"]
        self.uri = self.read()["uri"]

    def read(self) -> dict[str, Any]:
        table: dict[str, Any] = self.client.get(self.profile).json()["installProfile"]["partitionTable"]
        return table

    def post(self, path: str, status: int = 201, **fields: Any) -> dict[str, Any]:
        response = self.client.post(f"{self.uri}/{path}", json={_MESSAGES[path.rpartition("/")[2]]: fields})
        assert response.status_code == status, response.text
        (body,) = response.json().values()
        return dict(body)

    def add(self, path: str, **fields: Any) -> str:
        """Add a node; its address below the table."""
        return str(self.post(path, **fields)["uri"]).removeprefix(f"{self.uri}/")

    def refused(self, path: str, status: int = 400, **fields: Any) -> str:
        return str(self.post(path, status, **fields)["localizedErrorMsg"]["message"])


@pytest.fixture
def table(root: httpx.Client, make_appliance: Any) -> Table:
    return Table(root, make_appliance(profile=True))


def _installation(site: Site, table: Table) -> dict[str, Any]:
    number = int(table.profile.split("/")[3])
    with site.database.transaction(read_only=True) as session:
        row = session.get(tables.Appliance, number)
        assert row is not None
        return template_of(row, None).installation.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def test_a_whole_table_is_handed_to_generations(site: Site, table: Table) -> None:
    sda = table.add("disks", name="sda", size=10000)
    table.add(f"{sda}/partitions", fstype="ext4", size=500, mpoint="/boot")
    extended = table.add(f"{sda}/partitions", fstype="Extended", size=9000)
    swap = table.add(f"{extended}/lpartitions", fstype="linux-swap", size=500)
    physical = table.add(f"{extended}/lpartitions", fstype="lvm2", size=8000)
    sdb = table.add("disks", name="sdb", size=5000, partitionType="LVM")
    group = table.add("groups", name="vg", partitionUris={"uri": [f"{table.uri}/{physical}"]}, diskUri=sdb)
    table.add(
        "volumes",
        name="root",
        groupUri=f"{table.uri}/{group}",
        volumes={"volume": [{"fstype": "xfs", "size": 6000, "mpoint": "/", "growable": True, "label": "system"}]},
    )
    installation = _installation(site, table)
    assert installation["partitioning"]["disks"][0]["partitions"][1]["partitions"][0]["number"] == 5
    assert installation["partitioning"]["volumeGroups"] == [
        {"name": "vg", "physicalVolumes": [{"name": "sdb"}, {"name": "sda6"}]}
    ]
    (volume,) = installation["partitioning"]["logicalVolumes"]
    assert (volume["name"], volume["vg_name"], volume["mountPoint"], volume["grow"]) == ("root", "vg", "/", True)
    # What clients read they may send back, and change a little.
    profile = table.client.get(table.profile).json()["installProfile"]
    assert table.client.put(table.profile, json={"installProfile": profile}).status_code == 200
    assert _installation(site, table) == installation
    changed = table.client.put(f"{table.uri}/{swap}", json={"partition": {"size": 700}})
    assert (changed.json()["partition"]["size"], changed.json()["partition"]["fstype"]) == (700, "linux-swap")
    # What something consists of stays.
    for uri in (physical, sdb, extended):
        assert table.client.delete(f"{table.uri}/{uri}").status_code == 409
    assert table.client.delete(f"{table.uri}/{group}").status_code == 409
    assert table.client.delete(f"{table.uri}/volumes").status_code == 204
    assert table.client.delete(f"{table.uri}/{group}").status_code == 204
    assert table.client.delete(f"{table.uri}/{physical}").status_code == 204
    assert table.client.get(f"{table.uri}/{physical}").status_code == 404
    (listed,) = table.client.get(f"{table.uri}/{extended}/lpartitions").json()["partitions"]["partitions"]["partition"]
    assert listed["uri"] == f"{table.uri}/{swap}"
    assert table.client.delete(f"{table.uri}/disks").status_code == 204
    assert "partitioning" not in _installation(site, table)
    assert table.client.get(table.profile).json()["installProfile"]["partitionAuto"] is True


def test_what_can_never_be_is_refused(table: Table) -> None:
    sda = table.add("disks", name="sda", size=1000)
    assert "is there twice" in table.refused("disks", name="sda", size=1000)
    assert "has no size" in table.refused("disks", name="sdb")
    assert "take more than the 1000 MB" in table.refused(f"{sda}/partitions", fstype="ext4", size=2000, mpoint="/")
    assert "primary partitions are numbered 1 to 4" in table.refused(f"{sda}/partitions", name="7", fstype="ext4")
    plain = table.add(f"{sda}/partitions", fstype="ext4", size=900, mpoint="/")
    assert "is not Extended" in table.refused(f"{plain}/lpartitions", fstype="ext4", size=10)
    assert "sdx9 is no disk or partition" in table.refused("groups", name="vg", partitionUri="sdx9")
    assert "is in no volume group" in table.refused("volumes", name="lv", groupUri="nothing")
    assert table.client.get(f"{table.uri}/disks/999999").status_code == 404
    assert table.client.get(f"{table.profile}/pt/999999/disks").status_code == 404
    assert table.read()["disks"]["disk"][0]["partitions"]["partition"][0]["fstype"] == "ext4"


def test_what_is_incomplete_is_told_when_an_image_is_asked_for(table: Table) -> None:
    table.add("disks", name="sda", size=1000)
    images = table.profile.partition("/installProfile")[0] + "/images"
    refused = table.client.post(images, json={"image": {"targetFormat": {"name": "QCOW2"}}})
    assert refused.status_code == 400
    assert "nothing is mounted at /" in refused.json()["uforgeError"]["localizedErrorMsg"]["message"]
    pool = table.add("pools", label="pool", raidType="raid1")
    table.add("subvolumes", mpoint="/data", btrfsStoragePoolUri=f"{table.uri}/{pool}")
    refused = table.client.post(images, json={"image": {"targetFormat": {"name": "QCOW2"}}})
    assert "btrfs storage pools" in refused.json()["uforgeError"]["localizedErrorMsg"]["message"]
    assert table.client.get(f"{table.uri}/pools").json()["btrfsStoragePools"]["total"] == 1


def test_tables_speak_xml(site: Site, table: Table) -> None:
    with site.client(accept="application/xml") as xml:
        xml.headers["Content-Type"] = "application/xml"
        body = (
            '<u:disk xmlns:u="http://www.usharesoft.com/uforge"><name>sda</name><size>4000</size><partitions>'
            "<partition><fstype>ext4</fstype><mpoint>/</mpoint><name>1</name><size>3000</size></partition>"
            "</partitions></u:disk>"
        )
        made = xml.post(f"{table.uri}/disks", content=body.encode())
        assert made.status_code == 201, made.text
        uri = etree.fromstring(made.content).findtext("partitions/partition/uri")
        read = etree.fromstring(xml.get(str(uri)).content)
        assert read.tag == "{http://www.usharesoft.com/uforge}partition"
        assert read.findtext("mpoint") == "/"
        assert xml.delete(str(uri)).status_code == 204
    (disk,) = table.read()["disks"]["disk"]
    assert not disk.get("partitions", {}).get("partition")
