"""Which distributions there are, by which names."""

import os
from pathlib import Path

import pytest

from ingot.build.cache import entry_key
from ingot.build.distributions import UnknownDistributionError, find_distribution, known_distributions
from ingot.build.errors import BuildError
from ingot.build.manifest import Manifest
from ingot.build.packages.sources import sources_of
from ingot.build.template import Template

_OWN = """\
distributions:
  - family: rpm
    name: Example
    version: 1
    arch: arm64
    codename: example-1
    releaseDate: 2026-01-01
    suites: [{archive: example, name: base, path: base/aarch64}]
    keyring: /etc/hostname
    bootPackages: [kernel-core]
    profiles: [{name: Minimal, packages: [bash]}]
    efiDirectory: example
"""


@pytest.mark.parametrize(("arch", "native"), [("arm64", "arm64"), ("aarch64", "arm64"), ("amd64", "amd64")])
def test_architectures_have_several_names(arch: str, native: str) -> None:
    assert find_distribution("debian", "12", arch).native_arch == native


def test_no_distribution_is_there_twice() -> None:
    names = [(one.name, one.version, one.arch) for one in known_distributions()]
    assert len(names) == len(set(names))


def test_a_distribution_that_is_not_there_has_near_ones() -> None:
    with pytest.raises(UnknownDistributionError, match=r"There are Debian 12 x86_64, .*Debian 13 aarch64\.$"):
        find_distribution("Debain", "13", "x86_64")


def test_distributions_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "distributions.yml"
    file.write_text(_OWN, encoding="utf-8")
    monkeypatch.setenv("INGOT_DISTRIBUTIONS_FILE", str(file))
    monkeypatch.setenv("INGOT_MIRRORS", '{"example": "http://mirror.example/"}')
    own = find_distribution("Example", "1", "aarch64")
    assert (own.package_type, own.native_arch) == ("application/x-rpm", "aarch64")
    assert [(source.uri, source.suite) for source in sources_of(own)] == [
        ("http://mirror.example/base/aarch64", "base")
    ]


def test_a_manifest_knows_the_definition_that_it_was_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the boot loader looks, and how packages are installed, is in the image and not in its packages."""
    file = tmp_path / "distributions.yml"
    file.write_text(_OWN, encoding="utf-8")
    monkeypatch.setenv("INGOT_DISTRIBUTIONS_FILE", str(file))
    system = {"name": "Example", "version": "1", "arch": "aarch64"}
    template = Template.model_validate({"name": "own", "version": "1", "os": system, "installation": {}})

    def made() -> Manifest:
        return Manifest(template=template, epoch=0, packages=(), base=(), files={}, sources=())

    document = made().document()
    assert Manifest.from_document(document).identity == made().identity == entry_key(document)
    file.write_text(_OWN.replace("efiDirectory: example", "efiDirectory: other"), encoding="utf-8")
    os.utime(file, ns=(1, 1))  # whatever the clock's grain is
    assert made().identity != entry_key(document)
    with pytest.raises(BuildError, match=r"another distribution than the one that is defined here.*example.*other"):
        Manifest.from_document(document)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("arm64", "sparc"), "sparc; there are x86_64, aarch64"),
        (("family: rpm", "family: slackware"), "family"),
        (("bootPackages", "bootPackage"), "bootPackage"),
    ],
)
def test_a_wrong_definition_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], words: str
) -> None:
    file = tmp_path / "distributions.yml"
    file.write_text(_OWN.replace(*change), encoding="utf-8")
    monkeypatch.setenv("INGOT_DISTRIBUTIONS_FILE", str(file))
    with pytest.raises(BuildError, match=words):
        known_distributions()


def test_a_missing_file_of_distributions_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGOT_DISTRIBUTIONS_FILE", str(tmp_path / "nothing.yml"))
    with pytest.raises(BuildError, match=r"nothing\.yml.*does not exist"):
        known_distributions()


@pytest.mark.parametrize("key", ["ubuntu", "ubuntu-ports", "fedora"])
def test_other_distributions_say_how_to_set_their_mirror(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGOT_MIRRORS", "{}")
    distribution = next(one for one in known_distributions() if one.suites[0].archive == key)
    with pytest.raises(BuildError, match=f"INGOT_MIRRORS='.*{key}"):
        sources_of(distribution)
