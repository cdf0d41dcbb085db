"""Machines that run somewhere."""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.base import DateTime, Int, Items, Long, Message, UForgeObject, UForgeObjects


class Location(Message):
    """Where a machine runs."""

    ELEMENT: ClassVar[str | None] = "location"

    name: str | None = None
    provider: str | None = None
    credentials_uri: str | None = None


class InstanceDisk(UForgeObject):
    """A disk of a running machine."""

    size: Long | None = None


class SourceSummary(UForgeObject):
    """What a running machine was made from."""

    ELEMENT: ClassVar[str | None] = "sourceSummary"
    ABSTRACT: ClassVar[bool] = True

    name: str | None = None
    uri: str | None = None


class DeploymentStream(UForgeObject):
    """An output of a deployment's activity."""

    ELEMENT: ClassVar[str | None] = "deploymentStream"

    type: str | None = None
    content: str | None = None
    size: Int | None = None


class DeploymentActivity(UForgeObject):
    """Something that a deployment did."""

    ELEMENT: ClassVar[str | None] = "deploymentActivity"

    description: str | None = None
    display_name: str | None = None
    status_detail: str | None = None
    start_time_utc: Long | None = None
    end_time_utc: Long | None = None
    status_summary: str | None = None
    is_done: bool | None = None
    is_error: bool | None = None
    is_submitted: bool | None = None
    is_begun: bool | None = None
    is_effector: bool | None = None
    id: str | None = None
    parent_id: str | None = None
    children: Annotated[list["DeploymentActivity"], Items("deploymentActivity")] = Field(default_factory=list)
    deployment_activity_streams: Annotated[list[DeploymentStream] | None, Items("stream")] = Field(
        default=None, alias="DeploymentActivityStreams"
    )


class Instance(UForgeObject):
    """A running machine."""

    ELEMENT: ClassVar[str | None] = "instance"

    entity_type: str | None = None
    hardware: str | None = None
    cores: Int | None = None
    memory: Int | None = None
    disks: Annotated[list[InstanceDisk] | None, Items("disks")] = None
    location: Location | None = None
    hostname: str | None = None
    instance_id: str | None = None
    name: str | None = None
    creation_date: DateTime | None = None
    source_summary: SourceSummary | None = None
    state: str | None = None
    state_message: str | None = None
    parent_uri: str | None = None
    uri: str | None = None
    cloud_provider: str | None = None
    ssh_key_name: str | None = None
    login_user: str | None = None
    winrm_address: str | None = None
    activities: Annotated[list[DeploymentActivity] | None, Items("deploymentActivity")] = None


class InstanceAmazon(Instance):
    """A machine at Amazon EC2."""

    instance_type: str | None = None
    user_name: str | None = None
    user_password: str | None = None


class InstanceAzure(Instance):
    """A machine at Microsoft Azure."""

    user_name: str | None = None
    user_password: str | None = None
    user_ssh_key: str | None = None


class InstanceCloudStack(Instance):
    """A machine at CloudStack."""

    group: str | None = None
    offering_name: str | None = None
    zone_id: str | None = None
    network_id: str | None = None
    floating_ip_address: bool | None = None


class InstanceOpenStack(Instance):
    """A machine at OpenStack."""

    flavor_id: str | None = None
    network_id: str | None = None
    region: str | None = None
    zone: str | None = None


class InstanceVCloud(Instance):
    """A machine at VMware vCloud."""

    description: str | None = None
    platform_version: str | None = None


class Instances(UForgeObjects):
    """Machines that run somewhere."""

    ELEMENT: ClassVar[str | None] = "instances"

    instances: Annotated[list[Instance], Items("instance")] = Field(default_factory=list)


class ApplianceSummary(SourceSummary):
    """The appliance that a running machine was made from."""

    ELEMENT: ClassVar[str | None] = "applianceSummary"

    version: str | None = None


class BlueprintSummary(SourceSummary):
    """The blueprint that running machines were made from."""

    ELEMENT: ClassVar[str | None] = "blueprintSummary"

    version: str
    revision: str | None = None
    compliant: bool | None = None


class ScanSummaryLight(SourceSummary):
    """The scan that a running machine was made from."""


class Deployment(Message):
    """Machines that were started together."""

    ELEMENT: ClassVar[str | None] = "deployment"

    uri: str | None = None
    application_id: str | None = None
    name: str | None = None
    creation_date: DateTime | None = None
    blueprint_name: str | None = None
    icon_url: str | None = None
    state: str | None = None
    source_summary: SourceSummary | None = None
    instances: Annotated[list[Instance] | None, Items("instance")] = None


class Deployments(UForgeObjects):
    """Deployments of a user."""

    ELEMENT: ClassVar[str | None] = "deployments"

    deployments: Annotated[list[Deployment], Items("deployment")] = Field(default_factory=list)


class DeploymentId(Message):
    """The name that a deployment is known by."""

    ELEMENT: ClassVar[str | None] = "deploymentId"

    id: str | None = None
    uri: str | None = None


class DeploymentHardware(UForgeObject):
    """What a deployed machine has: `ram` is MB."""

    flavor_id: str | None = None
    ram: Int | None = None
    cores: Int | None = None


class DeploymentConfig(UForgeObject):
    """A setting of a deployed service."""

    ELEMENT: ClassVar[str | None] = "deploymentConfig"

    name: str | None = None
    value: str | None = None


class DeploymentSensor(UForgeObject):
    """A value that a deployed service reports."""

    ELEMENT: ClassVar[str | None] = "deploymentSensor"

    name: str | None = None
    name_parts: Annotated[list[str] | None, Items("nameParts")] = None
    description: str | None = None
    type_name: str | None = None
    value: str | None = None


class DeploymentParameter(UForgeObject):
    """A parameter of an effector."""

    ELEMENT: ClassVar[str | None] = "deploymentParameter"

    name: str | None = None
    description: str | None = None
    type_name: str | None = None
    default_value: str | None = None


class DeploymentEffector(UForgeObject):
    """Something that a deployed service can be told to do."""

    ELEMENT: ClassVar[str | None] = "deploymentEffector"

    name: str | None = None
    description: str | None = None
    parameters: Annotated[list[DeploymentParameter], Items("parameter")] = Field(default_factory=list)
    return_type_name: str | None = None


class DeploymentEffectors(UForgeObjects):
    """What a deployed service can be told to do."""

    ELEMENT: ClassVar[str | None] = "deploymentEffectors"

    effectors: Annotated[list[DeploymentEffector], Items("effector")] = Field(default_factory=list)


class DeploymentEntity(UForgeObject):
    """A service of a deployment, and the machine that it runs on."""

    ELEMENT: ClassVar[str | None] = "deploymentEntity"

    type: str | None = None
    service_id: str | None = None
    display_name: str | None = None
    appliance_uuid: str | None = Field(default=None, alias="applianceUUID")
    status: str | None = None
    hostname: str | None = None
    ip_address: str | None = None
    login_user: str | None = None
    ssh_key_name: str | None = None
    winrm_address: str | None = None
    uforge_published_image_uri: str | None = Field(default=None, alias="uforgePublishedImageURI")
    creation_time: Long | None = None
    cloud_provider: str | None = None
    hardware: DeploymentHardware | None = None
    activities: Annotated[list[DeploymentActivity], Items("deploymentActivity")] = Field(default_factory=list)
    sensors: Annotated[list[DeploymentSensor], Items("deploymentSensor")] = Field(default_factory=list)
    config: Annotated[list[DeploymentConfig], Items("deploymentConfig")] = Field(default_factory=list)
