"""Install profiles of appliances, with their users, groups and network interfaces."""

from typing import TypeVar

from ingot.api.listing import QUERY_PARAMETERS
from ingot.api.operation import Call, Chapter
from ingot.api.operations.appliance import find_appliance
from ingot.api.representations import appliances as representations
from ingot.messages.base import Message
from ingot.messages.install_profile import InstallProfile, Nic, Nics, OSGroup, OSGroups, OSUser, OSUsers
from ingot.services import install_profiles
from ingot.services.errors import NotFoundError
from ingot.store import tables

_profiles = Chapter("applianceinstallprofile")
_nics = Chapter("applianceinstallprofilenic")
_accounts = Chapter("applianceinstallusersandgroups")
CHAPTERS = (_profiles, _nics, _accounts)
_DESIGN = ("appliance_create",)
_BASE = "/users/{uid}/appliances/{aid}/installProfile"
_ONE = f"{_BASE}/{{ipid}}"
_Item = TypeVar("_Item", OSUser, OSGroup, Nic)


def appliance_of(call: Call) -> tables.Appliance:
    """The appliance in the path, whose install profile must be the one in the path."""
    row = find_appliance(call)
    if "ipid" in call.request.path_params and row.install_profile.id != call.number("ipid"):
        raise NotFoundError(f"Appliance {row.name} has no install profile {call.number('ipid')}.")
    return row


def _item(call: Call, row: tables.Appliance, items: list[_Item] | None, parameter: str) -> _Item:
    item_id = call.number(parameter)
    for item in items or []:
        if item.db_id == item_id:
            return item
    raise NotFoundError(f"The install profile of appliance {row.name} has nothing with the id {item_id}.")


@_profiles.operation("installProfile_getDeprecated", "GET", _BASE, entitlements=_DESIGN, answer=InstallProfile)
@_profiles.operation("installProfile_get", "GET", _ONE, entitlements=_DESIGN, answer=InstallProfile)
def get(call: Call) -> Message:
    """How an appliance's machines are set up."""
    return representations.install_profile(appliance_of(call))


@_profiles.operation(
    "installProfile_updateDeprecated",
    "PUT",
    _BASE,
    entitlements=_DESIGN,
    body=InstallProfile,
    answer=InstallProfile,
)
@_profiles.operation(
    "installProfile_update", "PUT", _ONE, entitlements=_DESIGN, body=InstallProfile, answer=InstallProfile
)
def update(call: Call) -> Message:
    """Change how an appliance's machines are set up; what is not given stays."""
    row = appliance_of(call)
    install_profiles.replace(call.session, row, call.body(InstallProfile))
    return representations.install_profile(row)


@_nics.operation("nic_getAll", "GET", f"{_ONE}/nics", entitlements=_DESIGN, answer=Nics, query=QUERY_PARAMETERS)
def nics_get_all(call: Call) -> Message:
    """The network interfaces, in their order."""
    nics = representations.install_profile(appliance_of(call)).nics or []
    return Nics(total=len(nics), nics=sorted(nics, key=lambda nic: nic.order or 0))


@_nics.operation("nic_get", "GET", f"{_ONE}/nics/{{nid}}", entitlements=_DESIGN, answer=Nic)
def nic_get(call: Call) -> Message:
    """A network interface."""
    row = appliance_of(call)
    return _item(call, row, representations.install_profile(row).nics, "nid")


@_nics.operation("nic_create", "POST", f"{_ONE}/nics", entitlements=_DESIGN, body=Nic, answer=Nic, status=201)
def nic_create(call: Call) -> Message:
    """Add a network interface."""
    row = appliance_of(call)
    kept = install_profiles.put_item(call.session, row, call.body(Nic), None)
    return representations.nic(row, kept)  # type: ignore[arg-type]


@_nics.operation("nic_update", "PUT", f"{_ONE}/nics/{{nid}}", entitlements=_DESIGN, body=Nic, answer=Nic)
def nic_update(call: Call) -> Message:
    """Replace a network interface."""
    row = appliance_of(call)
    _item(call, row, representations.install_profile(row).nics, "nid")
    kept = install_profiles.put_item(call.session, row, call.body(Nic), call.number("nid"))
    return representations.nic(row, kept)  # type: ignore[arg-type]


@_nics.operation("nic_updateList", "PUT", f"{_ONE}/nics", entitlements=_DESIGN, body=Nics, answer=Nics)
def nics_update(call: Call) -> Message:
    """Replace all network interfaces."""
    row = appliance_of(call)
    install_profiles.replace(call.session, row, InstallProfile(nics=call.body(Nics).nics))
    nics = representations.install_profile(row).nics or []
    return Nics(total=len(nics), nics=nics)


@_nics.operation("nic_delete", "DELETE", f"{_ONE}/nics/{{nid}}", entitlements=_DESIGN, status=204)
def nic_delete(call: Call) -> None:
    """Remove a network interface."""
    row = appliance_of(call)
    _item(call, row, representations.install_profile(row).nics, "nid")
    install_profiles.remove_items(call.session, row, Nic, call.number("nid"))


@_accounts.operation("installProfileUser_getAll", "GET", f"{_ONE}/users", entitlements=_DESIGN, answer=OSUsers)
def users_get_all(call: Call) -> Message:
    """The machine's users."""
    users = representations.install_profile(appliance_of(call)).users or []
    return OSUsers(total=len(users), os_users=users)


@_accounts.operation("installProfileUser_get", "GET", f"{_ONE}/users/{{osuid}}", entitlements=_DESIGN, answer=OSUser)
def user_get(call: Call) -> Message:
    """A user of the machine."""
    row = appliance_of(call)
    return _item(call, row, representations.install_profile(row).users, "osuid")


@_accounts.operation(
    "installProfileUser_create", "POST", f"{_ONE}/users", entitlements=_DESIGN, body=OSUser, answer=OSUser, status=201
)
def user_create(call: Call) -> Message:
    """Add a user to the machine."""
    row = appliance_of(call)
    kept = install_profiles.put_item(call.session, row, call.body(OSUser), None)
    return representations.os_user(row, kept)  # type: ignore[arg-type]


@_accounts.operation(
    "installProfileUser_update", "PUT", f"{_ONE}/users/{{osuid}}", entitlements=_DESIGN, body=OSUser, answer=OSUser
)
def user_update(call: Call) -> Message:
    """Replace a user of the machine; without a password the one before stays."""
    row = appliance_of(call)
    _item(call, row, representations.install_profile(row).users, "osuid")
    kept = install_profiles.put_item(call.session, row, call.body(OSUser), call.number("osuid"))
    return representations.os_user(row, kept)  # type: ignore[arg-type]


@_accounts.operation(
    "installProfileUser_delete", "DELETE", f"{_ONE}/users/{{osuid}}", entitlements=_DESIGN, status=204
)
def user_delete(call: Call) -> None:
    """Remove a user from the machine."""
    row = appliance_of(call)
    _item(call, row, representations.install_profile(row).users, "osuid")
    install_profiles.remove_items(call.session, row, OSUser, call.number("osuid"))


@_accounts.operation("installProfileUser_deleteAll", "DELETE", f"{_ONE}/users", entitlements=_DESIGN, status=204)
def users_delete_all(call: Call) -> None:
    """Remove all users from the machine."""
    install_profiles.remove_items(call.session, appliance_of(call), OSUser, None)


@_accounts.operation("installProfileGroup_getAll", "GET", f"{_ONE}/groups", entitlements=_DESIGN, answer=OSGroups)
def groups_get_all(call: Call) -> Message:
    """The machine's groups."""
    groups = representations.install_profile(appliance_of(call)).groups or []
    return OSGroups(total=len(groups), os_groups=groups)


@_accounts.operation(
    "installProfileGroup_get", "GET", f"{_ONE}/groups/{{osgid}}", entitlements=_DESIGN, answer=OSGroup
)
def group_get(call: Call) -> Message:
    """A group of the machine."""
    row = appliance_of(call)
    return _item(call, row, representations.install_profile(row).groups, "osgid")


@_accounts.operation(
    "installProfileGroup_create",
    "POST",
    f"{_ONE}/groups",
    entitlements=_DESIGN,
    body=OSGroup,
    answer=OSGroup,
    status=201,
)
def group_create(call: Call) -> Message:
    """Add a group to the machine."""
    row = appliance_of(call)
    kept = install_profiles.put_item(call.session, row, call.body(OSGroup), None)
    return representations.os_group(row, kept)  # type: ignore[arg-type]


@_accounts.operation(
    "installProfileGroup_update", "PUT", f"{_ONE}/groups/{{osgid}}", entitlements=_DESIGN, body=OSGroup, answer=OSGroup
)
def group_update(call: Call) -> Message:
    """Replace a group of the machine."""
    row = appliance_of(call)
    _item(call, row, representations.install_profile(row).groups, "osgid")
    kept = install_profiles.put_item(call.session, row, call.body(OSGroup), call.number("osgid"))
    return representations.os_group(row, kept)  # type: ignore[arg-type]


@_accounts.operation(
    "installProfileGroup_delete", "DELETE", f"{_ONE}/groups/{{osgid}}", entitlements=_DESIGN, status=204
)
def group_delete(call: Call) -> None:
    """Remove a group from the machine."""
    row = appliance_of(call)
    _item(call, row, representations.install_profile(row).groups, "osgid")
    install_profiles.remove_items(call.session, row, OSGroup, call.number("osgid"))


@_accounts.operation("installProfileGroup_deleteAll", "DELETE", f"{_ONE}/groups", entitlements=_DESIGN, status=204)
def groups_delete_all(call: Call) -> None:
    """Remove all groups from the machine."""
    install_profiles.remove_items(call.session, appliance_of(call), OSGroup, None)
