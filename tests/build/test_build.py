"""Builds: what is in them, that they come out the same, and what they refuse."""

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from ingot.build.errors import BuildError
from ingot.build.request import BuildRequest
from ingot.build.template import BootScript, Group, Package, Template, User
from tests.build.conftest import BuiltImage
from tests.build.engine import assert_same, copy_packages, run_engine

pytestmark = pytest.mark.build


@pytest.fixture
def small(template: Callable[[str], Template]) -> Template:
    """The test template without its boot scripts."""
    return template("12").model_copy(update={"config": ()})


def _request(template: Template, work: Path, cache: Path, **more: object) -> BuildRequest:
    work.mkdir(exist_ok=True)
    values = {"template": template, "output": work / "image", "scratch": work, "cache": cache, **more}
    return BuildRequest.model_validate(values)


def test_an_image_has_what_was_asked_for(images: Callable[[str], BuiltImage]) -> None:
    image = images("12")
    info = subprocess.run(["qemu-img", "check", image.path], capture_output=True, text=True, check=False)
    assert info.returncode == 0, info.stderr
    by_name = {package.name: package for package in image.result.packages}
    assert by_name["nginx-light"].level == 0
    assert by_name["libc6"].level > 0
    assert by_name["openssh-server"].epoch == 1
    assert image.result.disk_size == 3000 << 20
    assert image.result.size == image.path.stat().st_size
    assert {"dependencies", "convert", "finish"} <= set(image.result.timings)


def test_an_ordinary_user_builds_the_same(small: Template, cache: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the tests run as an ordinary user already")
    python = Path("/usr/bin/python3")
    packages = sysconfig.get_paths()["purelib"]
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    probe = [*user, str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    version = subprocess.run(probe, capture_output=True, text=True, check=False).stdout.strip()
    if version != sysconfig.get_python_version():
        pytest.skip(
            f"the system's Python is {version or 'missing'}, the tests run on {sysconfig.get_python_version()}"
        )
    environment = {"PYTHONPATH": f"{packages}:{Path(__file__).parents[2] / 'src'}", "PATH": os.environ["PATH"]}
    reading = subprocess.run(
        [*user, str(python), "-c", "import ingot.build.engine"], env=environment, capture_output=True, check=False
    )
    if reading.returncode != 0:
        pytest.skip("an ordinary user cannot read this checkout")
    if "nobody:" not in Path("/etc/subuid").read_text(encoding="ascii"):
        ranges = ["--add-subuids", "300000-365535", "--add-subgids", "300000-365535"]
        subprocess.run(["usermod", *ranges, "nobody"], check=True)
    work = Path(f"/var/tmp/ingot-test-{os.getpid()}")  # noqa: S108 - pytest's directories are closed to others
    try:
        (work / "cache").mkdir(parents=True)
        copy_packages(cache, work / "cache")
        template = small.model_copy(update={"installation": small.installation.model_copy(update={"users": ()})})
        request = _request(template, work / "scratch", work / "cache")
        subprocess.run(["chown", "-R", "65534:65534", work], check=True)
        theirs = run_engine(request, [*user, str(python)], environment)
        ours = run_engine(_request(template, tmp_path / "ours", cache))
        assert_same(work / "scratch/image", tmp_path / "ours/image")
        assert theirs.sha256 == ours.sha256
    finally:
        shutil.rmtree(work)


def test_a_disk_too_small_says_how_large_it_has_to_be(small: Template, cache: Path, tmp_path: Path) -> None:
    installation = small.installation.model_copy(update={"disk_size": 600})
    with pytest.raises(BuildError, match=r"600 MB is too small.*at least \d+ MB"):
        run_engine(_request(small.model_copy(update={"installation": installation}), tmp_path / "w", cache))


@pytest.mark.parametrize(
    ("packages", "words"),
    [
        (["ngnix", "opensshserver"], r"2 of the packages.*nginx.*openssh-server"),
        (["nginx-"], "nginx-"),
        (["systemd-sysv", "sysvinit-core"], "cannot be installed together.*Conflicts"),
    ],
)
def test_impossible_packages_are_named(
    small: Template, cache: Path, tmp_path: Path, packages: list[str], words: str
) -> None:
    system = small.os.model_copy(update={"pkgs": tuple(Package(name=name) for name in packages)})
    request = _request(small.model_copy(update={"os": system}), tmp_path / "w", cache, simulate=True)
    with pytest.raises(BuildError) as error:
        run_engine(request)
    assert re.search(words, error.value.message, re.DOTALL)


def test_a_simulation_gives_the_package_list_and_no_image(small: Template, cache: Path, tmp_path: Path) -> None:
    result = run_engine(_request(small, tmp_path / "w", cache, simulate=True))
    assert (result.output, result.sha256) == (None, None)
    assert "nginx-light" in {package.name for package in result.packages}


def test_a_boot_script_outside_the_directory_is_refused(small: Template, cache: Path, tmp_path: Path) -> None:
    script = BootScript(name="bad", source="../../etc/passwd", frequency="firstboot")
    request = _request(
        small.model_copy(update={"config": (script,)}), tmp_path / "w", cache, boot_scripts_dir=tmp_path
    )
    with pytest.raises(BuildError, match=r"\.\./\.\./etc/passwd"):
        run_engine(request)


def test_a_group_that_is_not_there_is_named(small: Template, cache: Path, tmp_path: Path) -> None:
    installation = small.installation.model_copy(update={"groups": ()})
    with pytest.raises(BuildError, match="alice is in group crew"):
        run_engine(_request(small.model_copy(update={"installation": installation}), tmp_path / "w", cache))


def test_a_user_may_name_the_group_of_its_own_name(small: Template, cache: Path, tmp_path: Path) -> None:
    """The clients write a user's own name as its primary group; a template may also declare that group."""
    alice = small.installation.users[0]
    # "operator" is a group that the distribution has.
    users = (alice.model_copy(update={"primary_group": "alice"}), User(name="bob"), User(name="operator"))
    groups = (*small.installation.groups, Group(name="bob", group_id=1600))
    installation = small.installation.model_copy(update={"users": users, "groups": groups})
    request = _request(small.model_copy(update={"installation": installation}), tmp_path / "w", cache, format="raw")
    assert run_engine(request).sha256
