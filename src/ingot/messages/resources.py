"""What a cloud account can see: regions, projects, flavours and networks to choose from."""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.base import Int, Items, Message


class CloudResources(Message):
    """What an account can see at a cloud; each cloud has its own type."""

    ABSTRACT: ClassVar[bool] = True

    name: str | None = None


class CredAccountResource(Message):
    """One value that can be chosen."""

    ELEMENT: ClassVar[str | None] = "credAccountResource"

    key: str | None = None
    type: str | None = None
    value: str | None = None


class CredAccountResources(Message):
    """What an account can see."""

    ELEMENT: ClassVar[str | None] = "credAccountResources"

    cloud_resources: CloudResources | None = None
    resources: Annotated[list[CredAccountResource] | None, Items("resource")] = None


class AwsAmi(CloudResources):
    """A machine image at Amazon."""

    id: str
    public_image: bool | None = None
    ram_disk_id: str | None = None


class AwsEc2Service(Message):
    """What EC2 has."""

    amis: Annotated[list[AwsAmi] | None, Items("ami")] = None


class AwsRegion(CloudResources):
    """A region of Amazon's."""

    localisation: str


class AwsPermission(Message):
    """What may be done with a bucket."""

    read: bool
    read_acp: bool = Field(alias="readACP")
    write: bool
    write_acp: bool = Field(alias="writeACP")


class AwsBucket(CloudResources):
    """A bucket of S3."""

    owner: str | None = None
    permission: AwsPermission | None = None


class AwsS3Service(Message):
    """What S3 has."""

    buckets: Annotated[list[AwsBucket] | None, Items("bucket")] = None


class AwsResources(CloudResources):
    """What an account can see at Amazon."""

    ec2_service: AwsEc2Service | None = None
    regions: Annotated[list[AwsRegion] | None, Items("region")] = None
    s3_service: AwsS3Service | None = None


class OpenstackEntity(CloudResources):
    """A thing of OpenStack's with an id."""

    ABSTRACT: ClassVar[bool] = True

    id: str | None = None
    region_name: str | None = None


class OpenstackFlavor(OpenstackEntity):
    """A size of machines: `disk` is GB, `ram` MB."""

    cpu: Int | None = None
    disk: Int | None = None
    ram: Int | None = None


class OpenstackImage(OpenstackEntity):
    """An image: `min_disk` is GB, `min_ram` MB."""

    base_image_id: str | None = None
    description: str | None = None
    distrib_arch: str | None = None
    distrib_name: str | None = None
    distrib_version: str | None = None
    min_disk: Int | None = None
    min_ram: Int | None = None
    progress: Int | None = None
    snapshot: bool | None = None
    status: str | None = None


class OpenstackInstance(OpenstackEntity):
    """A running machine."""

    flavor_id: str | None = None
    image_id: str | None = None
    status: str | None = None


class OpenstackNetwork(CloudResources):
    """A network."""

    id: str | None = None


class OpenstackRegion(Message):
    """What a project has in one region."""

    region_name: str | None = None
    flavors: Annotated[list[OpenstackFlavor] | None, Items("flavor")] = None
    images: Annotated[list[OpenstackImage] | None, Items("image")] = None
    instances: Annotated[list[OpenstackInstance] | None, Items("instance")] = None
    networks: Annotated[list[OpenstackNetwork] | None, Items("network")] = None


class OpenstackTenant(CloudResources):
    """A project, which version 2 of Keystone calls a tenant."""

    available: bool | None = None
    description: str | None = None
    id: str | None = None
    regions_entities: Annotated[list[OpenstackRegion] | None, Items("regionEntities")] = None


class OpenstackResources(CloudResources):
    """What an account can see at OpenStack."""

    tenants: Annotated[list[OpenstackTenant] | None, Items("tenant")] = None
