"""An installed package, as bills of materials describe it."""

from dataclasses import dataclass

from packageurl import PackageURL

from ingot.build.distributions import Distribution
from ingot.build.evidence.licences import Licence
from ingot.build.packages.repository import ResolvedPackage, join_version, split_version


@dataclass(frozen=True)
class Component:
    """An installed package. `depends` are the keys of installed packages that it needs; `file` is the package file it
    came from, where the manifest names it; `files` is how many files it has."""

    name: str
    version: str
    arch: str
    source: str
    source_version: str
    maintainer: str
    homepage: str
    summary: str
    section: str
    licence: Licence
    depends: tuple[str, ...]
    purl: str
    files: int
    file: ResolvedPackage | None

    @property
    def key(self) -> str:
        """What names it in this machine."""
        return component_key(self.name, self.arch)


def component_key(name: str, arch: str) -> str:
    """The name of an installed package that no other one has."""
    return f"{name}:{arch}"


def package_url(distribution: Distribution, name: str, version: str, arch: str) -> str:
    """The package URL of a package of a distribution."""
    system = distribution.name.lower().replace(" ", "-")
    qualifiers = {"arch": arch, "distro": f"{system}-{distribution.version}"}
    if distribution.family == "debian":
        return PackageURL("deb", system, name, version, qualifiers).to_string()
    epoch, upstream, release = split_version(version)
    if epoch is not None:
        qualifiers["epoch"] = str(epoch)
    return PackageURL("rpm", system, name, join_version(None, upstream, release), qualifiers).to_string()
