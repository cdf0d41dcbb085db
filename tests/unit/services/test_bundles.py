"""Bundles on both databases: from a model and back, copied, given to appliances, removed."""

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.build.template import Bundle as BundleModel
from ingot.services import (
    appliances,
    artifacts,
    bundle_artifacts,
    bundle_model,
    bundle_transfers,
    bundles,
    images,
    quotas,
    templates,
)
from ingot.services.errors import ConflictError, InvalidError
from ingot.services.reuse import recipe_of
from ingot.settings import Settings
from ingot.store.artifacts import LocalArtifacts, StoredArtifact
from ingot.store.database import Database
from ingot.store.tables import Appliance, ApplianceBundle, Bundle, BundleArtifact, User

_MODEL = BundleModel.model_validate(
    {
        "name": "app",
        "version": "1",
        "category": "databases",
        "destination": "/opt/app",
        "restrictionRule": "Distribution#name=Debian",
        "license": {"name": "L.txt", "source": "bundles/app/L.txt"},
        "files": [
            {
                "name": "d",
                "rights": "700",
                "files": [
                    {"name": "e", "files": [{"name": "deep", "source": "s/deep", "rights": "600"}]},
                    {"name": "f", "source": "s/f"},
                ],
            },
            {"name": "setup", "source": "s/setup", "tag": "bootscript", "bootOrder": 4, "bootType": "everyboot"},
            {"name": "nginx", "tag": "ospkg"},
        ],
    }
)
_CONTENTS = {
    name: StoredArtifact(f"{number:064x}", f"{number:032x}", number)
    for number, name in enumerate(("s/deep", "s/f", "s/setup", "bundles/app/L.txt"), 1)
}


@pytest.fixture
def bundle(session: Session, owner: User) -> Bundle:
    return bundle_model.enter(session, owner, _MODEL, _CONTENTS, Path, imported=True)


def test_a_model_goes_in_and_comes_out(session: Session, bundle: Bundle) -> None:
    session.expire_all()
    model = bundle_model.model_of(bundle, bundle_model.by_hash)
    assert (model.name, model.category, model.restriction_rule) == ("app", "Databases", "Distribution#name=Debian")
    directory, script, package = model.files
    inner, file = directory.files
    assert (directory.name, directory.rights, directory.source) == ("d", "700", None)
    assert (inner.files[0].name, inner.files[0].source) == ("deep", f"{1:064x}")
    assert (file.name, file.source) == ("f", f"{2:064x}")
    assert (script.boot_type, script.boot_order, package.tag) == ("everyboot", 4, "ospkg")
    document, files = bundle_transfers.document(bundle)
    again = bundle_model.expanded(BundleModel.model_validate(document), files)
    assert (
        bundle_model.sources(again)
        == set(files)
        == {
            "bundles/app/1/d/e/deep",
            "bundles/app/1/d/f",
            "bundles/app/1/setup",
            "bundles/app/L.txt",
        }
    )


def test_an_appliance_hands_its_bundles_to_the_engine(session: Session, appliance: Appliance, bundle: Bundle) -> None:
    bundles.attach(session, appliance, [(bundle.id, "/srv/here")])
    before = appliance.revision
    bundles.attach(session, appliance, [(bundle.id, "/srv/here")])
    assert appliance.revision == before
    (model,) = templates.template_of(appliance, None).bundles
    assert (model.destination, model.license and model.license.source) == ("/srv/here", f"{4:064x}")
    clone = appliances.clone(session, appliance, name="other", version=None)
    session.expire_all()
    assert [entry.install_location for entry in clone.bundles] == ["/srv/here"]
    bundles.touch(session, bundle)
    session.expire_all()
    assert (appliance.revision, clone.revision) == (before + 1, 2)
    (row,) = (row for row in bundle.artifacts if row.name == "setup")
    row.sha256 = None
    with pytest.raises(InvalidError, match="has no content"):
        templates.template_of(appliance, None)


def test_only_the_same_software_makes_the_same_image(session: Session, appliance: Appliance, bundle: Bundle) -> None:
    bundles.attach(session, appliance, [(bundle.id, None)])
    target = images.find_target_format(session, appliance.owner, "QCOW2")

    def recipe() -> str:
        return recipe_of(templates.template_of(appliance, None), target, {}, True, False, Settings())

    first = recipe()
    assert recipe() == first
    bundle.description = "for people"
    assert recipe() == first
    for change in ({"restriction_rule": "TargetFormat#type=cloud"}, {"default_install_location": "/srv"}):
        before = {field: getattr(bundle, field) for field in change}
        for values in (change, before):
            for field, value in values.items():
                setattr(bundle, field, value)
            assert (recipe() == first) is (values is before)
    (row,) = (row for row in bundle.artifacts if row.name == "f")
    row.sha256, row.url, row.cached = None, "https://example.org/f", False
    assert len({recipe(), recipe(), first}) == 3


def test_a_clone_keeps_what_lies_where(session: Session, bundle: Bundle) -> None:
    clone = bundles.clone(session, bundle, name=None, version="2")
    session.expire_all()
    assert clone.revision == 1
    one, other = (bundle_model.model_of(row, bundle_model.by_hash) for row in (bundle, clone))
    assert one.model_copy(update={"version": "2"}) == other
    assert {artifact.id for artifact in bundle.artifacts}.isdisjoint(artifact.id for artifact in clone.artifacts)
    with pytest.raises(ConflictError):
        bundles.clone(session, bundle, name=None, version="2")


def test_contents_stay_as_long_as_something_needs_them(
    database: Database, session: Session, owner: User, bundle: Bundle, tmp_path: Path
) -> None:
    store = LocalArtifacts(tmp_path / "artifacts")
    for content in _CONTENTS.values():
        store.path(content.sha256).parent.mkdir(exist_ok=True)
        store.path(content.sha256).write_bytes(b"x")
    clone = bundles.clone(session, bundle, name=None, version="2")
    used = next(iter(quotas.of(session, owner))), [usage.used for usage in quotas.of(session, owner)][3]
    assert used[1] == 2 * sum(content.size for content in _CONTENTS.values())
    hashes = bundles.remove(session, bundle)
    assert hashes == {content.sha256 for content in _CONTENTS.values()}
    session.commit()
    artifacts.sweep(database, store, hashes)
    assert all(store.path(sha256).exists() for sha256 in hashes)
    hashes = bundles.remove(session, session.get_one(Bundle, clone.id))
    session.commit()
    artifacts.sweep(database, store, hashes)
    assert not any(store.path(sha256).exists() for sha256 in hashes)
    assert session.scalars(select(BundleArtifact)).all() == []


def test_a_directory_goes_with_what_is_in_it(session: Session, bundle: Bundle) -> None:
    directory = next(row for row in bundle.artifacts if row.name == "d")
    hashes = bundle_artifacts.remove(session, bundle, [directory])
    assert hashes == {f"{1:064x}", f"{2:064x}"}
    assert [row.name for row in bundle.artifacts] == ["setup", "nginx"]


def test_a_removed_bundle_leaves_its_appliances(session: Session, appliance: Appliance, bundle: Bundle) -> None:
    bundles.attach(session, appliance, [(bundle.id, None)])
    before = appliance.revision
    bundles.remove(session, bundle)
    session.expire_all()
    assert appliance.bundles == []
    assert appliance.revision == before + 1
    assert session.scalars(select(ApplianceBundle)).all() == []


def test_the_same_place_is_taken_once(session: Session, owner: User) -> None:
    twice = _MODEL.model_copy(update={"files": (_MODEL.files[1], _MODEL.files[1])})
    with pytest.raises(InvalidError, match="setup twice"):
        bundle_model.enter(session, owner, twice, _CONTENTS, Path, imported=False)
