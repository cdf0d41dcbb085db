"""What is known of a cached disk: its record beside it, and compressed clusters of the disks that are most like it.

Those are the disks of machines that begin with the same packages and have the same file systems: the first of them
that is written as qcow2 leaves its clusters in the cache.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingot.build.cache import Cache, entry_key
from ingot.build.formats.clusters import CODEC, Known, Packed, pack, record
from ingot.build.manifest import Manifest, layer_description
from ingot.build.soundness import RECORD


def write_record(raw: Path) -> None:
    """Note beside a finished raw disk what is in it."""
    _record(raw).write_bytes(record(raw))


@contextmanager
def look(cache: Cache, manifest: Manifest, raw: Path, on_progress: Callable[[float], None]) -> Iterator[Known]:
    """What is known of a raw disk of the cache; `on_progress` gets the part done where clusters are compressed now."""
    content = _record(raw).read_bytes()
    system = manifest.template.os
    title = f"{system.name} {system.version} {system.profile}"

    def make(place: Path) -> None:
        pack(raw, content, place, on_progress)

    with cache.entry("clusters", title, _description(manifest, raw), make) as place, Packed(place) as packed:
        yield Known(content, packed)


def _record(raw: Path) -> Path:
    return raw.with_name(f"{raw.name}.{RECORD}")


def _description(manifest: Manifest, raw: Path) -> dict[str, Any]:
    partitioning = manifest.template.installation.partitioning
    volumes = partitioning.volumes() if partitioning else []
    return {
        "engine": manifest.engine,
        "codec": CODEC,
        "base": entry_key(layer_description(manifest, manifest.base_packages(), None)),
        "disk": raw.name,
        "fileSystems": sorted(f"{volume.mount_point}: {volume.fstype}" for volume in volumes),
    }
