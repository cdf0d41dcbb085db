"""How the disks of a machine are divided."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ingot.messages.base import Int, Items, Long, UForgeObject, UForgeObjects, UriList

PartitionFstype = Literal[
    "btrfs",
    "ext2",
    "ext3",
    "ext4",
    "Extended",
    "fat16",
    "fat32",
    "jfs",
    "linux-swap",
    "lvm2",
    "ntfs",
    "unformatted",
    "xfs",
    "reserved",
]
DiskName = Literal["sda", "sdb", "sdc", "sdd", "sde", "sdf"]
DiskPartitionType = Literal["LVM", "MSDOS"]
BtrfsStoragePoolRaidType = Literal["dup", "single", "raid0", "raid1", "raid5", "raid6", "raid10"]
BtrfsSubvolumeCompressType = Literal["no", "lzo", "zlib"]


class Partition(UForgeObject):
    """A partition; `size` is MB."""

    ELEMENT: ClassVar[str | None] = "partition"

    default_subvolume: bool | None = None
    dump_location: str | None = None
    fstype: PartitionFstype | None = None
    growable: bool | None = None
    label: str | None = None
    logical_partitions: Annotated[list["Partition"] | None, Items("logicalPartition")] = None
    logical_partitions_uri: str | None = None
    logical_partition_uris: UriList | None = None
    mpoint: str | None = None
    name: str | None = None
    parent_uri: str | None = None
    partition_table_uri: str | None = None
    size: Long | None = None
    uri: str | None = None
    volume_order: Int | None = None
    mbr_boot: bool | None = None


class Disk(UForgeObject):
    """A disk; `size` is MB."""

    ELEMENT: ClassVar[str | None] = "disk"

    block_size: Int | None = None
    name: DiskName | None = None
    partitions: Annotated[list[Partition] | None, Items("partition")] = None
    partitions_uri: str | None = None
    partition_table_uri: str | None = None
    partition_type: DiskPartitionType | None = None
    partition_uris: UriList | None = None
    size: Long | None = None
    uri: str | None = None


class LogicalGroup(UForgeObject):
    """An LVM volume group."""

    ELEMENT: ClassVar[str | None] = "logicalGroup"

    disk_uri: str | None = None
    disk_uris: UriList | None = None
    group_name: str | None = None
    name: str | None = None
    partition_table_uri: str | None = None
    partition_uri: str | None = None
    partition_uris: UriList | None = None
    uri: str | None = None


class LogicalVolume(UForgeObject):
    """An LVM logical volume."""

    ELEMENT: ClassVar[str | None] = "logicalVolume"

    group_uri: str | None = None
    name: str | None = None
    partition_table_uri: str | None = None
    uri: str | None = None
    volumes: Annotated[list[Partition] | None, Items("volume")] = None
    volumes_uri: str | None = None
    volume_uris: UriList | None = None


class BtrfsStoragePool(UForgeObject):
    """A btrfs file system over several devices."""

    ELEMENT: ClassVar[str | None] = "btrfsStoragePool"

    data_raid: str | None = None
    label: str | None = None
    metadata_raid: str | None = None
    partition_table_uri: str | None = None
    partitions_uri: str | None = None
    partition_uris: UriList | None = None
    raid_type: BtrfsStoragePoolRaidType | None = None
    uri: str | None = None


class BtrfsSubvolume(UForgeObject):
    """A btrfs subvolume."""

    ELEMENT: ClassVar[str | None] = "btrfsSubvolume"

    btrfs_storage_pool_uri: str | None = None
    compress: str | None = None
    compress_type: BtrfsSubvolumeCompressType | None = None
    mpoint: str | None = None
    partition_table_uri: str | None = None
    uri: str | None = None
    subvolumes: Annotated[list[Partition] | None, Items("subvolume")] = None
    subvolumes_uri: str | None = None
    subvolume_uris: UriList | None = None


class PartitionTable(UForgeObject):
    """All disks of a machine."""

    ELEMENT: ClassVar[str | None] = "partitionTable"

    btrfs_storage_pools: Annotated[list[BtrfsStoragePool] | None, Items("btrfsStoragePool")] = None
    btrfs_storage_pools_uri: str | None = None
    btrfs_storage_pool_uris: UriList | None = None
    btrfs_subvolumes: Annotated[list[BtrfsSubvolume] | None, Items("btrfsSubvolume")] = None
    btrfs_subvolumes_uri: str | None = None
    btrfs_subvolume_uris: UriList | None = None
    disks: Annotated[list[Disk] | None, Items("disk")] = None
    disks_uri: str | None = None
    disk_uris: UriList | None = None
    parent_uri: str | None = None
    logical_groups: Annotated[list[LogicalGroup] | None, Items("logicalGroup")] = None
    logical_groups_uri: str | None = None
    logical_group_uris: UriList | None = None
    logical_volumes: Annotated[list[LogicalVolume] | None, Items("logicalVolume")] = None
    logical_volumes_uri: str | None = None
    logical_volume_uris: UriList | None = None
    uri: str | None = None


class Disks(UForgeObjects):
    """The disks of a partition table."""

    ELEMENT: ClassVar[str | None] = "disks"

    disks: Annotated[list[Disk], Items("disk")] = Field(default_factory=list)


class Partitions(UForgeObjects):
    """Partitions, of a disk or inside an extended one."""

    ELEMENT: ClassVar[str | None] = "partitions"

    partitions: Annotated[list[Partition], Items("partition")] = Field(default_factory=list)


class LogicalGroups(UForgeObjects):
    """LVM volume groups."""

    ELEMENT: ClassVar[str | None] = "logicalGroups"

    logical_groups: Annotated[list[LogicalGroup], Items("logicalGroup")] = Field(default_factory=list)


class LogicalVolumes(UForgeObjects):
    """LVM logical volumes."""

    ELEMENT: ClassVar[str | None] = "logicalVolumes"

    logical_volumes: Annotated[list[LogicalVolume], Items("logicalVolume")] = Field(default_factory=list)


class BtrfsStoragePools(UForgeObjects):
    """File systems of btrfs."""

    ELEMENT: ClassVar[str | None] = "btrfsStoragePools"

    btrfs_storage_pools: Annotated[list[BtrfsStoragePool], Items("btrfsStoragePool")] = Field(default_factory=list)


class BtrfsSubvolumes(UForgeObjects):
    """Subvolumes of btrfs."""

    ELEMENT: ClassVar[str | None] = "btrfsSubvolumes"

    btrfs_subvolumes: Annotated[list[BtrfsSubvolume], Items("btrfsSubvolume")] = Field(default_factory=list)
