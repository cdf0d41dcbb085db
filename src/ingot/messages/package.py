"""Packages of a distribution and of an image."""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.base import DateTime, Int, Items, Message, UForgeObjects, UForgeUploadObject, UriList
from ingot.messages.common import License


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
    """A list of Image Pkg messages."""

    ELEMENT: ClassVar[str | None] = "imagePkgs"

    image_pkgs: Annotated[list[ImagePkg], Items("imagePkg")] = Field(default_factory=list)


class OASPkg(Pkg):
    """A package of the original's studio; kept for its place on the wire."""

    ELEMENT: ClassVar[str | None] = "oasPkg"

    license: License | None = None
    license_uploaded: bool | None = None
