"""Every example means the same from its file, as JSON, from a server it was sent to, and from an export of that."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from ingot.build.template import Template
from ingot.build.template_file import load_template, parse_template, read_document
from ingot.client.archive import packed
from tests.importing import Importer

_EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*/template.yml"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Importer]:
    importer = Importer(tmp_path_factory.mktemp("server"))
    yield importer
    importer.database.close()


@pytest.mark.parametrize("example", _EXAMPLES, ids=lambda file: file.parent.name)
def test_an_example_means_one_thing_however_it_comes(example: Path, server: Importer) -> None:
    ours, document = load_template(example), read_document(example)
    assert parse_template(json.dumps(document).encode(), Path("x.json"), directory=example.parent) == ours
    with packed(document, example.parent) as archive:
        first = server.take(archive)
    made = server.template(first)
    assert _comparable(made) == _comparable(ours)
    # An export is imported by somebody else: the engine gets the same, and it becomes the same archive again.
    content = server.give(first).read_bytes()
    second = server.take(BytesIO(content), "bob")
    assert server.template(second) == made
    assert server.give(second).read_bytes() == content


def _comparable(template: Template) -> dict[str, Any]:
    """What a template says, without where its files lie, which each side names in its own way."""
    document = template.canonical()
    document["os"].pop("updateTo", None)
    document["os"].get("pkgs", []).sort(key=lambda package: package["name"])
    document.get("config", []).sort(key=lambda script: (script.get("order", 0), script["name"]))
    for script in document.get("config", []):
        script.pop("source")
    document["bundles"] = [(bundle["name"], bundle["version"]) for bundle in document.get("bundles", [])]
    return document
