"""Ubuntu, from a mirror that the test makes: its suites and components, signed with a key of the test's.

The packages have the names that Ubuntu's definition asks for and nothing in them; apt fetches, verifies and solves.
"""

import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ingot.build.contents import Contents
from ingot.build.distributions import Distribution, find_distribution
from ingot.build.errors import BuildError
from ingot.build.families import family_of
from ingot.build.manifest import Manifest, make_manifest
from ingot.build.packages.fetch import fetch
from ingot.build.template import Template

pytestmark = pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("apt-get", "apt-ftparchive", "dpkg-deb", "gpg")),
    reason="apt, apt-ftparchive, dpkg-deb or gpg is not installed",
)
_VERSION = "24.04"
_UNIVERSE = "extra"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def distribution() -> Distribution:
    return find_distribution("Ubuntu", _VERSION, "x86_64")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A keyring directory of GnuPG's with one key; `keys.gpg` in it is the public one."""
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"]
    subprocess.run([*gpg, "--quick-generate-key", "mirror@example.org", "ed25519", "sign", "never"], check=True)
    subprocess.run([*gpg, "--output", home / "keys.gpg", "--export"], check=True)
    yield home
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


@pytest.fixture(scope="module")
def mirror(distribution: Distribution, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a mirror that is laid out as Ubuntu's: main and universe, updates and security."""
    root = tmp_path_factory.mktemp("mirror")
    names = {*distribution.boot_packages, *distribution.profile("Minimal").packages, "base-files", "dpkg"}
    packages = {
        ("noble", "main"): [_package(root, name, "1.0") for name in sorted(names)],
        ("noble", "universe"): [_package(root, _UNIVERSE, "1.0", component="universe")],
        ("noble-updates", "main"): [_package(root, "udev", "1.1")],
        ("noble-security", "universe"): [_package(root, _UNIVERSE, "1.2", component="universe")],
    }
    for suite in ("noble", "noble-updates", "noble-security"):
        for component in distribution.components:
            directory = root / "dists" / suite / component / "binary-amd64"
            directory.mkdir(parents=True)
            (directory / "Packages").write_text("\n".join(packages.get((suite, component), [])), encoding="utf-8")
        place = root / "dists" / suite
        options = {"Origin": "Ubuntu", "Suite": suite, "Codename": "noble", "Version": _VERSION,
                   "Architectures": "amd64", "Components": " ".join(distribution.components)}  # fmt: skip
        arguments = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in options.items()]
        release = subprocess.run(["apt-ftparchive", *arguments, "release", place], check=True, stdout=subprocess.PIPE)
        subprocess.run(
            ["gpg", "--homedir", keys, "--batch", "--quiet", "--clearsign", "--output", place / "InRelease"],
            input=release.stdout,
            check=True,
        )
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=os.fspath(root))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def _package(root: Path, name: str, version: str, *, component: str = "main") -> str:
    """Make a package with nothing in it; returns its paragraph in the list."""
    file = root / "pool" / component / f"{name}_{version}_amd64.deb"
    file.parent.mkdir(parents=True, exist_ok=True)
    fields = {
        "Package": name,
        "Version": version,
        "Architecture": "amd64",
        "Maintainer": "Somebody <somebody@example.org>",
        "Description": name,
    }
    if name in ("base-files", "dpkg"):
        fields["Essential"] = "yes"
    if name == _UNIVERSE:
        fields["Depends"] = "udev"
    control = "".join(f"{field}: {value}\n" for field, value in fields.items())
    if component == "universe":
        source = root / "sources" / f"{name}-{version}"
        (source / "DEBIAN").mkdir(parents=True)
        (source / "DEBIAN/control").write_text(control, encoding="utf-8")
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "--build", source, file], check=True, stdout=subprocess.DEVNULL
        )
    else:
        file.write_bytes(control.encode())  # nobody fetches it
    content = file.read_bytes()
    return (
        f"{control}Filename: {file.relative_to(root)}\nSize: {len(content)}\n"
        f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
    )


@pytest.fixture
def manifest(mirror: str, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    """The manifest of a machine with a package of universe."""
    monkeypatch.setenv("INGOT_MIRRORS", json.dumps({"ubuntu": mirror}))
    monkeypatch.setenv("INGOT_KEYRINGS", json.dumps({"ubuntu": os.fspath(keys / "keys.gpg")}))
    template = Template.model_validate(
        {
            "name": "ubuntu",
            "version": "1",
            "os": {"name": "Ubuntu", "version": _VERSION, "pkgs": [{"name": _UNIVERSE}]},
            "installation": {"diskSize": 4096},
        }
    )
    cache = tmp_path / "cache"
    return make_manifest(template, cache, Contents(None, cache))


def test_a_machine_resolves_from_all_suites_and_components(
    manifest: Manifest, distribution: Distribution, tmp_path: Path
) -> None:
    versions = {package.name: package.version for package in manifest.packages}
    assert {*distribution.boot_packages, *distribution.profile("Minimal").packages, "dpkg"} <= set(versions)
    assert (versions["udev"], versions[_UNIVERSE], versions["dpkg"]) == ("1.1", "1.2", "1.0")
    assert [package.name for package in manifest.more_packages()] == [_UNIVERSE]
    wanted = [package for package in manifest.packages if package.name == _UNIVERSE]
    files = fetch(manifest.repository(tmp_path / "cache"), wanted, tmp_path / "cache")
    shown = subprocess.run(
        ["dpkg-deb", "--field", files[wanted[0].sha256], "Version"], check=True, capture_output=True, text=True
    )
    assert shown.stdout == "1.2\n"


def test_the_machine_gets_the_same_sources(manifest: Manifest, mirror: str, tmp_path: Path) -> None:
    family_of(manifest.distribution).set_package_sources(tmp_path, manifest.sources)
    assert (tmp_path / "etc/apt/sources.list.d/system.sources").read_text(encoding="utf-8") == (
        f"Types: deb\nURIs: {mirror}\nSuites: noble noble-updates noble-security\nComponents: main universe\n"
        "Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n"
    )


def test_a_mirror_with_another_key_is_refused(
    mirror: str, distribution: Distribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = tmp_path / "stranger.gpg"
    stranger.touch()
    monkeypatch.setenv("INGOT_MIRRORS", json.dumps({"ubuntu": mirror}))
    monkeypatch.setenv("INGOT_KEYRINGS", json.dumps({"ubuntu": os.fspath(stranger)}))
    with pytest.raises(BuildError, match=r"NO_PUBKEY|not signed|public key"):
        family_of(distribution).repository(distribution, tmp_path / "cache").refresh()
