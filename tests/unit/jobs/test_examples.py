"""Every example means the same to the engine from its file, and from the server that it was sent to."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ingot.build.template import Template
from ingot.build.template_file import load_template, read_document
from ingot.client.archive import packed
from ingot.jobs import appliance_import
from ingot.jobs.job import Workplace
from ingot.services import appliance_imports, attempts
from ingot.services.templates import template_of
from ingot.settings import Settings
from ingot.store.artifacts import LocalArtifacts
from ingot.store.database import Database
from ingot.store.tables import Appliance, ApplianceImport, User

_EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*/template.yml"))


@pytest.mark.parametrize("example", _EXAMPLES, ids=lambda file: file.parent.name)
def test_an_example_is_the_same_at_the_server(
    example: Path, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appliance_import, "bound_memory", lambda _size: None)  # it would bind the test's own process
    artifacts, scratch = LocalArtifacts(tmp_path / "artifacts"), tmp_path / "scratch"
    scratch.mkdir()
    with packed(read_document(example), example.parent) as archive, artifacts.writer() as writer:
        writer.write(archive.read())
    with database.transaction() as session:
        row = appliance_imports.create(session, session.scalars(select(User)).one(), appliance_imports.Flags())
        appliance_imports.set_archive(session, row, writer.result())
        attempt = attempts.claim(session, "worker", 20, [appliance_imports.JOB])
        assert attempt is not None
        place = Workplace(attempt, scratch, artifacts, Settings(data_dir=tmp_path), b"")
        job = appliance_import.ApplianceImportJob()
        assert job.command(session, place)
    assert appliance_import.main(scratch) == 0
    with database.transaction() as session:
        job.keep(session, place, {})
        assert session.scalars(select(ApplianceImport)).one().appliance_id is not None
    with database.transaction(read_only=True) as session:
        made = template_of(session.scalars(select(Appliance)).one(), None)
    ours, theirs = _comparable(load_template(example)), _comparable(made)
    assert theirs == ours
    for name in _hashes(made.canonical()):
        assert artifacts.path(name).is_file()


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


def _hashes(document: dict[str, Any]) -> list[str]:
    return [script["source"] for script in json.loads(json.dumps(document)).get("config", [])]
