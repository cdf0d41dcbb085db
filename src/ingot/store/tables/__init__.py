"""All tables. Importing this package makes them known to `Base.metadata`."""

from ingot.store.tables.access import Organisation, Role, RoleEntitlement, User, UserRole
from ingot.store.tables.appliance import Appliance, BootScript, InstallProfile, OsProfile, OsProfilePackage
from ingot.store.tables.attempt import Attempt
from ingot.store.tables.catalogue import (
    Distribution,
    DistributionProfile,
    Milestone,
    Package,
    RefusedDistribution,
    TargetFormat,
    TargetFormatDenial,
    TargetFormatPlatform,
    TargetPlatform,
    TargetPlatformDenial,
)
from ingot.store.tables.claim import ContentClaim
from ingot.store.tables.credentials import ApiKey, Certificate, CloudAccount, SshKey
from ingot.store.tables.download import Download, DownloadKey
from ingot.store.tables.evidence import ImageEvidence, StageTiming
from ingot.store.tables.image import Image, ImageFile, ImagePackage
from ingot.store.tables.publication import Deployment, Publication
from ingot.store.tables.quota import Quota
from ingot.store.tables.software import (
    ApplianceBundle,
    Bundle,
    BundleArtifact,
    BundleDocument,
    BundleExport,
    BundleImport,
    Category,
)
from ingot.store.tables.transfer import ApplianceExport, ApplianceImport

__all__ = [
    "ApiKey",
    "Appliance",
    "ApplianceBundle",
    "ApplianceExport",
    "ApplianceImport",
    "Attempt",
    "BootScript",
    "Bundle",
    "BundleArtifact",
    "BundleDocument",
    "BundleExport",
    "BundleImport",
    "Category",
    "Certificate",
    "CloudAccount",
    "ContentClaim",
    "Deployment",
    "Distribution",
    "DistributionProfile",
    "Download",
    "DownloadKey",
    "Image",
    "ImageEvidence",
    "ImageFile",
    "ImagePackage",
    "InstallProfile",
    "Milestone",
    "Organisation",
    "OsProfile",
    "OsProfilePackage",
    "Package",
    "Publication",
    "Quota",
    "RefusedDistribution",
    "Role",
    "RoleEntitlement",
    "SshKey",
    "StageTiming",
    "TargetFormat",
    "TargetFormatDenial",
    "TargetFormatPlatform",
    "TargetPlatform",
    "TargetPlatformDenial",
    "User",
    "UserRole",
]
