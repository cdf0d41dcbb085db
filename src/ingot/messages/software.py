"""Software that users bring: artifacts, boot scripts, bundles."""

from typing import Annotated, ClassVar, Literal

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
from ingot.messages.common import Category, License, Logo

ArtifactCredAccountType = Literal["http", "https", "ftp"]
BootScriptBootType = Literal["everyboot", "firstboot"]


class ArtifactCredAccount(UForgeObject):
    """How to log in where an artifact is fetched from."""

    ELEMENT: ClassVar[str | None] = "artifactCredAccount"

    uri: str | None = None
    parent_uri: str | None = None
    name: str
    host: str
    login: str
    password: str
    type: ArtifactCredAccountType | None = None
    port: Int
    software_artifacts_uri: str | None = None


class SoftwareArtifact(UForgeUploadObject):
    """A file of a software bundle."""

    ELEMENT: ClassVar[str | None] = "softwareArtifact"

    uri: str | None = None
    tag: str | None = None
    binary_uri: str | None = None
    parent_uri: str | None = None
    extract: bool | None = None
    install: bool | None = None
    cache: bool | None = None
    active: bool | None = None
    install_location: str | None = None
    name: str | None = None
    full_name: str | None = None
    orig_name: str | None = None
    artifact_build_date: DateTime | None = None
    artifact_file_date: DateTime | None = None
    release: str | None = None
    short_tag: str | None = None
    type: str | None = None
    version: str | None = None
    arch: str | None = None
    params: str | None = None
    artifact_cred_account: ArtifactCredAccount | None = None
    sub_software_artifacts: Annotated[list["SoftwareArtifact"] | None, Items("softwareArtifact")] = None
    sub_software_artifact_uri: str | None = None
    parent_path: str | None = None
    remote_path: str | None = None


class BootScript(SoftwareArtifact):
    """A script that a machine runs at its first or at every boot."""

    ELEMENT: ClassVar[str | None] = "bootScript"

    boot_order: Int | None = None
    boot_type: BootScriptBootType | None = None


class BootScripts(UForgeObjects):
    """The boot scripts of an appliance."""

    ELEMENT: ClassVar[str | None] = "bootScripts"

    boot_scripts: Annotated[list[BootScript], Items("bootScript")] = Field(default_factory=list)


class BundleRestriction(UForgeObject):
    """For which distributions and formats a bundle is meant."""

    ELEMENT: ClassVar[str | None] = "bundleRestriction"

    uri: str | None = None
    parent_uri: str | None = None
    restriction_rule: str | None = None
    distributions_uri: str | None = None


class SoftwareBundle(UForgeObject):
    """Software that can be added to appliances."""

    ELEMENT: ClassVar[str | None] = "softwareBundle"

    tag: str | None = None
    short_tag: str | None = None
    name: str | None = None
    version: str | None = None
    description: str | None = None
    release: str | None = None
    location: str | None = None
    default_install_location: str | None = None
    install_location: str | None = None
    restricted: bool | None = None
    installed_size: Long | None = None
    size: Long | None = None
    revision: Long | None = None
    bundle_restriction: BundleRestriction | None = None
    artifacts_uri: str | None = None
    uri: str | None = None
    export_uri: str | None = None
    category: Category | None = None
    license: License | None = None
    logo: Logo | None = None
    maintainer: str | None = None
    website: str | None = None
    software_artifact_uris: UriList | None = None
    format_dependent: bool | None = None
    container_templates_uri: str | None = None


class Project(SoftwareBundle):
    """A software bundle that an organisation offers."""

    ELEMENT: ClassVar[str | None] = "project"

    org_uris: UriList | None = None


class MySoftware(SoftwareBundle):
    """A software bundle that belongs to one user."""

    ELEMENT: ClassVar[str | None] = "mySoftware"

    appliances_uri: str | None = None
    appliance_uris: UriList | None = None
    clone_uri: str | None = None
    imported: bool | None = None
    generation_enabled: bool | None = None


class ConfMgmtPlatform(UForgeObject):
    """A configuration management platform."""

    ELEMENT: ClassVar[str | None] = "confMgmtPlatform"

    enabled: bool | None = None
    parent_uri: str | None = None
    project: Project | None = None
    type: str | None = None
    uri: str | None = None


class SoftwareArtifacts(UForgeObjects):
    """Files of a software bundle."""

    ELEMENT: ClassVar[str | None] = "softwareArtifacts"

    software_artifacts: Annotated[list[SoftwareArtifact], Items("softwareArtifact")] = Field(default_factory=list)


class SoftwareFile(SoftwareArtifact):
    """A file with its owner and rights."""

    ELEMENT: ClassVar[str | None] = "softwareFile"

    owner_group: str | None = None
    rights: str | None = None
    symlink: str | None = None


class SoftwareFiles(UForgeObjects):
    """Files with their owners and rights."""

    ELEMENT: ClassVar[str | None] = "softwareFiles"

    software_files: Annotated[list[SoftwareFile], Items("softwareFile")] = Field(default_factory=list)


class OSPackage(SoftwareArtifact):
    """A package of a distribution as part of a bundle; `sticky` keeps its version."""

    ELEMENT: ClassVar[str | None] = "osPackage"

    sticky: bool | None = None
    repo_id: Long | None = None
    repository: str | None = None
    distro_id: Long | None = None


class OSPackages(UForgeObjects):
    """Packages of a distribution as parts of a bundle."""

    ELEMENT: ClassVar[str | None] = "osPackages"

    os_pkgs: Annotated[list[OSPackage], Items("osPkg")] = Field(default_factory=list)


class ArtifactCredAccounts(UForgeObjects):
    """Log-ins at places where artifacts are fetched from."""

    ELEMENT: ClassVar[str | None] = "artifactCredAccounts"

    artifact_cred_accounts: Annotated[list[ArtifactCredAccount], Items("artifactCredAccount")] = Field(
        default_factory=list
    )


class BundleRestrictions(UForgeObjects):
    """The restrictions of a software bundle."""

    ELEMENT: ClassVar[str | None] = "bundleRestrictions"

    bundle_restrictions: Annotated[list[BundleRestriction], Items("bundleRestriction")] = Field(default_factory=list)


class SoftwareBundles(UForgeObjects):
    """Software bundles of any kind."""

    ELEMENT: ClassVar[str | None] = "softwareBundles"

    software_bundles: Annotated[list[SoftwareBundle], Items("softwareBundle")] = Field(default_factory=list)


class Projects(UForgeObjects):
    """Software bundles that an organisation offers."""

    ELEMENT: ClassVar[str | None] = "projects"

    projects: Annotated[list[Project], Items("project")] = Field(default_factory=list)


class MySoftwareList(UForgeObjects):
    """The software bundles of a user."""

    ELEMENT: ClassVar[str | None] = "mySoftwareList"

    my_software_list: Annotated[list[MySoftware], Items("mySoftware")] = Field(default_factory=list)


class SoftwareBundleImport(UForgeUploadObject):
    """The import of a software bundle from an archive."""

    ELEMENT: ClassVar[str | None] = "softwareBundleImport"

    parent_uri: str | None = None
    reference_uri: str | None = None
    upload_uri: str | None = None
    status_uri: str | None = None
    imported: bool | None = None
    uri: str | None = None


class SoftwareBundleExport(UForgeObject):
    """The export of a software bundle as an archive."""

    ELEMENT: ClassVar[str | None] = "softwareBundleExport"

    bundle_name: str | None = None
    bundle_version: str | None = None
    download_uri: str | None = None
    location: str | None = None
    parent_uri: str | None = None
    status: OpStatus | None = None
    uri: str | None = None


class ConfMgmtPlatforms(UForgeObjects):
    """Configuration management platforms."""

    ELEMENT: ClassVar[str | None] = "confMgmtPlatforms"

    platforms: Annotated[list[ConfMgmtPlatform], Items("confMgmtPlatforms")] = Field(default_factory=list)
