"""Partition tables of appliances: disks, partitions, volume groups and volumes, each with the same six operations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ingot.api.listing import QUERY_PARAMETERS
from ingot.api.operation import Call, Chapter
from ingot.api.operations.applianceinstallprofile import appliance_of
from ingot.api.representations.partition_tables import STEPS, partition_table
from ingot.messages import partition_table as messages
from ingot.messages.base import Message, UForgeObjects
from ingot.services import install_profiles, partition_tables
from ingot.services.errors import NotFoundError
from ingot.services.partition_tables import Attribute, Node
from ingot.store import tables

_DESIGN = ("appliance_create",)
_TABLE = "/users/{uid}/appliances/{aid}/installProfile/{ipid}/pt/{ptid}"
_btrfs = Chapter("appliancepartitiontable")
_disks = Chapter("appliancepartitiontabledisk")
_partitions = Chapter("appliancepartitiontablediskpartition")
_groups = Chapter("appliancepartitiontablelogicalgroup")
_volumes = Chapter("appliancepartitiontablelogicalvolume")
CHAPTERS = (_btrfs, _disks, _partitions, _groups, _volumes)


@dataclass(frozen=True)
class _Kind:
    """A kind of node: `parents` are the kinds that it lies in, with the parameters of the path that name them."""

    chapter: Chapter
    name: str
    words: str
    attribute: Attribute
    parameter: str
    message: type[Any]
    listed: type[Any]
    query: tuple[str, ...]
    parents: Sequence[tuple[Attribute, str]] = ()

    @property
    def path(self) -> str:
        """The path of all of the kind."""
        steps = [f"{STEPS[attribute]}/{{{parameter}}}" for attribute, parameter in self.parents]
        return "/".join([_TABLE, *steps, STEPS[self.attribute]])


_DISK: tuple[Attribute, str] = ("disks", "did")
_PARTITION: tuple[Attribute, str] = ("partitions", "pid")
_KINDS = (
    _Kind(_disks, "Disk", "disk", "disks", "did", messages.Disk, messages.Disks, QUERY_PARAMETERS),
    _Kind(
        _partitions,
        "DiskPartition",
        "partition",
        "partitions",
        "pid",
        messages.Partition,
        messages.Partitions,
        QUERY_PARAMETERS,
        (_DISK,),
    ),
    _Kind(
        _partitions,
        "DiskLogicalPartition",
        "partition inside an extended one",
        "logical_partitions",
        "lpid",
        messages.Partition,
        messages.Partitions,
        QUERY_PARAMETERS,
        (_DISK, _PARTITION),
    ),
    _Kind(
        _groups,
        "LogicalGroup",
        "volume group",
        "logical_groups",
        "gid",
        messages.LogicalGroup,
        messages.LogicalGroups,
        ("name",),
    ),
    _Kind(
        _volumes,
        "LogicalVolume",
        "logical volume",
        "logical_volumes",
        "vid",
        messages.LogicalVolume,
        messages.LogicalVolumes,
        ("name",),
    ),
    _Kind(
        _btrfs,
        "BtrfsStoragePool",
        "btrfs storage pool",
        "btrfs_storage_pools",
        "plid",
        messages.BtrfsStoragePool,
        messages.BtrfsStoragePools,
        ("name",),
    ),
    _Kind(
        _btrfs,
        "BtrfsSubvolume",
        "btrfs subvolume",
        "btrfs_subvolumes",
        "svid",
        messages.BtrfsSubvolume,
        messages.BtrfsSubvolumes,
        ("name",),
    ),
)


def _appliance(call: Call) -> tables.Appliance:
    row = appliance_of(call)
    if row.install_profile.id != call.number("ptid"):
        raise NotFoundError(f"Appliance {row.name} has no partition table {call.number('ptid')}.")
    return row


def _parents(call: Call, kind: _Kind) -> list[tuple[Attribute, int]]:
    return [(attribute, call.number(parameter)) for attribute, parameter in kind.parents]


def _shown(row: tables.Appliance, parents: Sequence[tuple[Attribute, int]], kind: _Kind) -> list[Node]:
    """All of a kind in one place, with their addresses."""
    nodes: list[Node] = partition_tables.children(partition_tables.find(partition_table(row), parents), kind.attribute)
    return nodes


def _declare(kind: _Kind) -> None:
    chapter, name, path = kind.chapter, f"partitionTable{kind.name}", kind.path
    one = f"{path}/{{{kind.parameter}}}"

    def create(call: Call) -> Message:
        row, parents, item = _appliance(call), _parents(call, kind), call.body(kind.message)
        install_profiles.change_partitions(
            call.session, row, lambda table: partition_tables.put(table, parents, kind.attribute, item, None)
        )
        return _shown(row, parents, kind)[-1]

    def get_all(call: Call) -> Message:
        row = _appliance(call)
        nodes = _shown(row, _parents(call, kind), kind)
        if wanted := call.query.get("name"):
            nodes = [node for node in nodes if getattr(node, "name", None) == wanted]
        listed: UForgeObjects = kind.listed(total=len(nodes), **{next(reversed(kind.listed.model_fields)): nodes})
        return listed

    def get(call: Call) -> Message:
        path = [*_parents(call, kind), (kind.attribute, call.number(kind.parameter))]
        node: Node = partition_tables.find(partition_table(_appliance(call)), path)
        return node

    def update(call: Call) -> Message:
        row, parents, item = _appliance(call), _parents(call, kind), call.body(kind.message)
        item_id = call.number(kind.parameter)
        install_profiles.change_partitions(
            call.session, row, lambda table: partition_tables.put(table, parents, kind.attribute, item, item_id)
        )
        node: Node = partition_tables.find(partition_table(row), [*parents, (kind.attribute, item_id)])
        return node

    def delete(call: Call) -> None:
        row, parents, item_id = _appliance(call), _parents(call, kind), call.number(kind.parameter)
        install_profiles.change_partitions(
            call.session, row, lambda table: partition_tables.remove(table, parents, kind.attribute, item_id)
        )

    def delete_all(call: Call) -> None:
        row, parents = _appliance(call), _parents(call, kind)
        install_profiles.change_partitions(
            call.session, row, lambda table: partition_tables.remove(table, parents, kind.attribute, None)
        )

    words = kind.words
    for handler, text in (
        (create, f"Add a {words}."),
        (get_all, f"Every {words}."),
        (get, f"A {words}."),
        (update, f"Change a {words}; what is not given stays."),
        (delete, f"Remove a {words}."),
        (delete_all, f"Remove every {words}."),
    ):
        handler.__doc__ = text
    message, listed = kind.message, kind.listed
    chapter.operation(f"{name}_create", "POST", path, entitlements=_DESIGN, body=message, answer=message, status=201)(
        create
    )
    chapter.operation(f"{name}_getAll", "GET", path, entitlements=_DESIGN, answer=listed, query=kind.query)(get_all)
    chapter.operation(f"{name}_get", "GET", one, entitlements=_DESIGN, answer=message)(get)
    chapter.operation(f"{name}_update", "PUT", one, entitlements=_DESIGN, body=message, answer=message)(update)
    chapter.operation(f"{name}_delete", "DELETE", one, entitlements=_DESIGN, status=204)(delete)
    chapter.operation(f"{name}_deleteAll", "DELETE", path, entitlements=_DESIGN, status=204)(delete_all)


for _kind in _KINDS:
    _declare(_kind)
