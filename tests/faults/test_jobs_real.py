"""Jobs with the real engine: a cancel, a killed worker, and a finished image."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ingot.build.distributions import find_distribution
from ingot.build.errors import BuildError
from ingot.build.evidence import dsse
from ingot.build.packages.sources import sources_of
from ingot.build.template import Template
from ingot.services import evidence, images
from ingot.services.reuse import Shelf, recipe_of, result_of
from ingot.services.secrets import provenance_key, server_secret
from ingot.store.artifacts import LocalArtifacts
from ingot.store.tables import Appliance, Image
from tests.faults.site import Site, eventually


def _require_evidence(site: Site, image: Image) -> None:
    """Everything of a real build is kept, and the signed statement is of this image."""
    store = LocalArtifacts(site.data / "artifacts")
    with site.database.transaction(read_only=True) as session:
        kept = {one.name: store.path(one.sha256).read_bytes() for one in evidence.of_image(session, image)}
    assert {"manifest.json", "timings.json", "sbom.spdx.json", "sbom.cdx.json", "provenance.json"} <= set(kept)
    (install,) = (content for name, content in kept.items() if name.endswith("-install.log"))
    assert b"dash" in install
    key = provenance_key(site.settings).public_key()
    statement = json.loads(dsse.verify(kept["provenance.dsse.json"], key))
    assert statement["subject"] == [{"name": "web-1.qcow2", "digest": {"sha256": image.sha256}}]
    assert dsse.key_id(key) in statement["predicate"]["runDetails"]["builder"]["id"]
    names = {package["name"] for package in json.loads(kept["sbom.spdx.json"])["packages"]}
    assert {"bash", "dpkg", "systemd"} <= names


@pytest.mark.build
def test_the_real_engine_is_cancelled_killed_and_finishes(site: Site) -> None:
    try:
        sources_of(find_distribution("Debian", "12", "x86_64"))
    except BuildError as error:
        pytest.skip(error.message)
    del site.environment["INGOT_BUILD_COMMAND"]
    cache = Path("~/.cache/ingot/tests").expanduser()
    # With a cached tree or disk the stage to interrupt would not come.
    for kind in ("trees", "disks"):
        shutil.rmtree(cache / kind, ignore_errors=True)
    site.environment["INGOT_CACHE_DIR"] = str(cache)
    site.generate("web", format_name="qcow2")
    site.generate("cancelled", format_name="qcow2")
    worker = site.start_worker()
    for name in ("web", "cancelled"):
        eventually(lambda name=name: site.attempt(name).stage == "install", f"{name} installs", seconds=300)

    site.cancel("cancelled")
    assert site.await_end("cancelled").state == "cancelled"
    assert len(site.scratch()) == 1

    worker.kill()
    worker.wait()
    eventually(lambda: not site.survivors(), "the engine ends with its worker")
    assert str(site.data) not in Path("/proc/self/mounts").read_text()
    assert site.artifacts() == []

    worker = site.start_worker()
    eventually(lambda: site.attempt("web").is_over, "the image is there", seconds=600)
    image = site.image("web")
    assert image.attempt is not None
    assert (image.attempt.state, image.attempt.error, image.attempt.number) == ("done", None, 2)
    assert image.sha256 is not None
    content = LocalArtifacts(site.data / "artifacts").path(image.sha256)
    with content.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == image.sha256
    assert content.stat().st_size == image.size
    _require_evidence(site, image)
    subprocess.run(["qemu-img", "check", "-q", str(content)], check=True)
    assert site.package_count("web") > 100
    eventually(lambda: not site.scratch(), "the scratch directory is gone")
    worker.terminate()
    worker.wait()
    _ask_again(site, cache, image, site.package_count("web"))


def _ask_again(site: Site, cache: Path, first: Image, package_count: int) -> None:
    """The same image again, with no worker that could build it; then what has to be built again."""
    settings = site.settings.model_copy(update={"cache_dir": cache})
    shelf = Shelf(site.database, LocalArtifacts(site.data / "artifacts"), settings, server_secret(site.settings))

    def ask(**changes: object) -> str:
        with site.database.transaction() as session:
            appliance = session.get(Appliance, first.appliance_id)
            assert appliance is not None
            for name, value in changes.items():
                setattr(appliance, name, value)
            image = images.generate(
                session, appliance, format_name="qcow2", compress=True, simulated=False, overrides=None, shelf=shelf
            )
            assert image.attempt is not None
            if image.attempt.state == "done":
                same = (image.sha256, image.size, image.disk_size, image.installed_size, image.file_name)
                assert same == (first.sha256, first.size, first.disk_size, first.installed_size, first.file_name)
                assert len(result_of(session, image).packages) == package_count
            return image.attempt.state

    with site.database.transaction() as session:
        # It was generated without a shelf: give it the recipe that it would have had.
        row = session.get_one(Image, first.id)
        template = Template.model_validate(row.template)
        row.recipe = recipe_of(template, row.target_format, row.options, row.compress, False, settings)
    assert ask() == "done"
    assert ask(description="only for people") == "done"
    assert ask(revision=2, version="2") == "queued"
    assert ask(version=first.version) == "done"
    assert first.lists is not None
    stamp = cache / first.lists["place"] / "fetched"
    snapshot, fetched = stamp.read_text(), stamp.stat().st_mtime
    try:
        os.utime(stamp, (0, 0))
        assert ask() == "queued"
        stamp.write_text("other lists")
        assert ask() == "queued"
    finally:
        stamp.write_text(snapshot)
        os.utime(stamp, (fetched, fetched))
    assert ask() == "done"
    LocalArtifacts(site.data / "artifacts").remove(first.sha256 or "")
    assert ask() == "queued"
