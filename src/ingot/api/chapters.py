"""All chapters of the API that are there."""

from ingot.api.extensions import evidence
from ingot.api.extensions import publications as publication_extensions
from ingot.api.operation import Operation
from ingot.api.operations import (
    apikey,
    appliance,
    applianceconfiguration,
    applianceimportandexport,
    applianceinstallprofile,
    applianceosprofile,
    appliancepartitions,
    categories,
    deployments,
    machineimage,
    mysoftware,
    mysoftwareartifacts,
    mysoftwaretransfers,
    os,
    osmilestone,
    publication,
    scans,
    targetformat,
    targetplatform,
    user,
    useradministration,
    usercloudaccount,
    usersshkeys,
)


def all_extensions() -> list[Operation]:
    """The operations that the original's API does not have."""
    chapters = (*evidence.CHAPTERS, *publication_extensions.CHAPTERS)
    return [operation for chapter in chapters for operation in chapter.operations]


def all_operations() -> list[Operation]:
    """Every declared operation of the original's API. Where two paths could match, the one with fewer parameters comes
    first."""
    modules = (
        user,
        useradministration,
        os,
        osmilestone,
        appliance,
        applianceosprofile,
        applianceinstallprofile,
        appliancepartitions,
        applianceconfiguration,
        applianceimportandexport,
        machineimage,
        targetformat,
        targetplatform,
        publication,
        scans,
        deployments,
        usercloudaccount,
        apikey,
        usersshkeys,
        categories,
        mysoftware,
        mysoftwareartifacts,
        mysoftwaretransfers,
    )
    operations = [operation for module in modules for chapter in module.CHAPTERS for operation in chapter.operations]
    return sorted(operations, key=lambda operation: (operation.path.count("{"), operation.path))
