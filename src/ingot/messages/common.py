"""What many other messages carry: statuses, errors, addresses, logos."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ingot.messages.base import (
    DateTime,
    Int,
    Items,
    Message,
    OpStatus,
    UForgeObject,
    UForgeObjects,
    UForgeUploadObject,
)

CategoryType = Literal["PROJECT", "TEMPLATE", "IMAGEFORMAT"]


class LocalizedMessage(Message):
    """A message for people, with an identifier that does not depend on the language."""

    message: str | None = None
    message_id: str | None = None
    parameters: Annotated[list[str] | None, Items("parameter")] = None


class UForgeError(Message):
    """What every failed request is answered with."""

    ELEMENT: ClassVar[str | None] = "uforgeError"

    localized_error_msg: LocalizedMessage | None = None
    request_method: str | None = None
    request_uri: str | None = None
    status_code: Int | None = None
    timestamp: DateTime | None = None


class ServiceStatus(UForgeObject):
    """Whether the server is up, and which API version it speaks."""

    ELEMENT: ClassVar[str | None] = "serviceStatus"

    alive: bool | None = None
    version: str | None = None
    service_load: Int | None = None


class OpStatuses(UForgeObjects):
    """The statuses of several operations."""

    ELEMENT: ClassVar[str | None] = "statuses"

    statuses: Annotated[list[OpStatus], Items("status")] = Field(default_factory=list)


class Address(UForgeObject):
    """A postal address."""

    ELEMENT: ClassVar[str | None] = "address"

    country: str | None = None
    region_state: str | None = Field(default=None, alias="region_state")
    street: str | None = None
    town: str | None = None
    zipcode: str | None = None


class Logo(UForgeUploadObject):
    """A picture that stands for something."""

    ELEMENT: ClassVar[str | None] = "logo"

    description: str | None = None
    name: str | None = None
    parent_uri: str | None = None
    title: str | None = None
    uri: str | None = None


class License(UForgeUploadObject):
    """A licence text."""

    ELEMENT: ClassVar[str | None] = "license"

    name: str | None = None
    parent_uri: str | None = None
    type: str | None = None
    uri: str | None = None


class Company(UForgeObject):
    """A company."""

    ELEMENT: ClassVar[str | None] = "company"

    address: Address | None = None
    logo: Logo | None = None
    name: str | None = None
    parent_uri: str | None = None
    uri: str | None = None
    website: str | None = None


class Category(UForgeObject):
    """A category of an organisation, for templates, projects or target formats."""

    ELEMENT: ClassVar[str | None] = "category"

    name: str | None = None
    org_uri: str | None = None
    sub_categories: Annotated[list["Category"] | None, Items("category")] = None
    sub_category_uri: str | None = None
    uri: str | None = None
    type: CategoryType | None = None


class Categories(UForgeObjects):
    """Categories of an organisation."""

    ELEMENT: ClassVar[str | None] = "categories"

    categories: Annotated[list[Category], Items("category")] = Field(default_factory=list)


class Tag(UForgeObject):
    """A word that things can be found by."""

    ELEMENT: ClassVar[str | None] = "tag"

    name: str | None = None
    uri: str | None = None


class Companies(UForgeObjects):
    """Companies."""

    ELEMENT: ClassVar[str | None] = "companies"

    companies: Annotated[list[Company], Items("company")] = Field(default_factory=list)


class Licenses(UForgeObjects):
    """Licence texts."""

    ELEMENT: ClassVar[str | None] = "licenses"

    licenses: Annotated[list[License], Items("license")] = Field(default_factory=list)
