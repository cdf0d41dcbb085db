"""What all messages have in common.

A message is a Pydantic model whose fields stand in the order of the API's schema. Python sees snake_case
attributes and plain lists; the wire sees camelCase names, and lists inside a wrapper
(`<images><image/>…</images>`).
"""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


@dataclass(frozen=True)
class Items:
    """Marks a list that the wire wraps in an element; `name` is each item's element."""

    name: str


@dataclass(frozen=True)
class Lexical:
    """Marks a value whose form on the wire its Python type does not tell; `kind` is the schema's name for it."""

    kind: Literal["int", "long", "integer"]


@dataclass(frozen=True)
class Nillable:
    """Marks a field that documents must have: None is written as an element that is `xsi:nil`."""


def _normal(value: dt.datetime) -> dt.datetime:
    """In UTC, which a time without a zone is taken to be in, and in whole milliseconds, as documents have them."""
    value = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


Int = Annotated[int, Field(ge=-(2**31), lt=2**31), Lexical("int")]
Long = Annotated[int, Field(ge=-(2**63), lt=2**63), Lexical("long")]
Integer = Annotated[int, Lexical("integer")]
Float = Annotated[float, Field(allow_inf_nan=False)]
DateTime = Annotated[dt.datetime, AfterValidator(_normal)]


class Message(BaseModel):
    """A data type of the API."""

    # A process meets few of the 279 types: the others' validators would cost time at its start and memory ever after.
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", validate_assignment=True, defer_build=True
    )

    #: The root element that documents of this type have; None for types that only occur inside others.
    ELEMENT: ClassVar[str | None] = None
    #: Whether only its subtypes occur, named by xsi:type.
    ABSTRACT: ClassVar[bool] = False


class UriList(Message):
    """Addresses of other objects, relative to the API's base."""

    uri: list[str] = Field(default_factory=list)


class UForgeObject(Message):
    """An object with an identity; `digest` changes whenever the object does."""

    ABSTRACT: ClassVar[bool] = True

    created: DateTime | None = None
    db_id: Long | None = None
    digest: str | None = None
    last_modified: DateTime | None = None


class UForgeObjects(Message):
    """A list of objects, perhaps a page of it: `total` counts them all."""

    ABSTRACT: ClassVar[bool] = True

    total: Long | None = None


class OpStatus(UForgeObject):
    """Where an asynchronous operation is: `percentage` is 0 to 100."""

    ELEMENT: ClassVar[str | None] = "status"

    bytes_loaded: Long | None = None
    bytes_total: Long | None = None
    cancelled: bool | None = None
    complete: bool | None = None
    detailed_error: bool | None = None
    detailed_error_msg: str | None = None
    error: bool | None = None
    error_message: str | None = None
    eta: DateTime | None = None
    message: str | None = None
    parent_uri: str | None = None
    percentage: Int | None = None
    published: bool | None = None
    total_time: DateTime | None = None
    uri: str | None = None


class UForgeUploadObject(UForgeObject):
    """An object with a file: `size` is bytes."""

    ABSTRACT: ClassVar[bool] = True

    md5sum: str | None = Field(default=None, alias="md5sum")
    mime_type: str | None = None
    sha256sum: str | None = Field(default=None, alias="sha256sum")
    size: Long | None = None
    status: OpStatus | None = None
    uploaded: bool | None = None
    uploaded_time: DateTime | None = None
