"""Data types that the original's API does not have: they occur in operations below `/ingot` alone."""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.base import Items, Long, Message, UForgeObjects


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
