"""The software of an appliance on its way into an image: from the server's rows to the files in the tree."""

import json
import os
from pathlib import Path

import pytest
from sqlalchemy import select

from ingot.build.archives import Limits
from ingot.build.bundles import boot_scripts, gather
from ingot.build.contents import Contents
from ingot.build.manifest import fitting_bundles
from ingot.build.request import BuildRequest
from ingot.build.template import Bundle as BundleModel
from ingot.build.tree.bundles import keep_licenses, put_in_place
from ingot.jobs.generation import Generation
from ingot.jobs.job import Workplace
from ingot.services import appliances, attempts, bundle_model, bundles, images, os_profiles
from ingot.settings import Settings
from ingot.store.artifacts import Course, LocalArtifacts, StoredArtifact
from ingot.store.database import Database
from ingot.store.tables import Distribution, User

_SOFTWARE = {
    "name": "app",
    "version": "1",
    "license": {"name": "L.txt", "source": "license"},
    "files": [
        {"name": "app.conf", "source": "conf", "destination": "/etc/app", "rights": "640", "ownerGroup": "root:adm"},
        {"name": "d", "files": [{"name": "inner", "source": "inner"}]},
        {"name": "setup", "source": "setup", "tag": "bootscript", "bootOrder": 3},
    ],
}
_FOR_CLOUDS = {
    "name": "agent",
    "version": "1",
    "restrictionRule": "TargetFormat#type=cloud",
    "files": [{"name": "agent", "source": "inner"}],
}


def _store(artifacts: LocalArtifacts, *names: str) -> dict[str, StoredArtifact]:
    stored = {}
    for name in names:
        with artifacts.writer() as writer:
            writer.write(f"content of {name}\n".encode())
        stored[name] = writer.result()
    return stored


def test_from_the_rows_to_the_tree(database: Database, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("files in a tree are given to others, which only root may")
    artifacts = LocalArtifacts(tmp_path / "artifacts")
    contents = _store(artifacts, "license", "conf", "inner", "setup")
    with database.transaction() as session:
        owner = session.scalars(select(User)).one()
        distribution = session.scalars(select(Distribution).order_by(Distribution.id)).first()
        assert distribution is not None
        appliance = appliances.create(
            session, owner, name="web", version="1", description="", distribution_id=distribution.id
        )
        os_profiles.create(session, appliance, distribution.profiles[0].id)
        rows = [
            bundle_model.enter(session, owner, BundleModel.model_validate(model), contents, Path, imported=False)
            for model in (_SOFTWARE, _FOR_CLOUDS)
        ]
        bundles.attach(session, appliance, [(rows[0].id, "/srv/app"), (rows[1].id, None)])
        images.generate(session, appliance, format_name="QCOW2", compress=True, simulated=False, overrides=None)
    with database.transaction() as session:
        attempt = attempts.claim(session, "worker", 20, ("generate",))
        assert attempt is not None
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        place = Workplace(attempt, scratch, artifacts, Settings(data_dir=tmp_path), b"secret")
        assert Generation().command(session, place)
    artifacts.bring(place.needs, Course())
    request = BuildRequest.model_validate(json.loads((scratch / "request.json").read_bytes()))
    assert request.template is not None
    assert request.boot_scripts_dir is not None
    assert (request.target_format.names, request.target_format.type) == (("QCOW2", "qcow2"), "virtual")
    assert not request.allow_private_sources

    fitting, left_out = fitting_bundles(request.template, request.target_format)
    assert [bundle.name for bundle in left_out] == ["agent"]
    files = Contents(request.boot_scripts_dir, tmp_path / "cache")
    gathered = gather(fitting, files)
    assert gathered.files == {content.sha256: content.sha256 for content in contents.values()}
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\nadm:x:4:\n")
    put_in_place(tree, gathered.bundles, files, Limits.of_settings())
    assert keep_licenses(tree, gathered.bundles, files, shown=True) == ["ingot-licenses.service"]
    config = tree / "etc/app/app.conf"
    assert config.read_text() == "content of conf\n"
    assert (config.stat().st_mode & 0o7777, config.stat().st_gid) == (0o640, 4)
    assert (tree / "srv/app/d/inner").read_text() == "content of inner\n"
    assert (tree / "usr/share/licenses/app-1/L.txt").read_text() == "content of license\n"
    (script,) = boot_scripts(gathered.bundles)
    assert (script.name, script.order, files.path(script.source).read_text()) == ("setup", 3, "content of setup\n")
