"""Which target a publication goes to: one table, loaded where it is used since the clouds' libraries are large."""

import importlib
from dataclasses import dataclass
from typing import Any

from ingot.messages.image import PublishImage
from ingot.publish.target import PublishError, Target


@dataclass(frozen=True)
class Entry:
    """A type of publication: the types of its accounts, and the module and class of its target."""

    accounts: tuple[str, ...]
    module: str
    target: str


TARGETS: dict[str, Entry] = {
    "PublishImageAws": Entry(("CredAccountAws",), "aws", "AwsTarget"),
    "PublishImageAzure": Entry(("CredAccountAzure",), "azure", "AzureTarget"),
    "PublishImageDocker": Entry(("CredAccountDocker",), "registry", "RegistryTarget"),
    "PublishImageGoogle": Entry(("CredAccountGoogle",), "google", "GoogleTarget"),
    "PublishImageLibvirt": Entry(("CredAccountLibvirt",), "libvirt", "LibvirtTarget"),
    "PublishImageOpenShift": Entry(("CredAccountOpenShift",), "registry", "RegistryTarget"),
    "PublishImageOpenStack": Entry(("CredAccountOpenStack",), "openstack", "OpenStackTarget"),
    "PublishImageS3": Entry(("CredAccountS3",), "s3", "S3Target"),
    "PublishImageWebDav": Entry(("CredAccountWebDav",), "webdav", "WebDavTarget"),
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


def target_of(image: PublishImage) -> type[Target[Any, Any]]:
    """The class that publishes an image of this type; raises PublishError."""
    entry = entry_of(type(image).__name__)
    module = importlib.import_module(f"ingot.publish.{entry.module}")
    chosen: type[Target[Any, Any]] = getattr(module, entry.target)
    return chosen
