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
