"""The bundles of a template: which of them apply, and of what files they are made."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingot.build import restriction
from ingot.build.addresses import is_remote
from ingot.build.contents import Contents
from ingot.build.errors import BuildError
from ingot.build.restriction import Facts
from ingot.build.template import BootScript, Bundle, BundleFile, Package

#: How the file of a package of the distribution's family ends, and of those that other families have.
PACKAGE_SUFFIXES = (".deb", ".rpm")
_FULL_NAME = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]+)_(?P<version>[^_]+)(_(?P<arch>[a-z0-9]+))?(\.deb)?")


@dataclass(frozen=True)
class Gathered:
    """The bundles that apply, with each file and directory named; {source: SHA-256} of all their files."""

    bundles: tuple[Bundle, ...]
    files: dict[str, str]


def applicable(bundles: Sequence[Bundle], facts: Facts) -> tuple[list[Bundle], list[Bundle]]:
    """The bundles that are meant for a distribution and a format, and those that are left out."""
    fitting: list[Bundle] = []
    left_out: list[Bundle] = []
    for bundle in bundles:
        rule = restriction.parse(bundle.restriction_rule or restriction.rule_of_systems(bundle.oses))
        (left_out if rule.fits(facts) is False else fitting).append(bundle)
    return fitting, left_out


def gather(bundles: Sequence[Bundle], contents: Contents) -> Gathered:
    """Name every file of directories, and hash everything; raises BuildError."""
    files: dict[str, str] = {}
    expanded = []
    for bundle in bundles:
        entries = tuple(_expanded(entry, contents, f"Bundle {bundle.name}") for entry in bundle.files)
        # It applies: to what else it might is no part of what is built.
        expanded.append(bundle.model_copy(update={"files": entries, "restriction_rule": "", "oses": ()}))
        for entry in _leaves(entries):
            if entry.tag != "ospkg" and entry.source is not None:
                files[entry.source] = contents.sha256(entry.source)
                if entry.sha256sum and entry.sha256sum.lower() != files[entry.source]:
                    raise BuildError(
                        f"Bundle {bundle.name}: {entry.name} is not as the template says: its SHA-256 is "
                        f"{files[entry.source]}, not {entry.sha256sum}."
                    )
        if bundle.license is not None:
            files[bundle.license.source] = contents.sha256(bundle.license.source)
    return Gathered(tuple(expanded), files)


def fetches(bundles: Sequence[Bundle]) -> bool:
    """Whether bundles have files that are fetched for each image, and may be others each time."""
    return any(entry.source and is_remote(entry.source) for bundle in bundles for entry in _leaves(bundle.files))


def boot_scripts(bundles: Sequence[Bundle]) -> list[BootScript]:
    """The boot scripts of bundles, as those of the template itself."""
    return [
        BootScript(name=entry.name, source=entry.source or "", frequency=entry.boot_type, order=entry.boot_order)
        for bundle in bundles
        for entry in bundle.files
        if entry.tag == "bootscript"
    ]


def distribution_packages(bundles: Sequence[Bundle]) -> list[Package]:
    """The packages of the distribution that bundles ask for, by their names or full names (`name_version_arch`)."""
    return [_package(entry.name) for bundle in bundles for entry in bundle.files if entry.tag == "ospkg"]


def installed_files(bundles: Sequence[Bundle]) -> list[BundleFile]:
    """The files of bundles that are packages to be installed."""
    return [entry for bundle in bundles for entry in _leaves(bundle.files) if is_installed(entry)]


def stage_packages(bundles: Sequence[Bundle], contents: Contents, pool: Path, suffix: str) -> list[Path]:
    """Put the package files of bundles into the cache's pool of packages; returns them, named by their SHA-256.

    `suffix` is how the distribution's packages end: others are refused.
    """
    staged = []
    pool.mkdir(parents=True, exist_ok=True)
    for entry in installed_files(bundles):
        if not entry.name.lower().endswith(suffix):
            raise BuildError(
                f"{entry.name} is no package of this distribution's kind ({suffix}). To only copy it: install: false"
            )
        source = entry.source or ""
        file = pool / f"{contents.sha256(source)}{suffix}"
        if not file.exists():
            with (
                contents.path(source).open("rb") as content,
                tempfile.NamedTemporaryFile(dir=pool, prefix="incoming-", delete=False) as draft,
            ):
                shutil.copyfileobj(content, draft, 1 << 20)
            Path(draft.name).rename(file)
        staged.append(file)
    return staged


def is_installed(entry: BundleFile) -> bool:
    """Whether a file is a package to be installed, and not only to be copied."""
    return entry.tag == "softwarefile" and entry.install and entry.name.lower().endswith(PACKAGE_SUFFIXES)


def _package(text: str) -> Package:
    match = _FULL_NAME.fullmatch(text)
    if match is None:
        return Package(name=text)
    version, _, release = match["version"].rpartition("-")
    epoch, colon, rest = version.partition(":")
    if colon:
        return Package(name=match["name"], epoch=int(epoch), version=rest, release=release, arch=match["arch"])
    return Package(name=match["name"], version=version or release, release=release if version else None)


def _expanded(entry: BundleFile, contents: Contents, whose: str) -> BundleFile:
    """A file as it is, a directory with all that is in it; what has no source is a directory."""
    if entry.tag == "ospkg" or entry.source is None or is_remote(entry.source):
        if entry.tag == "softwarefile" and entry.source is None:
            return _directory(entry, [_expanded(child, contents, whose) for child in entry.files])
        return entry
    if not contents.is_directory(entry.source):
        if entry.files:
            raise BuildError(f"{whose}: {entry.name} has files, but {entry.source} is no directory.")
        return entry
    children = entry.files or _listed(contents.path(entry.source), entry, whose)
    return _directory(entry, [_expanded(child, contents, whose) for child in children])


def _directory(entry: BundleFile, children: Sequence[BundleFile]) -> BundleFile:
    return entry.model_copy(update={"source": None, "files": tuple(children)})


def _listed(directory: Path, entry: BundleFile, whose: str) -> Iterator[BundleFile]:
    """The content of a directory, in order; it has the directory's rights and owner."""
    for path in sorted(directory.iterdir()):
        if path.is_symlink() and path.is_dir():
            raise BuildError(f"{whose}: {path} is a link to a directory: name the directory itself.")
        if not path.is_file() and not path.is_dir():
            raise BuildError(f"{whose}: {path} is neither a file nor a directory.")
        yield BundleFile(
            name=path.name,
            source=f"{entry.source}/{path.name}",
            rights=entry.rights,
            owner_group=entry.owner_group,
            install=entry.install,
        )


def _leaves(entries: Sequence[BundleFile]) -> Iterator[BundleFile]:
    for entry in entries:
        if entry.source is None and entry.tag == "softwarefile":
            yield from _leaves(entry.files)
        else:
            yield entry
