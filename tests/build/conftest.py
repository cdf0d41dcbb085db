"""Images that many tests look at, each built once, in a cache that stays between runs."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingot.build.boot import Accelerator, probe
from ingot.build.request import BuildRequest, BuildResult
from ingot.build.template import Template
from tests.build.engine import run_engine

SCRIPTS = {
    "second.sh": "#!/bin/sh\necho second\n",
    "first.sh": "echo first on $(hostname)\n",
    "every.sh": "#!/bin/sh\necho every time\n",
}


@dataclass(frozen=True)
class BuiltImage:
    """A finished build: the image, its result, the key that its user logs in with."""

    path: Path
    result: BuildResult
    key: Path


@pytest.fixture(scope="session")
def cache() -> Path:
    return Path(os.environ.get("INGOT_CACHE_DIR") or "~/.cache/ingot/build").expanduser()


@pytest.fixture(scope="session")
def ssh_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ssh") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", file], check=True)
    return file


@pytest.fixture(scope="session")
def template(ssh_key: Path) -> Callable[[str], Template]:
    """A template that asks for a bit of everything, on a version of Debian."""

    def make(version: str) -> Template:
        document: dict[str, Any] = {
            "name": "Test machine",
            "version": "1.0",
            "os": {
                "name": "Debian",
                "version": version,
                "pkgs": [{"name": "nginx-light"}, {"name": "openssh-server"}],
            },
            "installation": {
                "hostname": "test1",
                "diskSize": 3000,
                "swapSize": 128,
                "timezone": "Asia/Tokyo",
                "keyboard": "fr",
                "welcomeMessage": "Welcome to the test",
                "kernelParams": ["ingot.test=1"],
                "groups": [{"name": "crew", "groupId": 2000}],
                "users": [
                    {
                        "name": "alice",
                        "fullName": "Alice Liddell",
                        "userId": 1500,
                        "secondaryGroups": "crew",
                        "sudo": 2,
                        "sshKeys": [{"name": "test", "publicKey": ssh_key.with_suffix(".pub").read_text()}],
                    },
                    {"name": "bob", "password": "carroll", "shell": "/bin/sh"},
                ],
            },
            "config": [
                {"name": "Second", "source": "second.sh", "frequency": "firstboot", "order": 2},
                {"name": "first", "source": "first.sh", "frequency": "firstboot", "order": 1},
                {"name": "every", "source": "every.sh", "frequency": "everyboot", "order": 0},
            ],
        }
        return Template.model_validate(document)

    return make


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("scripts")
    for name, content in SCRIPTS.items():
        (directory / name).write_text(content, encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def images(
    tmp_path_factory: pytest.TempPathFactory,
    cache: Path,
    template: Callable[[str], Template],
    scripts: Path,
    ssh_key: Path,
) -> Callable[[str], BuiltImage]:
    """The image of a version of Debian, built when it is first asked for."""
    built: dict[str, BuiltImage] = {}

    def get(version: str) -> BuiltImage:
        if version not in built:
            work = tmp_path_factory.mktemp(f"debian-{version}")
            request = BuildRequest(
                template=template(version),
                output=work / "image.qcow2",
                scratch=work,
                cache=cache,
                boot_scripts_dir=scripts,
            )
            built[version] = BuiltImage(work / "image.qcow2", run_engine(request), ssh_key)
        return built[version]

    return get


@pytest.fixture(scope="session")
def accelerator(images: Callable[[str], BuiltImage]) -> Accelerator:
    """What virtual machines run on here; found out once."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    return probe(images("12").path)
