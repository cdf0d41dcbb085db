"""What is installed in a tree of RPM packages, as the tree's own database says."""

from collections.abc import Mapping
from pathlib import Path

from license_expression import ExpressionError, get_spdx_licensing

from ingot.build.evidence.component import Component, component_key, package_url
from ingot.build.evidence.licences import Licence
from ingot.build.families.rpm import query
from ingot.build.manifest import Manifest
from ingot.build.packages.repository import join_version

_FIELDS = (
    "NAME",
    "EPOCHNUM",
    "VERSION",
    "RELEASE",
    "ARCH",
    "SOURCERPM",
    "VENDOR",
    "URL",
    "SUMMARY",
    "GROUP",
    "LICENSE",
)
_LISTS = ("REQUIRENAME", "PROVIDENAME", "FILENAMES")
#: Keys are packages too in RPM's database.
_KEYS = "gpg-pubkey"


def rpm_components(tree: Path, manifest: Manifest) -> list[Component]:
    """Everything that RPM's database says is installed, by name."""
    entries = [entry for entry in query(tree, _FIELDS, _LISTS) if entry["NAME"] != [_KEYS]]
    package_files = {(package.name, package.version, package.arch): package for package in manifest.packages}
    providers: dict[str, list[str]] = {}
    for entry in entries:
        for name in (*entry["PROVIDENAME"], *entry["FILENAMES"]):
            providers.setdefault(name, []).append(component_key(entry["NAME"][0], entry["ARCH"][0]))
    found = []
    for entry in entries:
        words = {field: "" if entry[field] == ["(none)"] else entry[field][0] for field in _FIELDS}
        epoch = int(words["EPOCHNUM"]) or None
        version = join_version(epoch, words["VERSION"], words["RELEASE"])
        key = component_key(words["NAME"], words["ARCH"])
        source, source_version = _source(words)
        needed = {one for name in entry["REQUIRENAME"] for one in providers.get(name, ())}
        found.append(
            Component(
                name=words["NAME"],
                version=version,
                arch=words["ARCH"],
                source=source,
                source_version=source_version,
                maintainer=words["VENDOR"],
                homepage=words["URL"],
                summary=words["SUMMARY"],
                section=words["GROUP"],
                licence=_licence(words["LICENSE"]),
                depends=tuple(sorted(needed - {key})),
                purl=package_url(manifest.distribution, words["NAME"], version, words["ARCH"]),
                files=len(entry["FILENAMES"]),
                file=package_files.get((words["NAME"], version, words["ARCH"])),
            )
        )
    return sorted(found, key=lambda component: component.key)


def _source(words: Mapping[str, str]) -> tuple[str, str]:
    """(source package, its version) from the name of its file: name-version-release.src.rpm."""
    name, separator, release = words["SOURCERPM"].removesuffix(".src.rpm").rpartition("-")
    name, separator, version = name.rpartition("-")
    return (name, f"{version}-{release}") if separator else (words["NAME"], f"{words['VERSION']}-{words['RELEASE']}")


def _licence(text: str) -> Licence:
    """Newer packages declare their licence in SPDX's words; of older ones' there is nothing to be said."""
    try:
        return Licence(str(get_spdx_licensing().parse(text, validate=True, simple=True)))
    except ExpressionError:
        return Licence()
