"""Cloud accounts, one type per cloud."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ingot.messages.base import Int, Items, UForgeObject, UForgeObjects, UForgeUploadObject, UriList
from ingot.messages.target import TargetPlatform

CertificateType = Literal["ec2KeyPairPrivateKey", "ec2PrivateKey", "googleCertificate", "uForgeCertificate", "x509"]


class Certificate(UForgeUploadObject):
    """A certificate or key of a cloud account."""

    ELEMENT: ClassVar[str | None] = "certificate"

    content: bytes | None = None
    name: str | None = None
    parent_uri: str | None = None
    type: CertificateType | None = None
    uri: str | None = None


class CredAccount(UForgeObject):
    """A cloud account; each cloud has its own type."""

    ELEMENT: ClassVar[str | None] = "credAccount"
    ABSTRACT: ClassVar[bool] = True

    name: str | None = None
    parent_uri: str | None = None
    uri: str | None = None
    target_platform: TargetPlatform | None = None
    secrets_missing: bool | None = None


class CredAccountCert(CredAccount):
    """A cloud account with certificates."""

    ABSTRACT: ClassVar[bool] = True

    base_certificates_uri: str | None = None
    certificates: Annotated[list[Certificate] | None, Items("certificate")] = None
    certificate_uris: UriList | None = None


class CredAccountAws(CredAccountCert):
    """An account at Amazon Web Services."""

    access_key_id: str | None = None
    account_number: str | None = None
    key_pair_name: str | None = None
    secret_access_key_id: str | None = None


class CredAccountAzure(CredAccount):
    """An account at Microsoft Azure."""

    tenant_id: str | None = None
    subscription_id: str | None = None
    application_id: str | None = None
    application_key: str | None = None
    endpoint_url: str | None = None


class CredAccountCloudStack(CredAccount):
    """An account at CloudStack."""

    endpoint_url: str | None = None
    public_api_key: str | None = None
    secret_api_key: str | None = None


class CredAccountCloudwatt(CredAccount):
    """An account at Cloudwatt."""

    glance_url: str | None = None
    keystone_url: str | None = None
    login: str | None = None
    password: str | None = None


class CredAccountDocker(CredAccount):
    """An account at a Docker registry."""

    endpoint_url: str | None = None
    login: str | None = None
    password: str | None = None


class CredAccountGoogle(CredAccountCert):
    """An account at Google Cloud."""


class CredAccountK5(CredAccount):
    """An account at Fujitsu K5."""

    login: str | None = None
    password: str | None = None


class CredAccountOpenShift(CredAccount):
    """An account at OpenShift."""

    registry_url: str | None = None
    token: str | None = None


class CredAccountOpenStack(CredAccount):
    """An account at OpenStack."""

    glance_url: str | None = None
    keystone_url: str | None = None
    login: str | None = None
    password: str | None = None
    keystone_version: str | None = None


class CredAccountOracle(CredAccount):
    """An account at Oracle Cloud."""

    login: str | None = None
    password: str | None = None
    domain_name: str | None = None


class CredAccountOutscale(CredAccount):
    """An account at Outscale."""

    access_key_id: str | None = None
    account_number: str | None = None
    key_pair_name: str | None = None
    secret_access_key_id: str | None = None


class CredAccountSuseCloud(CredAccount):
    """An account at SUSE Cloud."""

    glance_url: str | None = None
    keystone_url: str | None = None
    login: str | None = None
    password: str | None = None


class CredAccountVCloudDirector(CredAccount):
    """An account at VMware vCloud Director."""

    hostname: str | None = None
    organization_name: str | None = None
    login: str | None = None
    password: str | None = None
    port: Int | None = None
    proxy_host: str | None = None
    proxy_port: Int | None = None


class CredAccountVSphere(CredAccount):
    """An account at VMware vSphere."""

    hostname: str | None = None
    login: str | None = None
    password: str | None = None
    port: Int | None = None
    proxy_host: str | None = None
    proxy_port: Int | None = None


class Certificates(UForgeObjects):
    """The certificates and keys of a cloud account."""

    ELEMENT: ClassVar[str | None] = "certificates"

    certificates: Annotated[list[Certificate], Items("certificate")] = Field(default_factory=list)


class CredAccounts(UForgeObjects):
    """The cloud accounts of a user."""

    ELEMENT: ClassVar[str | None] = "credAccounts"

    cred_accounts: Annotated[list[CredAccount], Items("credAccount")] = Field(default_factory=list)
