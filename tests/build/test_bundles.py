"""Bundles: what of them is in the disk, and what is not."""

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingot.build.errors import BuildError
from ingot.build.request import BuildRequest, BuildResult
from ingot.build.template import Template
from ingot.build.template_file import load_template
from tests.build.disk import Disk
from tests.build.engine import run_engine

pytestmark = pytest.mark.build
_EXAMPLE = Path(__file__).parents[2] / "examples/bundles"


def _package(directory: Path, name: str, depends: str) -> Path:
    """A package file with one file and a script that runs when it is configured."""
    root = directory / f"{name}.d"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 1:2.0-3\nArchitecture: all\nMaintainer: M <m@example.org>\n"
        f"Depends: {depends}\nDescription: Test\n"
    )
    (root / "DEBIAN/postinst").write_text(f"#!/bin/sh\ntouch /var/lib/{name}.configured\n")
    (root / "DEBIAN/postinst").chmod(0o755)
    (root / "usr/share").mkdir(parents=True)
    (root / f"usr/share/{name}.txt").write_text("packaged\n")
    file = directory / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", root, file], check=True, capture_output=True)
    shutil.rmtree(root)
    return file


def _archive(file: Path) -> None:
    with tarfile.open(file, "w:xz") as archive:
        for name, mode in (("app", 0o755), ("app/run", 0o750), ("app/readme", 0o644)):
            info = tarfile.TarInfo(name)
            info.mode, info.uid = mode, 12345
            if name == "app":
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
                continue
            info.size = 5
            archive.addfile(info, io.BytesIO(b"hello"))
        link = tarfile.TarInfo("app/start")
        link.type, link.linkname = tarfile.SYMTYPE, "run"
        archive.addfile(link)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, with a bundle of what only a test can make: an archive, packages."""
    directory = tmp_path_factory.mktemp("bundles") / "template"
    shutil.copytree(_EXAMPLE, directory)
    _archive(directory / "app.tar.xz")
    _package(directory, "ingot-test", "tree, libpopt0")
    shutil.copy(directory / "ingot-test.deb", directory / "kept.deb")
    document: dict[str, Any] = yaml.safe_load((directory / "template.yml").read_text())
    more = {
        "name": "more",
        "version": 1,
        "destination": "/srv/more",
        "files": [
            {"name": "app.tar.xz", "source": "app.tar.xz", "extract": True, "ownerGroup": "shop"},
            {"name": "ingot-test.deb", "source": "ingot-test.deb"},
            {"name": "kept.deb", "source": "kept.deb", "install": False},
            {"name": "through-a-link", "source": "prepare.sh", "destination": "/bin", "rights": "4755"},
        ],
    }
    document["stack"]["bundles"].append(more)
    (directory / "template.yml").write_text(yaml.safe_dump(document))
    return directory


def _request(directory: Path, work: Path, cache: Path, **more: Any) -> BuildRequest:
    work.mkdir(exist_ok=True)
    return BuildRequest(
        **{
            "template": load_template(directory / "template.yml"),
            "format": "raw",
            "compress": False,
            "output": work / "image",
            "scratch": work,
            "cache": cache,
            "boot_scripts_dir": directory,
            **more,
        }
    )


@pytest.fixture(scope="module")
def built(directory: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> BuildResult:
    return run_engine(_request(directory, tmp_path_factory.mktemp("built"), cache))


@pytest.fixture(scope="module")
def disk(built: BuildResult) -> Disk:
    assert built.output
    return Disk(built.output)


def test_files_have_their_rights_and_owners(disk: Disk) -> None:
    user, group = disk.ids("shop")
    assert disk.status("/etc/shop/shop.conf") == ("regular 0640", 0, group)
    assert disk.read("/etc/shop/shop.conf").startswith("stock = 100")
    assert disk.status("/etc/shop") == ("directory 0755", 0, 0)
    assert disk.status("/opt/shop/bin/shop-status") == ("regular 0755", 0, 0)
    assert disk.link("/usr/local/bin/shop-status") == "/opt/shop/bin/shop-status"
    assert disk.status("/opt/shop/site") == ("directory 0755", user, group)
    assert disk.status("/opt/shop/site/index.html") == ("regular 0644", user, group)
    assert disk.status("/opt/shop/site/pictures/logo.svg") == ("regular 0644", user, group)


def test_archives_are_unpacked_with_their_own_rights(disk: Disk) -> None:
    user, group = disk.ids("shop")
    assert disk.names("/srv/more") == ["app", "kept.deb"]
    assert disk.status("/srv/more/app") == ("directory 0755", user, group)
    assert disk.status("/srv/more/app/run") == ("regular 0750", user, group)
    assert disk.link("/srv/more/app/start") == "run"
    # Through a link of the machine's own, and with a right that a change of owner would take away.
    assert disk.status("/usr/bin/through-a-link") == ("regular 04755", 0, 0)


def test_packages_are_installed_with_what_they_need(disk: Disk, built: BuildResult) -> None:
    status = disk.read("/var/lib/dpkg/status")
    for name in ("ingot-test", "tree", "libpopt0"):
        assert re.search(rf"^Package: {name}\nStatus: install ok installed", status, re.MULTILINE), name
    assert disk.status("/var/lib/ingot-test.configured")
    packages = {package.name: package for package in built.packages}
    assert (packages["ingot-test"].epoch, packages["ingot-test"].version) == (1, "2.0")
    assert packages["tree"].level == 0
    assert packages["libpopt0"].level == 1


def test_what_is_restricted_to_others_is_left_out(disk: Disk, built: BuildResult) -> None:
    assert built.left_out == ["cloud agent 1.0"]
    assert disk.read("/etc/agent/agent.conf") == "kind = virtual\n"


def test_boot_scripts_are_in_one_order(disk: Disk) -> None:
    assert disk.names("/usr/lib/ingot/boot-scripts") == [
        "everyboot-02-count-visits",
        "firstboot-00-prepare",
        "firstboot-01-first-stock",
    ]
    assert "100 pieces" in disk.read("/usr/lib/ingot/boot-scripts/firstboot-01-first-stock")


def test_licences_are_kept_and_shown(disk: Disk) -> None:
    assert "change it as you like" in disk.read("/usr/share/licenses/shop-2.1/LICENSE.txt")
    assert "change it as you like" in disk.read("/usr/lib/ingot/licenses.txt")
    assert disk.link("/etc/systemd/system/multi-user.target.wants/ingot-licenses.service")


def test_the_same_files_give_the_same_bytes(directory: Path, built: BuildResult, cache: Path, tmp_path: Path) -> None:
    """In another directory and with files of other times; a format of another type gets another bundle."""
    shutil.copytree(directory, tmp_path / "other", copy_function=shutil.copyfile)
    for entry in (cache / "disks").iterdir():
        if entry.name.startswith(built.identity):
            shutil.rmtree(entry, ignore_errors=True)
    again = run_engine(_request(tmp_path / "other", tmp_path / "again", cache))
    assert (again.identity, again.sha256) == (built.identity, built.sha256)
    target = {"names": ["Amazon AWS", "raw"], "type": "cloud"}
    cloud = run_engine(_request(directory, tmp_path / "cloud", cache, target=target, simulate=True))
    assert cloud.identity != built.identity
    assert cloud.left_out == ["virtual agent 1.0"]


def _with(directory: Path, **entry: Any) -> Template:
    template = load_template(directory / "template.yml")
    document = template.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["bundles"] = [{"name": "bad", "version": "1", "files": [entry]}]
    return Template.model_validate(document)


def test_hostile_and_impossible_files_are_refused(directory: Path, cache: Path, tmp_path: Path) -> None:
    with tarfile.open(directory / "evil.tar", "w") as archive:
        link = tarfile.TarInfo("etc")
        link.type, link.linkname = tarfile.SYMTYPE, "../../../etc"
        archive.addfile(link)
    for entry, words in (
        ({"name": "evil.tar", "source": "evil.tar", "extract": True}, r"'etc' leads out"),
        (
            {"name": "x", "source": "prepare.sh", "ownerGroup": "nosuch"},
            "user nosuch, which the machine does not have",
        ),
        ({"name": "etc", "source": "prepare.sh", "destination": "/"}, "has a directory there"),
        ({"name": "x", "source": "prepare.sh", "destination": "/etc/passwd"}, "has a file there"),
        ({"name": "x", "source": "../x"}, "lies outside"),
        ({"name": "x", "source": "prepare.sh", "sha256sum": "0" * 64}, "is not as the template says"),
        ({"name": "nosuch-package-at-all", "tag": "ospkg"}, "nosuch-package-at-all"),
    ):
        work = tmp_path / "refused"
        with pytest.raises(BuildError, match=words):
            run_engine(_request(directory, work, cache, template=_with(directory, **entry)))
        assert not (work / "image").exists()
        shutil.rmtree(work)
