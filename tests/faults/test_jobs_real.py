"""Jobs with the real engine: a cancel, a killed worker, and a finished image."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from ingot.build.distributions import find_distribution
from ingot.build.errors import BuildError
from ingot.build.packages.sources import sources_of
from ingot.store.artifacts import LocalArtifacts
from tests.faults.site import Site, eventually


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

    site.start_worker()
    eventually(lambda: site.attempt("web").is_over, "the image is there", seconds=600)
    image = site.image("web")
    assert image.attempt is not None
    assert (image.attempt.state, image.attempt.error, image.attempt.number) == ("done", None, 2)
    assert image.sha256 is not None
    content = LocalArtifacts(site.data / "artifacts").path(image.sha256)
    with content.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == image.sha256
    assert content.stat().st_size == image.size
    subprocess.run(["qemu-img", "check", "-q", str(content)], check=True)
    assert site.package_count("web") > 100
    eventually(lambda: not site.scratch(), "the scratch directory is gone")
