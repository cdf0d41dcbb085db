"""Which target a publication goes to: one table, loaded where it is used since the clouds' libraries are large."""

import importlib
from dataclasses import dataclass
from typing import Any

from ingot.messages import extension as _extension  # noqa: F401 - their types are among the subtypes
from ingot.messages.image import Image, PublishImage
from ingot.messages.table import subtype
from ingot.publish.target import PublishError, Target


@dataclass(frozen=True)
class Entry:
    """A type of publication: the types of its accounts, the image formats that its target takes (none for any), the
    fields that have to be there, and the target's module and class.
    """

    accounts: tuple[str, ...]
    formats: tuple[str, ...]
    required: tuple[str, ...]
    module: str
    target: str
    is_extension: bool = False


_OPENSTACK = ("openstackqcow2", "openstackvmdk", "openstackvhd", "openstackvdi", "qcow2", "raw")
TARGETS: dict[str, Entry] = {
    "PublishImageAws": Entry(("CredAccountAws",), ("aws", "raw"), ("region",), "aws", "AwsTarget"),
    "PublishImageAzure": Entry(
        ("CredAccountAzure",),
        ("azure",),
        ("storage_account", "container", "blob", "display_name"),
        "azure",
        "AzureTarget",
    ),
    "PublishImageDocker": Entry(
        ("CredAccountDocker",), ("docker", "openshift"), ("repository_name", "tag_name"), "registry", "RegistryTarget"
    ),
    "PublishImageGoogle": Entry(
        ("CredAccountGoogle",), ("google",), ("project_id", "bucket", "disk_name_prefix"), "google", "GoogleTarget"
    ),
    "PublishImageLibvirt": Entry(
        ("CredAccountLibvirt",),
        ("qcow2", "raw"),
        ("storage_pool", "display_name"),
        "libvirt",
        "LibvirtTarget",
        is_extension=True,
    ),
    "PublishImageOpenShift": Entry(
        ("CredAccountOpenShift",),
        ("docker", "openshift"),
        ("repository_name", "tag_name"),
        "registry",
        "RegistryTarget",
    ),
    "PublishImageOpenStack": Entry(
        ("CredAccountOpenStack",), _OPENSTACK, ("display_name",), "openstack", "OpenStackTarget"
    ),
    "PublishImageS3": Entry(("CredAccountS3",), (), ("bucket",), "s3", "S3Target", is_extension=True),
    "PublishImageWebDav": Entry(("CredAccountWebDav",), (), (), "webdav", "WebDavTarget", is_extension=True),
}
#: What their makers have ended, or what nobody has asked for since.
RETIRED = {
    "PublishImageCloudStack": "CloudStack fetched images from a plain web address: publish to a web server instead",
    "PublishImageCloudwatt": "Cloudwatt ended in 2020",
    "PublishImageK5": "Fujitsu K5 ended in 2021",
    "PublishImageOracle": "Oracle's classic cloud ended: publish to an object store and import the image from there",
    "PublishImageOutscale": "Outscale takes images from its object store: publish there and import the snapshot",
    "PublishImageSuseCloud": "SUSE OpenStack Cloud ended in 2022: publish to OpenStack",
    "PublishImageVCloudDirector": "vCloud Director is not supported: download the image as OVA and upload that",
    "PublishImageVSphere": "vSphere is not supported yet: download the image as OVA and deploy that",
}


def entry_of(kind: str) -> Entry:
    """The entry of a type of publication; raises PublishError for one that nothing can be published to."""
    if kind in TARGETS:
        return TARGETS[kind]
    if kind in RETIRED:
        raise PublishError(f"Nothing can be published as a {kind}: {RETIRED[kind]}.")
    raise PublishError(f"A {kind} is no publication: its xsi:type says which of {', '.join(TARGETS)} it is.")


def check(image: PublishImage, image_format: str) -> None:
    """Refuse at once what cannot work: another format, a field that is missing. Raises PublishError."""
    entry = entry_of(type(image).__name__)
    if entry.formats and image_format not in entry.formats:
        raise PublishError(
            f"An image of the format {image_format} cannot be published there: generate one as "
            f"{' or '.join(entry.formats)}."
        )
    missing = [str(type(image).model_fields[name].alias) for name in entry.required if not getattr(image, name)]
    if missing:
        raise PublishError(f"The publication lacks {', '.join(missing)}.")


def own_fields(image: type[PublishImage]) -> tuple[str, ...]:
    """The fields that a type of publication has beyond those of all, by attribute."""
    common = {*Image.model_fields, *PublishImage.model_fields}
    return tuple(name for name in image.model_fields if name not in common)


def kind_for(account_kind: str) -> str:
    """The type of publication that is made with a type of account; raises PublishError where nothing can be."""
    for kind, entry in TARGETS.items():
        if account_kind in entry.accounts:
            return kind
    return entry_of(account_kind.replace("CredAccount", "PublishImage")).target


def target_of(image: PublishImage) -> type[Target[Any, Any]]:
    """The class that publishes an image of this type; raises PublishError."""
    entry = entry_of(type(image).__name__)
    module = importlib.import_module(f"ingot.publish.{entry.module}")
    chosen: type[Target[Any, Any]] = getattr(module, entry.target)
    return chosen


def message_type(kind: str) -> type[PublishImage]:
    """The type of publication of this name."""
    return subtype(PublishImage, kind)
