"""Both bills of materials of a finished tree."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

from ingot.build.evidence.cyclonedx import cyclonedx_document
from ingot.build.evidence.inventory import installed_components
from ingot.build.evidence.record import CYCLONEDX, SPDX, timestamp
from ingot.build.evidence.spdx import spdx_document
from ingot.build.manifest import Manifest


def write_sboms(tree: Path, manifest: Manifest, directory: Path) -> None:
    """Describe what the tree's package database says is installed, in both formats; the same manifest gives the same
    bytes."""
    components = installed_components(tree, manifest)
    created = timestamp(dt.datetime.fromtimestamp(manifest.epoch, dt.UTC))
    _write(directory / SPDX, spdx_document(manifest, components, created))
    _write(directory / CYCLONEDX, cyclonedx_document(manifest, components, created))


def _write(file: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    file.write_text(text + "\n", encoding="utf-8")
