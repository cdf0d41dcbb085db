"""Partition tables, with the addresses of all that is in them."""

from typing import Any

from ingot.api.representations.uris import install_profile_uri
from ingot.messages.base import UForgeObject, UriList
from ingot.messages.install_profile import InstallProfile
from ingot.messages.partition_table import Disk, LogicalGroup, LogicalVolume, Partition, PartitionTable
from ingot.services import install_profiles
from ingot.store import tables

#: {attribute that holds nodes: the step of their addresses}
STEPS = {
    "disks": "disks",
    "partitions": "partitions",
    "logical_partitions": "lpartitions",
    "logical_groups": "groups",
    "logical_volumes": "volumes",
    "btrfs_storage_pools": "pools",
    "btrfs_subvolumes": "subvolumes",
}


def table_uri(row: tables.Appliance) -> str:
    """The address of an appliance's partition table."""
    return f"{install_profile_uri(row)}/pt/{row.install_profile.id}"


def partition_table(row: tables.Appliance) -> PartitionTable:
    """The partition table of an appliance: what was made, or what automatic partitioning comes to, for clients that
    read the disk's size there."""
    profile, base = install_profiles.message_of(row.install_profile), table_uri(row)
    table = profile.partition_table
    if table is None or profile.partition_auto is not False:
        table = _automatic(profile)
    shown: PartitionTable = _with_addresses(table, base, base)
    shown.parent_uri, shown.uri, shown.db_id = install_profile_uri(row), base, row.install_profile.id
    for group in shown.logical_groups or []:
        uris = group.partition_uris.uri if group.partition_uris else []
        group.disk_uris = UriList(uri=[f"{base}/{uri}" for uri in uris if "/partitions/" not in uri])
        group.partition_uris = UriList(uri=[f"{base}/{uri}" for uri in uris if "/partitions/" in uri])
    for volume in shown.logical_volumes or []:
        volume.group_uri = f"{base}/{volume.group_uri}" if volume.group_uri else None
    return shown


def _with_addresses(node: Any, table: str, own: str) -> Any:
    changes: dict[str, Any] = {}
    for attribute, step in STEPS.items():
        inside: list[UForgeObject] | None = getattr(node, attribute, None)
        # Of what has no node of its own in the API, volumes inside a logical volume, there is no address.
        if attribute in type(node).model_fields:
            changes[f"{attribute}_uri"] = f"{own}/{step}"
        if inside:
            changes[attribute] = [_with_addresses(child, table, f"{own}/{step}/{child.db_id}") for child in inside]
    if isinstance(node, Disk | Partition | LogicalGroup | LogicalVolume):
        changes["partition_table_uri"] = table
    if isinstance(node, Partition):
        changes["parent_uri"] = own.rpartition("/")[0].rpartition("/")[0]
        if node.fstype != "Extended":
            changes.pop("logical_partitions_uri", None)
    changes["uri"] = own
    known = type(node).model_fields
    copied = node.model_copy(update={name: value for name, value in changes.items() if name in known}, deep=True)
    for attribute in STEPS:
        if f"{attribute[:-1]}_uris" in known and (inside := getattr(copied, attribute, None)):
            setattr(copied, f"{attribute[:-1]}_uris", UriList(uri=[child.uri or "" for child in inside]))
    return copied


def _automatic(profile: InstallProfile) -> PartitionTable:
    partitions = [Partition(name="1", db_id=2, fstype="ext4", mpoint="/", size=64, growable=True)]
    if profile.swap_size:
        swap = Partition(name="2", db_id=3, fstype="linux-swap", size=profile.swap_size, growable=False)
        partitions.append(swap)
    disk = Disk(name="sda", db_id=1, partition_type="MSDOS", size=profile.disk_size or 0, partitions=partitions)
    return PartitionTable(disks=[disk])
