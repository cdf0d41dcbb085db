"""Container images by the Open Container Initiative's rules, which Docker, Podman and skopeo load.

There are two layers: the distribution's, which is the same for all images of a distribution and profile, and what the
template makes of it. See the OCI image specification 1.0; `manifest.json` beside the index is for `docker load`.
"""

import datetime as dt
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ingot.build.distributions import find_distribution
from ingot.build.families import family_of
from ingot.build.formats.archive import Tar
from ingot.build.formats.base import Source
from ingot.build.formats.rootfs import Entry, TreeArchive, entries
from ingot.build.formats.stream import Gzip, gzipped, hashed
from ingot.build.tree.configure import TRANSIENT

_TYPE = "application/vnd.oci.image"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_WHITEOUT = ".wh."


@dataclass(frozen=True)
class _Layer:
    """A layer as a blob: `diff_id` is the hash of what it unpacks to."""

    file: Path
    digest: str
    diff_id: str
    size: int
    what: str


class _Hashing:
    """Passes on what is written, and hashes it before it is compressed."""

    def __init__(self, stream: Gzip) -> None:
        self._stream, self._hash = stream, hashlib.sha256()

    def write(self, content: bytes) -> None:
        self._hash.update(content)
        self._stream.write(content)

    def zeros(self, length: int) -> None:
        self.write(bytes(length))

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def repository_name(source: Source) -> str:
    """The image's name as registries allow it."""
    words = re.findall(r"[a-z0-9]+", source.template.name.lower())
    return "-".join(words) or "image"


def tag_name(source: Source) -> str:
    """The image's version as a tag."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", source.template.version).lstrip(".-")[:128] or "latest"


def write_oci(source: Source, output: Path) -> str:
    """Write an archive with an OCI layout."""
    layers = [_base_layer(source), _own_layer(source)]
    config = _json(_configuration(source, layers))
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_TYPE}.manifest.v1+json",
            "config": _descriptor(f"{_TYPE}.config.v1+json", config),
            "layers": [
                {"mediaType": f"{_TYPE}.layer.v1.tar+gzip", "digest": f"sha256:{layer.digest}", "size": layer.size}
                for layer in layers
            ],
        }
    )
    name = f"{repository_name(source)}:{tag_name(source)}"
    entry = {
        **_descriptor(f"{_TYPE}.manifest.v1+json", manifest),
        "platform": {"architecture": _architecture(source), "os": "linux"},
        "annotations": {"org.opencontainers.image.ref.name": tag_name(source), "io.containerd.image.name": name},
    }
    index = {"schemaVersion": 2, "mediaType": f"{_TYPE}.index.v1+json", "manifests": [entry]}
    blobs: dict[str, bytes | Path] = {hashlib.sha256(blob).hexdigest(): blob for blob in (config, manifest)}
    blobs |= {layer.digest: layer.file for layer in layers}
    for_docker = [
        {
            "Config": f"blobs/sha256/{hashlib.sha256(config).hexdigest()}",
            "RepoTags": [name],
            "Layers": [f"blobs/sha256/{layer.digest}" for layer in layers],
        }
    ]
    with hashed(output) as file:
        tar = Tar(file, source.epoch)
        tar.add("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        tar.add("index.json", _json(index))
        tar.add("manifest.json", _json(for_docker))
        for digest, blob in sorted(blobs.items()):
            if isinstance(blob, bytes):
                tar.add(f"blobs/sha256/{digest}", blob)
            else:
                tar.add_file(f"blobs/sha256/{digest}", blob)
                blob.unlink()
        tar.finish()
    return file.sha256


def _base_layer(source: Source) -> _Layer:
    """The layer of the distribution, without what belongs to one build."""
    system = source.template.os
    assert source.base is not None  # noqa: S101 - the engine gives both or none
    return _write_layer(
        source, source.base, list(_lasting(source)), [], f"{system.name} {system.version} {system.profile}"
    )


def _lasting(source: Source) -> list[Entry]:
    system = source.template.os
    family = family_of(find_distribution(system.name, system.version, system.arch))
    patterns = (*TRANSIENT, *family.transient)
    found: list[Entry] = []
    gone: str | None = None
    for entry in entries(source.base or Path()):
        if gone is not None and entry.path.startswith(gone):
            continue
        gone = None
        if not entry.is_directory and any(PurePosixPath(f"/{entry.path}").match(pattern) for pattern in patterns):
            continue
        found.append(entry)
    return found


def _own_layer(source: Source) -> _Layer:
    """What the tree has, and has not, beside the distribution's layer."""
    tree = source.files()
    before = {entry.path: entry for entry in _lasting(source)}
    changed = []
    for entry in entries(tree):
        old = before.pop(entry.path, None)
        if old is None or not _is_same(old, entry):
            changed.append(entry)
    # What is in a directory that went goes with it.
    removed = [path for path in sorted(before) if str(PurePosixPath(path).parent) not in before]
    template = source.template
    return _write_layer(source, tree, changed, removed, f"{template.name} {template.version}")


def _is_same(old: Entry, new: Entry) -> bool:
    one, other = old.status, new.status
    same = (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)
    if not same or old.is_directory:
        return same
    # What a build writes anew has another time, even where it is written back as it was.
    return (one.st_size, one.st_mtime_ns, one.st_rdev) == (other.st_size, other.st_mtime_ns, other.st_rdev)


def _write_layer(source: Source, tree: Path, found: list[Entry], removed: list[str], what: str) -> _Layer:
    file = source.work / f"layer-{hashlib.sha256(what.encode()).hexdigest()[:8]}-{tree.name}.tar.gz"
    with hashed(file) as target, gzipped(target) as stream:
        hashing = _Hashing(stream)
        archive = TreeArchive(hashing, source.epoch)
        for path in removed:
            place = PurePosixPath(path)
            archive.add_file(str(place.with_name(_WHITEOUT + place.name)), mode=0)
        for entry in found:
            archive.add(tree, entry)
        archive.finish()
    return _Layer(file, target.sha256, hashing.sha256, target.size, what)


def _configuration(source: Source, layers: list[_Layer]) -> dict[str, Any]:
    created = dt.datetime.fromtimestamp(source.epoch, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    command: dict[str, Any] = {"Env": [_PATH]}
    if source.options.entrypoint:
        command["Entrypoint"] = list(source.options.entrypoint)
    else:
        command["Cmd"] = ["/bin/bash"]
    template = source.template
    command["Labels"] = {
        "org.opencontainers.image.title": template.name,
        "org.opencontainers.image.version": template.version,
    }
    return {
        "created": created,
        "architecture": _architecture(source),
        "os": "linux",
        "config": command,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.diff_id}" for layer in layers]},
        "history": [{"created": created, "created_by": "ingot", "comment": layer.what} for layer in layers],
    }


def _architecture(source: Source) -> str:
    arch = source.template.os.arch
    return _ARCHITECTURES.get(arch, arch)


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "size": len(content),
    }


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
