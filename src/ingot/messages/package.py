"""Packages of a distribution and of an image."""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.base import (
    DateTime,
    Int,
    Items,
    Long,
    Message,
    UForgeObject,
    UForgeObjects,
    UForgeUploadObject,
    UriList,
)
from ingot.messages.common import Company, License


class Pkg(UForgeUploadObject):
    """A package. Sizes are bytes."""

    ELEMENT: ClassVar[str | None] = "package"

    arch: str | None = None
    binary_uri: str | None = None
    default: bool | None = None
    extract: bool | None = None
    full_name: str | None = None
    install: bool | None = None
    install_location: str | None = None
    language: bool | None = None
    name: str | None = None
    orig_name: str | None = None
    params: str | None = None
    parent_uri: str | None = None
    pkg_build_date: DateTime | None = None
    pkg_file_date: DateTime | None = None
    release: str | None = None
    short_tag: str | None = None
    repository_name: str | None = None
    sticky: bool | None = None
    type: str | None = None
    uri: str | None = None
    version: str | None = None
    epoch: Int | None = None


class PkgList(Message):
    """Packages, and changes to a list of them."""

    ELEMENT: ClassVar[str | None] = "packages"

    added_pkg_uris: UriList | None = None
    deleted_pkg_uris: UriList | None = None
    pkgs: Annotated[list[Pkg], Items("pkg")] = Field(default_factory=list)


class ImagePkg(Message):
    """A package of an image with its distance from what was asked for."""

    ELEMENT: ClassVar[str | None] = "imagePkg"

    level: Int | None = None
    native_from_distribution: bool | None = Field(default=None, alias="native_from_distribution")
    pkg: Pkg | None = None


class ImagePkgs(UForgeObjects):
    """The packages of an image."""

    ELEMENT: ClassVar[str | None] = "imagePkgs"

    image_pkgs: Annotated[list[ImagePkg], Items("imagePkg")] = Field(default_factory=list)


class OASPkg(Pkg):
    """A package of the original's studio; kept for its place on the wire."""

    ELEMENT: ClassVar[str | None] = "oasPkg"

    license: License | None = None
    license_uploaded: bool | None = None


class PkgGroup(UForgeObject):
    """A group of packages that belong together. Sizes are bytes."""

    ELEMENT: ClassVar[str | None] = "pkgGroup"

    category: str | None = None
    company: Company | None = None
    description: str | None = None
    distribution_uri: str | None = None
    distro_id: Long | None = None
    installed_size: Long | None = None
    license: License | None = None
    name: str | None = None
    packages_uri: str | None = None
    package_uris: UriList | None = None
    release: str | None = None
    restricted: bool | None = None
    size: Long | None = None
    tag: str | None = None
    uri: str | None = None
    version: str | None = None
    packages: Annotated[list[Pkg] | None, Items("pkg")] = None


class Service(PkgGroup):
    """A group of packages that runs as a service."""

    ELEMENT: ClassVar[str | None] = "service"

    boot_service: bool | None = None


class Services(UForgeObjects):
    """Services of a distribution."""

    ELEMENT: ClassVar[str | None] = "services"

    services: Annotated[list[Service], Items("service")] = Field(default_factory=list)


class PkgUpdateInfo(UForgeObject):
    """Why a package was updated."""

    ELEMENT: ClassVar[str | None] = "packageUpdateInfo"

    date: DateTime | None = None
    description: str | None = None
    source: str | None = None
    source_id: str | None = None
    type: str | None = None


class PkgUpdateInfoList(UForgeObjects):
    """The updates of a package."""

    ELEMENT: ClassVar[str | None] = "pkgUpdateInfoList"

    pkg_update_info_list: Annotated[list[PkgUpdateInfo], Items("pkgUpdateInfo")] = Field(default_factory=list)


class OSUpdate(Message):
    """A package with its newer version, or what changed at one date."""

    ELEMENT: ClassVar[str | None] = "osUpdate"

    curr_pkg: Pkg | None = None
    date: DateTime | None = None
    new_pkg: Pkg | None = None
    num_updates: Int | None = None
    pkgs: Annotated[list[Pkg] | None, Items("pkg")] = None


class OSUpdates(Message):
    """The updates that an appliance can have."""

    ELEMENT: ClassVar[str | None] = "osUpdates"

    avail_updates: Annotated[list[OSUpdate] | None, Items("update")] = None
    os_eol_date: DateTime | None = Field(default=None, alias="osEOLDate")
    os_release_date: DateTime | None = None
    simulation: Annotated[list[OSUpdate] | None, Items("update")] = None
    simulation_date: DateTime | None = None
