"""The types of cloud accounts: which of their fields are secrets, and which say whom those are shown to."""

from dataclasses import dataclass

from ingot.messages.account import (
    CredAccount,
    CredAccountAws,
    CredAccountAzure,
    CredAccountCert,
    CredAccountCloudStack,
    CredAccountCloudwatt,
    CredAccountDocker,
    CredAccountGoogle,
    CredAccountK5,
    CredAccountOpenShift,
    CredAccountOpenStack,
    CredAccountOracle,
    CredAccountOutscale,
    CredAccountSuseCloud,
    CredAccountVCloudDirector,
    CredAccountVSphere,
)
from ingot.messages.extension import CredAccountLibvirt, CredAccountS3, CredAccountWebDav


@dataclass(frozen=True)
class Kind:
    """A type of account: which platform it is for, which of its fields are secrets, and which say whom they are
    shown to.
    """

    message: type[CredAccount]
    platform: str | None
    secrets: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    #: Secrets that an account may do without: a host that is this one, a server without a login.
    optional_secrets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The type's name in documents and in the database."""
        return self.message.__name__

    @property
    def details(self) -> tuple[str, ...]:
        """The fields of this type that are no secrets."""
        common = CredAccountCert.model_fields
        return tuple(name for name in self.message.model_fields if name not in common and name not in self.secrets)


_PASSWORD = ("password",)
_KEYSTONE = ("glance_url", "keystone_url")
_VMWARE = ("hostname", "port", "proxy_host", "proxy_port")
KINDS = {
    kind.name: kind
    for kind in (
        Kind(CredAccountAws, "aws", ("secret_access_key_id",)),
        Kind(CredAccountAzure, "azure", ("application_key",), ("endpoint_url",)),
        Kind(CredAccountCloudStack, "cloudstack", ("secret_api_key",), ("endpoint_url",)),
        Kind(CredAccountCloudwatt, "openstack", _PASSWORD, _KEYSTONE),
        Kind(CredAccountDocker, "docker", _PASSWORD, ("endpoint_url",), _PASSWORD),
        Kind(CredAccountGoogle, "google"),
        Kind(CredAccountLibvirt, None, ("ssh_key",), ("connection_uri", "host_keys"), ("ssh_key",)),
        Kind(CredAccountK5, "k5", _PASSWORD),
        Kind(CredAccountOpenShift, "openshift", ("token",), ("registry_url",)),
        Kind(CredAccountOpenStack, "openstack", _PASSWORD, _KEYSTONE, _PASSWORD),
        Kind(CredAccountOracle, "oracle", _PASSWORD, ("domain_name",)),
        Kind(CredAccountOutscale, "outscale", ("secret_access_key_id",)),
        Kind(CredAccountS3, None, ("secret_access_key_id",), ("endpoint_url",)),
        Kind(CredAccountSuseCloud, "openstack", _PASSWORD, _KEYSTONE),
        Kind(CredAccountVCloudDirector, "vclouddirector", _PASSWORD, _VMWARE),
        Kind(CredAccountVSphere, "vsphere", _PASSWORD, _VMWARE),
        Kind(CredAccountWebDav, None, _PASSWORD, ("endpoint_url",), _PASSWORD),
    )
}

#: Accounts that only clients which know of them can read.
EXTENSIONS = frozenset(kind.name for kind in KINDS.values() if kind.platform is None)
