"""Appliances: the templates that images are generated from."""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.base import (
    DateTime,
    Int,
    Items,
    Long,
    OpStatus,
    UForgeObject,
    UForgeObjects,
    UForgeUploadObject,
    UriList,
)
from ingot.messages.common import Logo
from ingot.messages.distribution import DistribProfile
from ingot.messages.image import PublishImage
from ingot.messages.install_profile import InstallProfile
from ingot.messages.package import OASPkg
from ingot.messages.software import BootScript, ConfMgmtPlatform, MySoftware, Project


class ApplianceExport(UForgeObject):
    """An export of an appliance as an archive."""

    ELEMENT: ClassVar[str | None] = "applianceExport"

    appliance_name: str | None = None
    appliance_version: str | None = None
    download_uri: str | None = None
    downloaded: bool | None = None
    location: str | None = None
    parent_uri: str | None = None
    status: OpStatus | None = None
    uri: str | None = None


class Appliance(UForgeObject):
    """An appliance: operating system, packages, set-up and software of a machine."""

    ELEMENT: ClassVar[str | None] = "appliance"

    uuid: str | None = None
    appliance_exports: Annotated[list[ApplianceExport] | None, Items("applianceExport")] = None
    arch_name: str | None = None
    base_clone_uri: str | None = None
    base_images_status_uri: str | None = None
    base_images_uri: str | None = None
    base_my_software_uri: str | None = None
    base_oas_package_uri: str | None = None
    base_os_profile_uri: str | None = None
    base_projects_uri: str | None = None
    base_publish_images_status_uri: str | None = None
    base_publish_images_uri: str | None = None
    base_templates_status_uri: str | None = None
    base_templates_uri: str | None = None
    boot_scripts: Annotated[list[BootScript] | None, Items("bootScript")] = None
    boot_scripts_uri: str | None = None
    boot_script_uris: UriList | None = None
    conf_mgmt_platforms: Annotated[list[ConfMgmtPlatform] | None, Items("confMgmtPlatform")] = None
    conf_mgmt_platforms_uri: str | None = None
    conf_mgmt_platform_uris: UriList | None = None
    description: str | None = None
    distribution_name: str | None = None
    distribution_uri: str | None = None
    exports_uri: str | None = None
    image_uris: UriList | None = None
    imported: bool | None = None
    installed_size: Long | None = None
    install_profile: InstallProfile | None = None
    install_profile_uri: str | None = None
    last_pkg_update: DateTime | None = None
    logo: Logo | None = None
    my_software_list: Annotated[list[MySoftware] | None, Items("mySoftware")] = None
    my_software_uris: UriList | None = None
    name: str | None = None
    nb_security_updates: Int | None = None
    nb_updates: Int | None = None
    oas_package: OASPkg | None = None
    oas_package_uri: str | None = None
    org_uri: str | None = None
    os_profile: DistribProfile | None = None
    os_profile_uri: str | None = None
    parent_appliance_uri: str | None = None
    parent_template_uri: str | None = None
    projects: Annotated[list[Project] | None, Items("project")] = None
    project_uris: UriList | None = None
    publish_images: Annotated[list[PublishImage] | None, Items("publishImage")] = None
    publish_image_uris: UriList | None = None
    revision: Int | None = None
    shared: bool | None = None
    size: Long | None = None
    tag: str | None = None
    uri: str | None = None
    version: str | None = None


class Appliances(UForgeObjects):
    """Appliances."""

    ELEMENT: ClassVar[str | None] = "appliances"

    appliances: Annotated[list[Appliance], Items("appliance")] = Field(default_factory=list)


class ApplianceExports(UForgeObjects):
    """The exports of an appliance."""

    ELEMENT: ClassVar[str | None] = "applianceExports"

    appliance_exports: Annotated[list[ApplianceExport], Items("applianceExport")] = Field(default_factory=list)


class ApplianceImport(UForgeUploadObject):
    """The import of an appliance from an archive."""

    ELEMENT: ClassVar[str | None] = "applianceImport"

    use_major: bool | None = None
    reuse_bundles: bool | None = None
    force_rw: bool | None = Field(default=None, alias="force_rw")
    imported: bool | None = None
    parent_uri: str | None = None
    reference_uri: str | None = None
    upload_uri: str | None = None
    uri: str | None = None


class ApplianceImports(UForgeObjects):
    """Imports of appliances."""

    ELEMENT: ClassVar[str | None] = "applianceImports"

    appliance_imports: Annotated[list[ApplianceImport], Items("applianceImport")] = Field(default_factory=list)
