"""Partition tables of appliances: part of their install profiles, changed disk by disk, checked as a whole.

A table that is being made may be incomplete: what can never become right is refused at once, and what cannot be built
when an image is asked for. What a volume group consists of and what group a volume is in is kept as an address below
the table (`disks/3/partitions/4`, `groups/7`); it may come as a whole address or as a name (`sda5`).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeVar

from ingot.build.errors import BuildError
from ingot.build.template import Partitioning
from ingot.build.template_partitioning_rules import refuse_impossible
from ingot.messages.base import UForgeObject, UriList
from ingot.messages.install_profile import InstallProfile as ProfileMessage
from ingot.messages.partition_table import (
    BtrfsStoragePool,
    BtrfsSubvolume,
    Disk,
    LogicalGroup,
    LogicalVolume,
    Partition,
    PartitionTable,
)
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.tables import InstallProfile

Attribute = Literal[
    "disks",
    "partitions",
    "logical_partitions",
    "logical_groups",
    "logical_volumes",
    "btrfs_storage_pools",
    "btrfs_subvolumes",
]
Parents = Sequence[tuple[Attribute, int]]
Node = Disk | Partition | LogicalGroup | LogicalVolume | BtrfsStoragePool | BtrfsSubvolume
_N = TypeVar("_N", bound=UForgeObject)
_CHILDREN: dict[type, tuple[str, ...]] = {
    PartitionTable: ("disks", "logical_groups", "logical_volumes", "btrfs_storage_pools", "btrfs_subvolumes"),
    Disk: ("partitions",),
    Partition: ("logical_partitions",),
    LogicalVolume: ("volumes",),
    BtrfsSubvolume: ("subvolumes",),
}
_WORDS = {
    "disks": "disk",
    "partitions": "partition",
    "logical_partitions": "logical partition",
    "logical_groups": "logical group",
    "logical_volumes": "logical volume",
    "btrfs_storage_pools": "btrfs storage pool",
    "btrfs_subvolumes": "btrfs subvolume",
}
_ADDRESS = re.compile(r"(?:^|/)((?:disks|groups|volumes|pools)/\d+(?:/partitions/\d+(?:/lpartitions/\d+)?)?)$")
_MOST_NODES = 500
_MOST_PRIMARY, _FIRST_LOGICAL = 4, 5


def children(node: UForgeObject, attribute: str) -> list[Any]:
    """What lies inside of a node; none is an empty list."""
    return list(getattr(node, attribute) or [])


def find(table: PartitionTable, path: Parents) -> Any:
    """The node that a path leads to; the table itself for an empty one."""
    node: UForgeObject = table
    for attribute, node_id in path:
        inside = {child.db_id: child for child in children(node, attribute)}
        if node_id not in inside:
            raise NotFoundError(f"There is no {_WORDS[attribute]} {node_id}.", str(node_id))
        node = inside[node_id]
    return node


def put(table: PartitionTable, parents: Parents, attribute: Attribute, item: Node, item_id: int | None) -> None:
    """Add an item, or change the one of `item_id`: what is not given stays."""
    parent = find(table, parents)
    inside = children(parent, attribute)
    if item_id is None:
        inside.append(_new(item, inside, logical=attribute == "logical_partitions"))
    else:
        before = find(table, [*parents, (attribute, item_id)])
        given = {name: getattr(item, name) for name in item.model_fields_set if getattr(item, name) is not None}
        changed = before.model_copy(update={**given, "db_id": item_id})
        inside = [changed if child.db_id == item_id else child for child in inside]
    setattr(parent, attribute, inside)


def _new(item: Node, beside: Sequence[Any], *, logical: bool) -> Node:
    """An item to be added; what it may leave open is filled in."""
    changes: dict[str, Any] = {"db_id": None}
    if isinstance(item, Disk) and item.partition_type is None:
        changes["partition_type"] = "MSDOS"
    if isinstance(item, Partition) and not item.name:
        taken = {_number(one) for one in beside}
        first = _FIRST_LOGICAL if logical else 1
        changes["name"] = str(next(number for number in range(first, 1000) if number not in taken))
    return item.model_copy(update=changes)


def remove(table: PartitionTable, parents: Parents, attribute: Attribute, item_id: int | None) -> None:
    """Remove the item of an id, or all (None). Refuses to remove what something else consists of."""
    parent = find(table, parents)
    gone = children(parent, attribute) if item_id is None else [find(table, [*parents, (attribute, item_id)])]
    ids = {node.db_id for one in gone for node in _walk(one)}
    setattr(parent, attribute, [child for child in children(parent, attribute) if child not in gone])
    for group in table.logical_groups or []:
        if any(int(number) in ids for uri in _uris(group) for number in re.findall(r"\d+", uri)):
            raise ConflictError(f"The volume group {_group_name(group)} consists of it: change or remove that first.")
    for volume in table.logical_volumes or []:
        if attribute == "logical_groups" and int((volume.group_uri or "0").rpartition("/")[2]) in ids:
            raise ConflictError(f"The logical volume {volume.name} is in it: remove that first.")


def checked(table: PartitionTable, before: PartitionTable | None, profile: InstallProfile) -> PartitionTable:
    """The table as it is kept: everything in it has its id, and names what it consists of by its address.

    Raises InvalidError with every mistake.
    """
    known = {node.db_id for node in _walk(before)} if before is not None else set()
    numbered = _numbered(table, known, profile)
    if sum(1 for _ in _walk(numbered)) > _MOST_NODES:
        raise InvalidError(f"The partition table has more than {_MOST_NODES} disks, partitions and volumes.")
    addresses = _addresses(numbered)
    mistakes = [*_disks(numbered), *_references(numbered, addresses)]
    if mistakes:
        raise InvalidError(" ".join(mistakes[:20]), message_id="ERROR.PARTITIONTABLE.INVALID")
    return numbered


def partitioning_of(profile: ProfileMessage) -> dict[str, Any] | None:
    """The template's partitioning, or None when it is automatic. Raises InvalidError when it cannot be built."""
    table = profile.partition_table
    if profile.partition_auto is not False:
        return None
    if table is None or not table.disks:
        raise InvalidError("The partitioning is not automatic and there is no disk: add sda to the partition table.")
    if table.btrfs_storage_pools or table.btrfs_subvolumes:
        raise InvalidError("btrfs storage pools and subvolumes cannot be built: use partitions and volumes of btrfs.")
    names = {address: name for name, address in _addresses(table).items()}
    document = {
        "disks": [
            {
                "name": disk.name,
                "type": disk.partition_type or "gpt",  # which the API has no word for
                "size": disk.size or 0,
                "partitions": [_partition_document(one) for one in disk.partitions or []],
            }
            for disk in table.disks
        ],
        "volumeGroups": [
            {"name": _group_name(group), "physicalVolumes": [names[uri] for uri in _uris(group)]}
            for group in table.logical_groups or []
        ],
        "logicalVolumes": [
            {
                "name": one.name or volume.name,
                "vg_name": names.get(volume.group_uri or "", ""),
                **_volume_document(one),
            }
            for volume in table.logical_volumes or []
            for one in volume.volumes or []
        ],
    }
    partitioning = Partitioning.model_validate(document)
    _refuse_impossible(partitioning)
    return partitioning.model_dump(mode="json", by_alias=True)


def table_of(partitioning: Partitioning) -> PartitionTable:
    """The partition table that a template's partitioning says; not yet `checked`.

    Raises InvalidError when it cannot be built.
    """
    _refuse_impossible(partitioning)
    return PartitionTable(
        disks=[
            Disk.model_validate(
                {
                    "name": disk.name,
                    "partition_type": {"lvm": "LVM", "msdos": "MSDOS"}.get(disk.type),
                    "size": disk.size,
                    "partitions": [_partition_message(partition) for partition in disk.partitions],
                }
            )
            for disk in partitioning.disks
        ],
        logical_groups=[
            LogicalGroup(
                name=group.name, partition_uris=UriList(uri=[volume.name for volume in group.physical_volumes])
            )
            for group in partitioning.volume_groups
        ],
        logical_volumes=[
            LogicalVolume(
                name=volume.name,
                group_uri=volume.vg_name,
                volumes=[
                    Partition.model_validate({"name": volume.name, **_volume_message(volume)}),
                ],
            )
            for volume in partitioning.logical_volumes
        ],
    )


def _refuse_impossible(partitioning: Partitioning) -> None:
    try:
        refuse_impossible(partitioning)
    except BuildError as error:
        raise InvalidError(error.message, message_id="ERROR.PARTITIONTABLE.INVALID") from error


def _walk(node: UForgeObject) -> Iterator[UForgeObject]:
    yield node
    for attribute in _CHILDREN.get(type(node), ()):
        for child in children(node, attribute):
            yield from _walk(child)


def _numbered(node: _N, known: set[int | None], profile: InstallProfile) -> _N:
    """The node and all inside with ids: those that were known keep theirs, once."""
    changes: dict[str, Any] = {}
    if not isinstance(node, PartitionTable):
        if node.db_id is not None and node.db_id in known:
            known.discard(node.db_id)
        else:
            changes["db_id"] = profile.next_id
            profile.next_id += 1
    for attribute in _CHILDREN.get(type(node), ()):
        if inside := children(node, attribute):
            changes[attribute] = [_numbered(child, known, profile) for child in inside]
    return node.model_copy(update=changes)


def _addresses(table: PartitionTable) -> dict[str, str]:
    """{name that a template has for it: address below the table}, of disks, partitions and groups."""
    found: dict[str, str] = {}
    for disk in table.disks or []:
        found[str(disk.name)] = f"disks/{disk.db_id}"
        for partition in disk.partitions or []:
            place = f"disks/{disk.db_id}/partitions/{partition.db_id}"
            found[f"{disk.name}{_number(partition)}"] = place
            for inner in partition.logical_partitions or []:
                found[f"{disk.name}{_number(inner)}"] = f"{place}/lpartitions/{inner.db_id}"
    return {**found, **{_group_name(group): f"groups/{group.db_id}" for group in table.logical_groups or []}}


def _number(partition: Partition) -> int:
    match = re.search(r"(\d{1,4})$", partition.name or "")
    return int(match[1]) if match else 0


def _group_name(group: LogicalGroup) -> str:
    return group.name or group.group_name or ""


def _uris(group: LogicalGroup) -> list[str]:
    singles = [uri for uri in (group.disk_uri, group.partition_uri) if uri]
    lists = [uri for uris in (group.disk_uris, group.partition_uris) if uris for uri in uris.uri]
    return list(dict.fromkeys([*singles, *lists]))


def _disks(table: PartitionTable) -> Iterator[str]:
    seen: set[str] = set()
    for disk in table.disks or []:
        if not disk.name or disk.name in seen:
            yield f"The disk {disk.name or 'without a name'} is there twice: they are sda, sdb and so on, each once."
        seen.add(str(disk.name))
        if not disk.size or disk.size < 0:
            yield f"The disk {disk.name} has no size: give it in MB."
        partitions = disk.partitions or []
        if disk.partition_type == "LVM" and partitions:
            yield f"The disk {disk.name} is of type LVM and has no partitions: make it MSDOS first."
        yield from _partitions(disk, partitions, disk.size or 0, logical=False)
        if sum(1 for one in partitions if one.fstype == "Extended") > 1:
            yield f"The disk {disk.name} has two extended partitions; one is possible."
        for partition in partitions:
            inner = partition.logical_partitions or []
            if inner and partition.fstype != "Extended":
                yield f"The partition {disk.name}{_number(partition)} is not Extended: nothing can lie inside."
            yield from _partitions(disk, inner, partition.size or 0, logical=True)


def _partitions(disk: Disk, partitions: Sequence[Partition], size: int, *, logical: bool) -> Iterator[str]:
    numbers = [_number(partition) for partition in partitions]
    for partition, number in zip(partitions, numbers, strict=True):
        shown = f"{disk.name}{number or ''}"
        if not number or numbers.count(number) > 1:
            yield f"The partition {partition.name!r} of {disk.name} needs a number of its own: name it 1, 2 and so on."
        elif disk.partition_type is not None and logical != (number >= _FIRST_LOGICAL):
            most = f"from {_FIRST_LOGICAL} on" if logical else f"1 to {_MOST_PRIMARY}"
            yield f"{shown}: {'logical' if logical else 'primary'} partitions are numbered {most}."
        if not partition.fstype:
            yield f"The partition {shown} has no fstype."
        if (partition.size or 0) < 0:
            yield f"The partition {shown} has a size of {partition.size} MB."
    if sum(partition.size or 0 for partition in partitions) > size > 0:
        yield f"The partitions of {disk.name} take more than the {size} MB that there are."


def _references(table: PartitionTable, addresses: dict[str, str]) -> Iterator[str]:
    """What names nothing; what names something is replaced by its address."""
    known = set(addresses.values())

    def resolved(text: str) -> str | None:
        match = _ADDRESS.search(text)
        address = match[1] if match else addresses.get(text, "")
        return address if address in known else None

    for group in table.logical_groups or []:
        if not _group_name(group):
            yield "A volume group has no name."
        found = {uri: resolved(uri) for uri in _uris(group)}
        yield from (
            f"{uri} is no disk or partition for volume group {_group_name(group)}." for uri in found if not found[uri]
        )
        places = [address for address in found.values() if address]
        # All in one list: their order is the group's.
        group.disk_uri = group.partition_uri = group.disk_uris = None
        group.partition_uris = UriList(uri=places)
    for volume in table.logical_volumes or []:
        address = resolved(volume.group_uri or "")
        if address is None or not address.startswith("groups/"):
            yield f"The logical volume {volume.name} is in no volume group: groupUri is {volume.group_uri!r}."
        volume.group_uri = address


def _volume_document(volume: Partition) -> dict[str, Any]:
    return {
        "fstype": volume.fstype,
        "size": volume.size or 0,
        "mountPoint": volume.mpoint or None,
        "grow": bool(volume.growable),
        "label": volume.label or None,
    }


def _partition_document(partition: Partition) -> dict[str, Any]:
    inner = [_partition_document(one) for one in partition.logical_partitions or []]
    return {"number": _number(partition), **_volume_document(partition), "partitions": inner}


def _volume_message(volume: Any) -> dict[str, Any]:
    names = {"extended": "Extended"}
    return {
        "fstype": names.get(volume.fstype, volume.fstype),
        "size": volume.size,
        "mpoint": volume.mount_point,
        "growable": volume.grow,
        "label": volume.label,
    }


def _partition_message(partition: Any) -> dict[str, Any]:
    inner = [_partition_message(one) for one in partition.partitions]
    return {"name": str(partition.number), **_volume_message(partition), "logical_partitions": inner or None}
