"""All chapters of the API that are there."""

from ingot.api.operation import Operation
from ingot.api.operations import (
    appliance,
    applianceconfiguration,
    applianceinstallprofile,
    applianceosprofile,
    machineimage,
    os,
    user,
)


def all_operations() -> list[Operation]:
    """Every declared operation. Where two paths could match, the one with fewer parameters comes first."""
    modules = (
        user,
        os,
        appliance,
        applianceosprofile,
        applianceinstallprofile,
        applianceconfiguration,
        machineimage,
    )
    operations = [operation for module in modules for chapter in module.CHAPTERS for operation in chapter.operations]
    return sorted(operations, key=lambda operation: (operation.path.count("{"), operation.path))
