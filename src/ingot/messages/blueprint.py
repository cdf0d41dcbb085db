"""Blueprints: services that are deployed together."""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.appliance import Appliance
from ingot.messages.base import Items, Message, UForgeObject, UForgeObjects
from ingot.messages.deployment import ApplianceSummary, BlueprintSummary
from ingot.messages.pipeline import Pipeline


class BlueprintService(Message):
    """A service of a blueprint, and the appliance it runs on."""

    ELEMENT: ClassVar[str | None] = "blueprintService"

    service_id: str
    appliance_summary: ApplianceSummary


class BlueprintServices(UForgeObjects):
    """The services of a blueprint."""

    ELEMENT: ClassVar[str | None] = "blueprintServices"

    blueprint_services: Annotated[list[BlueprintService], Items("blueprintService")] = Field(default_factory=list)


class BlueprintPipeline(Pipeline):
    """The deployment of a blueprint in steps; each cloud has its own type."""

    ELEMENT: ClassVar[str | None] = "blueprintPipeline"
    ABSTRACT: ClassVar[bool] = True

    blueprint_uri: str | None = None
    cred_account_uri: str | None = None


class BlueprintPipelineAws(BlueprintPipeline):
    """The deployment of a blueprint at Amazon Web Services, in steps."""

    region: str | None = None


class BlueprintPipelineAzure(BlueprintPipeline):
    """The deployment of a blueprint at Microsoft Azure, in steps."""

    storage_account: str | None = None


class BlueprintPipelines(UForgeObjects):
    """Deployments of blueprints in steps."""

    ELEMENT: ClassVar[str | None] = "blueprintPipelines"

    blueprint_pipelines: Annotated[list[BlueprintPipeline], Items("blueprintPipeline")] = Field(default_factory=list)


class Blueprint(UForgeObject):
    """Services that are deployed together."""

    ELEMENT: ClassVar[str | None] = "blueprint"

    name: str
    version: str
    revision: str | None = None
    uri: str | None = None
    description: str | None = None
    yaml: str | None = None
    deploy_uri: str | None = None
    blueprint_services: Annotated[list[BlueprintService], Items("blueprintService")] = Field(default_factory=list)
    predeploy_uri: str | None = None
    prepare_uri: str | None = None
    pipelines: Annotated[list[Pipeline], Items("pipeline")] = Field(default_factory=list)


class Blueprints(UForgeObjects):
    """Blueprints of a user."""

    ELEMENT: ClassVar[str | None] = "blueprints"

    blueprints: Annotated[list[Blueprint], Items("blueprint")] = Field(default_factory=list)


class BlueprintsSummaries(UForgeObjects):
    """Blueprints, in short."""

    ELEMENT: ClassVar[str | None] = "blueprintsSummaries"

    blueprints_summaries: Annotated[list[BlueprintSummary], Items("BlueprintSummary")] = Field(default_factory=list)


class BlueprintDeployment(UForgeObject):
    """What a blueprint is deployed with."""

    ELEMENT: ClassVar[str | None] = "blueprintDeployment"

    name: str
    cred_account_uri: str | None = None


class BlueprintDeploymentAws(BlueprintDeployment):
    """What a blueprint is deployed with at Amazon Web Services."""

    region: str | None = None


class BlueprintDeploymentAzure(BlueprintDeployment):
    """What a blueprint is deployed with at Microsoft Azure."""

    region: str | None = None
    storage_account: str | None = None


class BlueprintPredeploy(Message):
    """How far the appliances of a blueprint are from being deployed."""

    ELEMENT: ClassVar[str | None] = "blueprintPredeploy"

    ready_appliances: Annotated[list[Appliance], Items("readyAppliances")] = Field(default_factory=list)
    publication_ongoing_appliances: Annotated[list[Appliance], Items("publicationOngoingAppliances")] = Field(
        default_factory=list
    )
    non_published_appliances: Annotated[list[Appliance], Items("nonPublishedAppliances")] = Field(default_factory=list)
    non_generated_appliances: Annotated[list[Appliance], Items("nonGeneratedAppliances")] = Field(default_factory=list)
    generation_ongoing_appliances: Annotated[list[Appliance], Items("generationOngoingAppliances")] = Field(
        default_factory=list
    )
    interactive_profile_appliances: Annotated[list[Appliance], Items("interactiveProfileAppliances")] = Field(
        default_factory=list
    )
