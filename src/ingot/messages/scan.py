"""Scans of running machines: what was found on them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ingot.messages.base import Int, Integer, Items, Long, Message, OpStatus, UForgeObject, UForgeObjects
from ingot.messages.distribution import Distribution, WindowsProfileEdition, WindowsProfileType
from ingot.messages.image import Image
from ingot.messages.install_profile import InstallProfile
from ingot.messages.package import Pkg

ScannedFileChangeType = Literal["added", "deleted", "modified"]
ScannedDirectoryChangeType = Literal["ADD", "DELETE", "CHANGE"]
WinServiceStartupType = Literal[
    "SERVICE_AUTO_START", "SERVICE_DEMAND_START", "SERVICE_DISABLED", "SERVICE_STARTUPTYPE_UNKNOWN"
]
AbstractWinApplicationArchitecture = Literal["x64", "x86", "neutral", "arm", "unknown"]


class FileEntry(UForgeObject):
    """A file or directory of a scanned machine. `size` is bytes."""

    ELEMENT: ClassVar[str | None] = "fileEntry"

    checksum: str | None = None
    directory: bool | None = None
    full_path: str | None = None
    group: str | None = None
    link_target: str | None = None
    name: str | None = None
    owner: str | None = None
    parent_uri: str | None = None
    permissions: str | None = None
    scanned_instance_id: Long | None = None
    size: Long | None = None
    sub_entries: Long | None = None
    uri: str | None = None


class DirectoryStructure(UForgeObject):
    """A directory and what is below it."""

    ELEMENT: ClassVar[str | None] = "directoryStructure"

    id: str | None = None
    path: str | None = None
    sub_directories: Annotated[list["DirectoryStructure"] | None, Items("subDirectory")] = None


class ScannedFile(FileEntry):
    """A file of a scanned machine, and how it differs from its package."""

    ELEMENT: ClassVar[str | None] = "scannedFile"

    deleted: bool | None = None
    inherited: bool | None = None
    selected: bool | None = None
    uploaded: bool | None = None
    change_type: ScannedFileChangeType | None = None


class ScannedFiles(UForgeObjects):
    """Files of a scanned machine."""

    ELEMENT: ClassVar[str | None] = "scannedFiles"

    scanned_files: Annotated[list[ScannedFile], Items("scannedFile")] = Field(default_factory=list)


class ScannedDirectory(DirectoryStructure):
    """A directory of a scanned machine, with sums of what differs below it."""

    ELEMENT: ClassVar[str | None] = "scannedDirectory"

    change_type: ScannedDirectoryChangeType | None = None
    owner: str | None = None
    group: str | None = None
    permissions: str | None = None
    sum_added: Long | None = None
    sum_changed: Long | None = None
    sum_deleted: Long | None = None
    files: Annotated[list[ScannedFile] | None, Items("file")] = None


class ScannedPkg(Pkg):
    """A package found on a scanned machine, with its changed files."""

    ELEMENT: ClassVar[str | None] = "scannedPackage"

    deleted: bool | None = None
    delta_location: str | None = None
    delta_modified: bool | None = None
    distribution_uri: str | None = None
    files_uri: str | None = None
    from_repo: bool | None = None
    headers: str | None = None
    inherited: bool | None = None
    mirror_path: str | None = None
    mirror_type: str | None = None
    modified_files: Annotated[list[ScannedFile] | None, Items("modifiedFile")] = None
    not_modified_files: Annotated[list[ScannedFile] | None, Items("notModifiedFile")] = None
    postun_scripts: str | None = None
    preun_scripts: str | None = None
    scanned_instance_id: Long | None = None
    selected: bool | None = None
    tag: str | None = None


class ScannedPkgs(UForgeObjects):
    """Packages found on a scanned machine."""

    ELEMENT: ClassVar[str | None] = "scannedPackages"

    scanned_packages: Annotated[list[ScannedPkg], Items("scannedPackage")] = Field(default_factory=list)


class UnixService(UForgeObject):
    """A service of a scanned Unix machine."""

    ELEMENT: ClassVar[str | None] = "unixService"

    service_manager: str | None = None
    service_name: str | None = None
    service_status: str | None = None


class WinService(UForgeObject):
    """A service of a scanned Windows machine."""

    ELEMENT: ClassVar[str | None] = "winService"

    service_name: str | None = None
    display_name: str | None = None
    description: str | None = None
    startup_type: WinServiceStartupType | None = None
    parent_uri: str | None = None
    uri: str | None = None


class WinServices(UForgeObjects):
    """Services of a scanned Windows machine."""

    ELEMENT: ClassVar[str | None] = "winServices"

    win_services: Annotated[list[WinService], Items("winService")] = Field(default_factory=list)


class AbstractWinApplication(UForgeObject):
    """An application of a scanned Windows machine; each way to install has its own type."""

    ELEMENT: ClassVar[str | None] = "abstractWinApplication"
    ABSTRACT: ClassVar[bool] = True

    display_name: str | None = None
    version: str | None = None
    architecture: AbstractWinApplicationArchitecture | None = None
    parent_uri: str | None = None
    uri: str | None = None


class AbstractWinApplications(UForgeObjects):
    """Applications of a scanned Windows machine."""

    ELEMENT: ClassVar[str | None] = "abstractWinApplications"

    abstract_win_applications: Annotated[list[AbstractWinApplication], Items("abstractWinApplication")] = Field(
        default_factory=list
    )


class WinMsiApplication(AbstractWinApplication):
    """An application that Windows Installer installed."""

    ELEMENT: ClassVar[str | None] = "winMsiApplication"

    publisher: str | None = None
    install_location: str | None = None
    estimated_size_in_kb: Integer | None = Field(default=None, alias="estimatedSizeInKB")


class WinMsiApplications(UForgeObjects):
    """Applications that Windows Installer installed."""

    ELEMENT: ClassVar[str | None] = "winMsiApplications"

    win_msi_applications: Annotated[list[WinMsiApplication], Items("winMsiApplication")] = Field(default_factory=list)


class WinStoreApplication(AbstractWinApplication):
    """An application of the Windows store."""

    ELEMENT: ClassVar[str | None] = "winStoreApplication"


class WinStoreApplications(UForgeObjects):
    """Applications of the Windows store."""

    ELEMENT: ClassVar[str | None] = "winStoreApplications"

    win_store_applications: Annotated[list[WinStoreApplication], Items("winStoreApplication")] = Field(
        default_factory=list
    )


class OsConfig(UForgeObject):
    """Which Windows a scanned machine runs."""

    ELEMENT: ClassVar[str | None] = "osConfig"

    edition: WindowsProfileEdition | None = None
    type: WindowsProfileType | None = None
    language: str | None = None


class OsConfigs(UForgeObjects):
    """Which Windows scanned machines run."""

    ELEMENT: ClassVar[str | None] = "osConfigs"

    os_configs: Annotated[list[OsConfig], Items("osConfig")] = Field(default_factory=list)


class ScanImport(UForgeObject):
    """The import of a scan as an appliance."""

    ELEMENT: ClassVar[str | None] = "scanImport"

    imported_object_name: str | None = None
    imported_object_uri: str | None = None
    imported_object_version: str | None = None
    imported_object_description: str | None = None
    org_uri: str | None = None
    parent_uri: str | None = None
    status: OpStatus | None = None
    uri: str | None = None
    imported_to_golden: bool | None = None


class ScanImports(UForgeObjects):
    """Imports of scans."""

    ELEMENT: ClassVar[str | None] = "scanImports"

    scan_imports: Annotated[list[ScanImport], Items("scanImport")] = Field(default_factory=list)


class ScanSummary(UForgeObject):
    """What a scan of a machine found, in numbers."""

    ELEMENT: ClassVar[str | None] = "scanSummary"

    binaries_extracted: bool | None = None
    binaries_received: bool | None = None
    error: bool | None = None
    error_msg: str | None = None
    files_uri: str | None = None
    images_uri: str | None = None
    os_config: OsConfig | None = None
    imports_uri: str | None = None
    golden_imports_uri: str | None = None
    install_profile: InstallProfile | None = None
    install_profile_uri: str | None = None
    scan_sync_uri: str | None = None
    name: str | None = None
    overlay_crc: str | None = None
    overlay_imported: bool | None = None
    overlay_path: str | None = None
    overlay_uri: str | None = None
    raw_partitions_uri: str | None = None
    packages_uri: str | None = None
    rejected: bool | None = None
    scanned: bool | None = None
    scanned_instance_uri: str | None = None
    status: OpStatus | None = None
    total_files_added: Int | None = None
    total_files_deleted: Int | None = None
    total_files_modified: Int | None = None
    total_packages: Int | None = None
    uncompressed_binary_size: Long | None = None
    uri: str | None = None
    validated: bool | None = None
    raw_scan: bool | None = None


class Scan(ScanSummary):
    """A scan of a machine, with what it found."""

    ELEMENT: ClassVar[str | None] = "scan"

    images: Annotated[list[Image] | None, Items("image")] = None
    imports: Annotated[list[ScanImport] | None, Items("import")] = None
    unix_services: Annotated[list[UnixService] | None, Items("unixService")] = None
    win_services: Annotated[list[WinService] | None, Items("winService")] = None
    win_applications: Annotated[list[AbstractWinApplication] | None, Items("winApplication")] = None
    packages: Annotated[list[ScannedPkg] | None, Items("package")] = None


class Scans(UForgeObjects):
    """The scans of a machine."""

    ELEMENT: ClassVar[str | None] = "scans"

    scans: Annotated[list[Scan], Items("scan")] = Field(default_factory=list)


class ScanCompare(UForgeObject):
    """What differs between two scans."""

    ELEMENT: ClassVar[str | None] = "scanCompare"

    extra_files: Annotated[list[ScannedFile] | None, Items("extraFile")] = None
    files_uri: str | None = None
    scan_a_uri: str | None = None
    scan_b_uri: str | None = None
    packages: Annotated[list[ScannedPkg] | None, Items("package")] = None


class ScanSync(UForgeObject):
    """A synchronisation of a machine with its scan."""

    ELEMENT: ClassVar[str | None] = "scanSync"

    uri: str | None = None


class ScanFilesToSynchronize(Message):
    """The paths to synchronise."""

    ELEMENT: ClassVar[str | None] = "scanFilesToSynchronize"

    scan_files_to_synchronize: Annotated[list[str], Items("fullPath")] = Field(default_factory=list)


class ScannedInstance(UForgeObject):
    """A machine that was scanned. `ram_size` is MB."""

    ELEMENT: ClassVar[str | None] = "scannedInstance"

    distribution: Distribution | None = None
    group: str | None = None
    name: str | None = None
    parent_uri: str | None = None
    platform_type: str | None = None
    ram_size: Int | None = None
    overlay_included: bool | None = None
    scans: Annotated[list[Scan] | None, Items("scan")] = None
    scans_uri: str | None = None
    total_scans: Int | None = None
    uri: str | None = None


class ScannedInstances(UForgeObjects):
    """Machines that were scanned."""

    ELEMENT: ClassVar[str | None] = "scannedInstances"

    scanned_instances: Annotated[list[ScannedInstance], Items("scannedInstance")] = Field(default_factory=list)
