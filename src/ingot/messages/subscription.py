"""Subscription profiles: what new users get."""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.access import Quota, Role
from ingot.messages.base import Items, UForgeObject, UForgeObjects
from ingot.messages.distribution import Distribution
from ingot.messages.target import ImageFormat, TargetFormat, TargetPlatform
from ingot.messages.user import UserProfile


class SubscriptionProfile(UForgeObject):
    """What new users of an organisation get: distributions, formats, roles and quotas."""

    ELEMENT: ClassVar[str | None] = "subscriptionProfile"

    active: bool | None = None
    admins: Annotated[list[UserProfile] | None, Items("admin")] = None
    admins_uri: str | None = None
    code: str | None = None
    description: str | None = None
    distribs_uri: str | None = None
    distributions: Annotated[list[Distribution] | None, Items("distribution")] = None
    formats: Annotated[list[ImageFormat] | None, Items("format")] = None
    formats_uri: str | None = None
    target_platforms: Annotated[list[TargetPlatform] | None, Items("targetPlatform")] = None
    target_platforms_uri: str | None = None
    target_formats: Annotated[list[TargetFormat] | None, Items("targetFormat")] = None
    target_formats_uri: str | None = None
    name: str | None = None
    org_uri: str | None = None
    quotas: Annotated[list[Quota] | None, Items("quota")] = None
    quotas_uri: str | None = None
    roles: Annotated[list[Role] | None, Items("role")] = None
    roles_uri: str | None = None
    uri: str | None = None


class SubscriptionProfiles(UForgeObjects):
    """The subscription profiles of an organisation."""

    ELEMENT: ClassVar[str | None] = "subscriptionProfiles"

    subscription_profiles: Annotated[list[SubscriptionProfile], Items("subscriptionProfile")] = Field(
        default_factory=list
    )
