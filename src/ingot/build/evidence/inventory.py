"""What is installed in a finished tree, as the tree's own package database says."""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from debian.deb822 import Deb822, PkgRelation

from ingot.build.evidence.component import Component, component_key, package_url
from ingot.build.evidence.licences import Licence, read_copyright
from ingot.build.evidence.rpm_inventory import rpm_components
from ingot.build.manifest import Manifest
from ingot.build.tree import files

_NEEDS = ("Pre-Depends", "Depends")
_INSTALLED = "install ok installed"


def installed_components(tree: Path, manifest: Manifest) -> list[Component]:
    """Everything that the tree's package database says is installed, by name."""
    return (rpm_components if manifest.distribution.family == "rpm" else _deb_components)(tree, manifest)


def _deb_components(tree: Path, manifest: Manifest) -> list[Component]:
    """Everything that dpkg's database says is installed, by name."""
    text = (tree / "var/lib/dpkg/status").read_text(encoding="utf-8", errors="replace")
    paragraphs = [
        paragraph
        for paragraph in Deb822.iter_paragraphs(text.splitlines(), use_apt_pkg=False)
        if paragraph.get("Status") == _INSTALLED
    ]
    package_files = {(package.name, package.version, package.arch): package for package in manifest.packages}
    providers = _providers(paragraphs)
    with ThreadPoolExecutor() as pool:
        licences = list(pool.map(lambda paragraph: _licence(tree, paragraph["Package"]), paragraphs))
    found = []
    for paragraph, licence in zip(paragraphs, licences, strict=True):
        name, version, arch = paragraph["Package"], paragraph["Version"], paragraph["Architecture"]
        source, source_version = _source(paragraph)
        found.append(
            Component(
                name=name,
                version=version,
                arch=arch,
                source=source,
                source_version=source_version,
                maintainer=paragraph.get("Maintainer", ""),
                homepage=paragraph.get("Homepage", ""),
                summary=paragraph.get("Description", "").partition("\n")[0],
                section=paragraph.get("Section", ""),
                licence=licence,
                depends=_depends(paragraph, providers),
                purl=package_url(manifest.distribution, name, version, arch),
                files=_file_count(tree, name, arch),
                file=package_files.get((name, version, arch)),
            )
        )
    return sorted(found, key=lambda component: component.key)


def _source(paragraph: Mapping[str, str]) -> tuple[str, str]:
    """(source package, its version), which dpkg only writes down where they differ from the package's own."""
    match = re.fullmatch(r"(\S+)(?:\s+\((.+)\))?", paragraph.get("Source", "").strip())
    if match is None:
        return paragraph["Package"], paragraph["Version"]
    return match[1], match[2] or paragraph["Version"]


def _providers(paragraphs: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """{package or virtual package: the keys of what is installed for it}."""
    providers: dict[str, list[str]] = {}
    for paragraph in paragraphs:
        key = component_key(paragraph["Package"], paragraph["Architecture"])
        for name in dict.fromkeys([paragraph["Package"], *_names(paragraph.get("Provides", ""))]):
            providers.setdefault(name, []).append(key)
    return providers


def _depends(paragraph: Mapping[str, str], providers: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    own = component_key(paragraph["Package"], paragraph["Architecture"])
    needed = {key for field in _NEEDS for name in _names(paragraph.get(field, "")) for key in providers.get(name, ())}
    return tuple(sorted(needed - {own}))


def _names(relations: str) -> list[str]:
    groups = PkgRelation.parse_relations(relations) if relations else []
    return [str(alternative["name"]) for group in groups for alternative in group]


def _licence(tree: Path, name: str) -> Licence:
    path = f"/usr/share/doc/{name}/copyright"
    file = files.inside(tree, path)
    if file.is_symlink():
        file = files.inside(tree, f"{path.rpartition('/')[0]}/{file.readlink()}")
    # A link that leads further might lead out of the tree.
    if file.is_symlink() or not file.is_file():
        return Licence()
    return read_copyright(file.read_text(encoding="utf-8", errors="replace"))


def _file_count(tree: Path, name: str, arch: str) -> int:
    for info_name in (name, f"{name}:{arch}"):
        listing = tree / f"var/lib/dpkg/info/{info_name}.list"
        if listing.exists():
            return listing.read_bytes().count(b"\n")
    return 0
