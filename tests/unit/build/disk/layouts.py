"""Layouts that the tests of disks share."""

import uuid
from pathlib import Path
from typing import Any

from ingot.build.disk.filesystems import Content
from ingot.build.disk.layout import MIB, Extent, Identities, Layout, Volume
from ingot.build.disk.plan import mount_points, plan
from ingot.build.distributions.architectures import X86_64
from ingot.build.template import Installation
from ingot.build.template_partitioning_rules import refuse_impossible

IDENTITIES = Identities.of_build("test")
EPOCH = 1_700_000_000


def laid_out(partitioning: dict[str, Any] | None, needs: dict[str, int] | None = None, **installation: Any) -> Layout:
    """The layout of a partitioning for content of `needs` MB at its mount points."""
    wanted = Installation.model_validate({**installation, "partitioning": partitioning})
    if wanted.partitioning is not None:
        refuse_impossible(wanted.partitioning)
    contents = {point: Content((needs or {}).get(point, 0) * MIB, 1) for point in mount_points(wanted)}
    return plan(wanted, contents, IDENTITIES, X86_64)


def volume(file: Path, fstype: str, megabytes: int, label: str = "data") -> Volume:
    """A volume of that size, and its empty file."""
    size = megabytes * MIB
    with file.open("wb") as content:
        content.truncate(size)
    identity = uuid.uuid5(uuid.NAMESPACE_OID, "volume")
    return Volume("sda1", fstype, identity, label, "/", (Extent(0, 0, size),), grows=False)
