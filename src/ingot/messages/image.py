"""Machine images and their publications."""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.account import CredAccount
from ingot.messages.base import Int, Items, Long, UForgeObjects, UForgeUploadObject
from ingot.messages.deployment import Instance
from ingot.messages.install_profile import InstallProfile
from ingot.messages.target import ImageFormat, TargetFormat


class Image(UForgeUploadObject):
    """A machine image. `size` and `file_size` are bytes."""

    ELEMENT: ClassVar[str | None] = "image"

    parent_uri: str | None = None
    base_publish_images_uri: str | None = None
    complete_installed_size: Long | None = None
    complete_size: Long | None = None
    compress: bool | None = None
    cred_account: CredAccount | None = None
    distribution_name: str | None = None
    download_key: str | None = None
    download_uri: str | None = None
    ebs: bool | None = None
    ebs_volume_size: Int | None = None
    file_extension: str | None = None
    file_name: str | None = None
    file_size: Long | None = None
    format: ImageFormat | None = None
    target_format: TargetFormat | None = None
    full_name: str | None = None
    image_created: bool | None = None
    install_profile: InstallProfile | None = None
    name: str | None = None
    org_uri: str | None = None
    pkgs_uri: str | None = None
    public_access: bool | None = None
    registered_cred_account: bool | None = None
    revision: Int | None = None
    simulated: bool | None = None
    status_uri: str | None = None
    tag: str | None = None
    update_tools: bool | None = None
    uri: str | None = None
    version: str | None = None
    vm_disk_size: Long | None = None
    vm_memory_size: Int | None = None
    force_checking_deps: bool | None = None
    entrypoint: str | None = None
    registering_name: str | None = None


class Images(UForgeObjects):
    """Machine images."""

    ELEMENT: ClassVar[str | None] = "images"

    images: Annotated[list[Image], Items("image")] = Field(default_factory=list)


class PublishImage(Image):
    """An image at a cloud; each cloud has its own type."""

    ELEMENT: ClassVar[str | None] = "publishImage"
    ABSTRACT: ClassVar[bool] = True

    cloud_id: str | None = None
    image_uri: str | None = None
    instances: Annotated[list[Instance] | None, Items("instance")] = None
    instances_uri: str | None = None
    publish_location: str | None = None


class PublishImages(UForgeObjects):
    """Images at clouds."""

    ELEMENT: ClassVar[str | None] = "publishImages"

    publish_images: Annotated[list[PublishImage], Items("publishImage")] = Field(default_factory=list)


class PublishImageAws(PublishImage):
    """An image at Amazon Web Services."""

    region: str | None = None


class PublishImageAzure(PublishImage):
    """An image at Microsoft Azure."""

    storage_account: str | None = None
    container: str | None = None
    resource_group: str | None = None
    blob: str | None = None
    display_name: str | None = None
    region: str | None = None


class PublishImageCloudStack(PublishImage):
    """An image at CloudStack."""

    description: str | None = None
    display_name: str | None = None
    featured_enabled: bool | None = None
    password_enabled: bool | None = None
    public_image: bool | None = None
    zone_name: str | None = None


class PublishImageCloudwatt(PublishImage):
    """An image at Cloudwatt."""

    display_name: str | None = None
    keystone_domain: str | None = None
    keystone_project: str | None = None
    public_image: bool | None = None
    tenant_name: str | None = None


class PublishImageDocker(PublishImage):
    """An image at a Docker registry."""

    namespace: str | None = None
    repository_name: str | None = None
    tag_name: str | None = None


class PublishImageGoogle(PublishImage):
    """An image at Google Cloud."""

    bucket: str | None = None
    bucket_location: str | None = None
    disk_name_prefix: str | None = None
    description: str | None = None
    project_id: str | None = None
    storage_class: str | None = None
    zone_name: str | None = None


class PublishImageK5(PublishImage):
    """An image at Fujitsu K5."""

    keystone_domain: str | None = None
    keystone_project: str | None = None
    display_name: str | None = None


class PublishImageOpenShift(PublishImage):
    """An image at OpenShift."""

    namespace: str | None = None
    repository_name: str | None = None
    tag_name: str | None = None


class PublishImageOpenStack(PublishImage):
    """An image at OpenStack."""

    keystone_domain: str | None = None
    keystone_project: str | None = None
    display_name: str | None = None
    public_image: bool | None = None
    tenant_name: str | None = None


class PublishImageOracle(PublishImage):
    """An image at Oracle Cloud."""

    compute_end_point: str | None = None
    display_name: str | None = None


class PublishImageOutscale(PublishImage):
    """An image at Outscale."""

    bucket: str | None = None
    region: str | None = None


class PublishImageSuseCloud(PublishImage):
    """An image at SUSE Cloud."""

    keystone_domain: str | None = None
    keystone_project: str | None = None
    display_name: str | None = None
    public_image: bool | None = None
    tenant_name: str | None = None


class PublishImageVCloudDirector(PublishImage):
    """An image at VMware vCloud Director."""

    catalog_name: str | None = None
    display_name: str | None = None
    vdc_name: str | None = None


class PublishImageVSphere(PublishImage):
    """An image at VMware vSphere."""

    datastore: str | None = None
    display_name: str | None = None
    esx_host: str | None = None
    network: str | None = None
