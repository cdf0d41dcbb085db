"""Roles, entitlements, quotas and keys: what a user may do."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ingot.messages.base import DateTime, Int, Items, Long, Message, UForgeObject, UForgeObjects

QuotaFrequency = Literal["monthly", "none"]
QuotaType = Literal["appliance", "diskusage", "generation", "scan"]


class Entitlement(Message):
    """A right, by name."""

    ELEMENT: ClassVar[str | None] = "entitlement"

    description: str | None = None
    name: str | None = None


class Entitlements(UForgeObjects):
    """Things that a user may do."""

    ELEMENT: ClassVar[str | None] = "entitlements"

    entitlements: Annotated[list[Entitlement], Items("entitlement")] = Field(default_factory=list)


class Role(UForgeObject):
    """A named set of entitlements."""

    ELEMENT: ClassVar[str | None] = "role"

    name: str | None = None
    description: str | None = None
    entitlements: Annotated[list[Entitlement] | None, Items("entitlement")] = None


class Roles(UForgeObjects):
    """Roles."""

    ELEMENT: ClassVar[str | None] = "roles"

    roles: Annotated[list[Role], Items("role")] = Field(default_factory=list)


class Quota(UForgeObject):
    """How much of something a user has used (`nb`) and may use (`limit`, -1 for no limit)."""

    ELEMENT: ClassVar[str | None] = "quota"

    frequency: QuotaFrequency | None = None
    limit: Long | None = None
    nb: Long | None = None
    renewal_date: DateTime | None = None
    type: QuotaType | None = None
    type_id: Int | None = None
    uri: str | None = None


class Quotas(UForgeObjects):
    """How much of each thing a user may have, and has."""

    ELEMENT: ClassVar[str | None] = "quotas"

    quotas: Annotated[list[Quota], Items("quota")] = Field(default_factory=list)


class APIKeyPair(UForgeObject):
    """A key pair that signs requests."""

    ELEMENT: ClassVar[str | None] = "apiKeyPair"

    name: str | None = None
    description: str | None = None
    public_key: str | None = None
    secret_key: str | None = None
    uri: str | None = None


class APIKeyPairs(UForgeObjects):
    """The API keys of a user."""

    ELEMENT: ClassVar[str | None] = "apiKeyPairs"

    api_key_pairs: Annotated[list[APIKeyPair], Items("apiKeyPair")] = Field(default_factory=list)


class SSHKey(UForgeObject):
    """A public key that may log in."""

    ELEMENT: ClassVar[str | None] = "sshKey"

    name: str | None = None
    public_key: str | None = None
    uri: str | None = None


class SSHKeys(UForgeObjects):
    """The SSH keys of a user."""

    ELEMENT: ClassVar[str | None] = "sshKeys"

    ssh_keys: Annotated[list[SSHKey], Items("sshKey")] = Field(default_factory=list)
