"""Image formats, and the target formats and platforms that organisations offer on top of them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ingot.messages.base import Items, UForgeObject, UForgeObjects, UriList
from ingot.messages.common import Category, Logo

ImageFormatName = Literal[
    "aws",
    "azure",
    "cloudburstvmware",
    "cloudstackova",
    "cloudstackqcow2",
    "cloudstackvhd",
    "cloudsigmaraw",
    "cloudwatt",
    "docker",
    "esx",
    "google",
    "hyper-v",
    "hyperv2012",
    "ISO",
    "PXE",
    "kvm",
    "k5vmdk",
    "lxc",
    "openshift",
    "openstackqcow2",
    "openstackvdi",
    "openstackvhd",
    "openstackvmdk",
    "outscale",
    "oracleraw",
    "ovf",
    "ovf09",
    "qcow2",
    "raw",
    "susecloud",
    "targz",
    "vagrant",
    "vbox",
    "vcenter",
    "vcloud",
    "vhd",
    "vmware",
    "xen",
    "xenserver",
]
TargetFormatType = Literal["cloud", "virtual", "container", "physical"]
TargetFormatCredAccountType = Literal[
    "aws",
    "outscale",
    "azure",
    "google",
    "cloudstack",
    "openstack",
    "openshift",
    "vclouddirector",
    "vsphere",
    "k5",
    "docker",
    "oracle",
]
TargetPlatformType = Literal[
    "aws",
    "outscale",
    "azure",
    "google",
    "cloudstack",
    "openstack",
    "vclouddirector",
    "vsphere",
    "k5",
    "docker",
    "oracle",
    "openshift",
]


class ImageFormat(UForgeObject):
    """A format that images can be generated in."""

    ELEMENT: ClassVar[str | None] = "imageFormat"

    access: bool | None = None
    active: bool | None = None
    name: ImageFormatName | None = None
    preselected: bool | None = None
    uri: str | None = None


class ImageFormats(UForgeObjects):
    """Image formats."""

    ELEMENT: ClassVar[str | None] = "imageFormats"

    image_formats: Annotated[list[ImageFormat], Items("imageFormat")] = Field(default_factory=list)


class TargetFormat(UForgeObject):
    """An image format as an organisation offers it, under a name of its own."""

    ELEMENT: ClassVar[str | None] = "targetFormat"

    name: str | None = None
    logo: Logo | None = None
    format: ImageFormat | None = None
    category: Category | None = None
    type: TargetFormatType | None = None
    cred_account_type: TargetFormatCredAccountType | None = None
    target_platforms_uri: str | None = None
    target_platforms_uri_list: UriList | None = None
    cred_infos: str | None = None
    image_infos: str | None = None
    publish_infos: str | None = None
    access: bool | None = None
    active: bool | None = None
    preselected: bool | None = None
    uri: str | None = None


class TargetFormats(UForgeObjects):
    """Target formats."""

    ELEMENT: ClassVar[str | None] = "targetFormats"

    target_formats: Annotated[list[TargetFormat], Items("targetFormat")] = Field(default_factory=list)


class TargetPlatform(UForgeObject):
    """A cloud or virtualisation platform that images can be published to."""

    ELEMENT: ClassVar[str | None] = "targetPlatform"

    name: str | None = None
    logo: Logo | None = None
    type: TargetPlatformType | None = None
    target_formats_uri: str | None = None
    target_formats_uri_list: UriList | None = None
    account_infos: str | None = None
    access: bool | None = None
    active: bool | None = None
    uri: str | None = None


class TargetPlatforms(UForgeObjects):
    """Target platforms."""

    ELEMENT: ClassVar[str | None] = "targetPlatforms"

    target_platforms: Annotated[list[TargetPlatform], Items("targetPlatform")] = Field(default_factory=list)
