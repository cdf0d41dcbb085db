"""Data types that the original's API does not have.

Lists of the original's operations show none of them: its clients refuse a whole list for one type they do not know.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.account import CredAccount
from ingot.messages.base import Items, Long, Message, UForgeObjects
from ingot.messages.image import PublishImage


class EvidenceFile(Message):
    """A file of an image's evidence. `size` is bytes; `type` its media type; `uri` where its content is."""

    ELEMENT: ClassVar[str | None] = "evidenceFile"

    name: str | None = None
    type: str | None = None
    size: Long | None = None
    sha256sum: str | None = Field(default=None, alias="sha256sum")
    uri: str | None = None


class EvidenceFiles(UForgeObjects):
    """The evidence of an image."""

    ELEMENT: ClassVar[str | None] = "evidenceFiles"

    files: Annotated[list[EvidenceFile], Items("evidenceFile")] = Field(default_factory=list)


class CredAccountLibvirt(CredAccount):
    """A host that runs libvirt. `connection_uri` is libvirt's (`qemu:///system`, `qemu+ssh://user@host/system`);
    `ssh_key` is the private key of a connection by SSH, `host_keys` the lines of known_hosts that it trusts."""

    connection_uri: str | None = None
    ssh_key: str | None = None
    host_keys: str | None = None


class CredAccountS3(CredAccount):
    """An object store that speaks S3."""

    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key_id: str | None = None


class CredAccountWebDav(CredAccount):
    """A web server that takes files by PUT, with or without WebDAV."""

    endpoint_url: str | None = None
    login: str | None = None
    password: str | None = None


class PublishImageLibvirt(PublishImage):
    """An image in a storage pool of a libvirt host, as a volume of this name."""

    storage_pool: str | None = None
    display_name: str | None = None
    network: str | None = None


class PublishImageS3(PublishImage):
    """An image as an object; `key` may have directories."""

    bucket: str | None = None
    key: str | None = None


class PublishImageWebDav(PublishImage):
    """An image as a file below the account's address."""

    path: str | None = None
