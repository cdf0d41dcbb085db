"""Container templates."""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.base import Items, UForgeObject, UForgeObjects
from ingot.messages.distribution import Distribution
from ingot.messages.image import Image
from ingot.messages.software import SoftwareBundle


class ContainerTemplate(UForgeObject):
    """A software bundle on a distribution, as a container."""

    ELEMENT: ClassVar[str | None] = "containerTemplate"

    uri: str | None = None
    software_bundle: SoftwareBundle | None = None
    distribution: Distribution | None = None
    images: Annotated[list[Image] | None, Items("image")] = None
    images_uri: str | None = None
    formats_uri: str | None = None


class ContainerTemplates(UForgeObjects):
    """Container templates."""

    ELEMENT: ClassVar[str | None] = "containerTemplates"

    container_templates: Annotated[list[ContainerTemplate], Items("containerTemplate")] = Field(default_factory=list)
