"""How an image came about: an in-toto statement with SLSA's provenance, version 1."""

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingot import __version__
from ingot.build.evidence.component import package_url
from ingot.build.evidence.record import CYCLONEDX, MANIFEST, PROVENANCE, SPDX, TIMINGS
from ingot.build.manifest import Manifest

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
#: What the build's parameters mean: docs/reference/provenance.md.
BUILD_TYPE = "urn:ingot:build:image:1"


def write_provenance(
    directory: Path, *, builder: str, invocation: str, subjects: Mapping[str, str], parameters: Mapping[str, Any]
) -> None:
    """State in a record's directory how files came about, from what else is there.

    `subjects` are the files' names with their SHA-256. `builder` is a URI that names who built, `invocation` the
    build, `parameters` what it was asked for beside the template.
    """
    document = json.loads((directory / MANIFEST).read_bytes())
    manifest = Manifest.from_document(document)
    timings = json.loads((directory / TIMINGS).read_bytes())
    template = _without_secrets(document["template"])
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in subjects.items()],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"template": template, **parameters},
                "internalParameters": {"engine": manifest.engine, "epoch": manifest.epoch},
                "resolvedDependencies": list(_materials(manifest)),
            },
            "runDetails": {
                "builder": {
                    "id": builder,
                    "version": {"ingot": __version__, "python": platform.python_version()},
                },
                "metadata": {
                    "invocationId": invocation,
                    "startedOn": timings["startedOn"],
                    "finishedOn": timings["finishedOn"],
                },
                "byproducts": [
                    {"name": name, "digest": {"sha256": _digest(directory / name)}}
                    for name in (MANIFEST, SPDX, CYCLONEDX)
                    if (directory / name).exists()
                ],
            },
        },
    }
    text = json.dumps(statement, ensure_ascii=False, separators=(",", ":"))
    (directory / PROVENANCE).write_text(text + "\n", encoding="utf-8")


def _materials(manifest: Manifest) -> Iterator[dict[str, Any]]:
    yield {"name": "manifest", "digest": {"sha256": manifest.identity}, "mediaType": "application/json"}
    for package in manifest.packages:
        yield {
            "uri": package_url(manifest.distribution, package.name, package.version, package.arch),
            "digest": {"sha256": package.sha256},
            "downloadLocation": manifest.location(package),
        }
    for name, digest in sorted(manifest.files.items()):
        yield {"name": name, "digest": {"sha256": digest}}


def _without_secrets(value: Any) -> Any:
    """A statement is shown around: it has no password, not even as a hash."""
    if isinstance(value, dict):
        return {key: _without_secrets(inner) for key, inner in value.items() if key != "password"}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
