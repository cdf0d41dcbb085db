"""Pipelines: operations of several steps, such as migrations."""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.base import Items, Long, OpStatus, UForgeObject, UForgeObjects
from ingot.messages.distribution import DistributionFamily
from ingot.messages.image import Image, PublishImage


class Stage(UForgeObject):
    """One step of a pipeline."""

    ELEMENT: ClassVar[str | None] = "stage"

    pipeline_uri: str | None = None


class ScanStage(Stage):
    """The step that scans a machine."""

    ELEMENT: ClassVar[str | None] = "scanStage"

    family: DistributionFamily | None = None
    scanned_instance_uri: str | None = None


class GenerationStage(Stage):
    """The step that generates an image."""

    ELEMENT: ClassVar[str | None] = "generationStage"

    image: Image | None = None
    image_uri: str | None = None
    source_template_id: Long | None = None


class PublicationStage(Stage):
    """The step that publishes an image."""

    ELEMENT: ClassVar[str | None] = "publicationStage"

    publish_image: PublishImage | None = None
    publish_image_uri: str | None = None
    source_image_id: Long | None = None


class Pipeline(UForgeObject):
    """Steps that follow each other."""

    ELEMENT: ClassVar[str | None] = "pipeline"

    tag: str | None = None
    name: str | None = None
    status: OpStatus | None = None
    uri: str | None = None
    stages: Annotated[list[Stage] | None, Items("stage")] = None


class Pipelines(UForgeObjects):
    """Pipelines."""

    ELEMENT: ClassVar[str | None] = "pipelines"

    pipelines: Annotated[list[Pipeline], Items("pipeline")] = Field(default_factory=list)


class Migration(Pipeline):
    """The move of a running machine to another platform."""

    ELEMENT: ClassVar[str | None] = "migration"

    cancellable: bool | None = None


class Migrations(UForgeObjects):
    """Migrations of a user."""

    ELEMENT: ClassVar[str | None] = "migrations"

    migrations: Annotated[list[Migration], Items("migration")] = Field(default_factory=list)
