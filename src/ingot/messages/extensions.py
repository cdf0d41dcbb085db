"""Ingot's own types of accounts, publications and machines, for targets that the original did not know.

They are only shown to clients that ask for them: the original's clients refuse a whole list for one type they do not
know.
"""

from ingot.messages.account import CredAccount
from ingot.messages.image import PublishImage


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
