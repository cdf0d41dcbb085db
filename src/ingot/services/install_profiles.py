"""Install profiles: how the machines of an appliance are set up.

A profile is kept as one document with the fields of the API's message. Whatever comes in is checked here as a
whole, gets its ids, and has its passwords hashed; a clear password is never kept.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from ingot.messages.install_profile import InstallProfile as ProfileMessage
from ingot.messages.install_profile import Nic, OSGroup, OSUser
from ingot.messages.partition_table import PartitionTable
from ingot.services import appliances, install_profile_rules, partition_tables
from ingot.services.errors import InvalidError
from ingot.services.passwords import hash_for_machine
from ingot.store.tables import Appliance, InstallProfile

#: How many mistakes one refusal names; what a generation may set differently from its appliance.
_NAMED_MISTAKES = 20
_OVERRIDABLE = ("disk_size", "swap_size", "memory_size", "hw_type", "root_user")
_Item = TypeVar("_Item", OSUser, OSGroup, Nic)
_DEFAULT = ProfileMessage(
    disk_size=12288,
    swap_size=512,
    memory_size=1024,
    internet_settings_auto=True,
    partition_auto=True,
    keyboard_auto=True,
    timezone="UTC",
    timezone_auto=False,
    firewall_auto=True,
    firewall_enabled=False,
    skip_licenses=True,
    kernel_parameters="",
    root_user=OSUser(name="root", password_auto=True, disable_password_login=False),
)


def default_document() -> dict[str, Any]:
    """The profile of a new appliance."""
    return _document(_DEFAULT)


def message_of(profile: InstallProfile) -> ProfileMessage:
    """The profile as a message, with its password hashes; whoever shows it takes them out."""
    return ProfileMessage.model_validate(profile.document)


def replace(session: Session, appliance: Appliance, wanted: ProfileMessage) -> None:
    """Change what `wanted` gives; lists replace the ones before. Raises InvalidError with every mistake."""
    profile = appliance.install_profile
    before = message_of(profile)
    given = {name: getattr(wanted, name) for name in wanted.model_fields_set if getattr(wanted, name) is not None}
    merged = before.model_copy(update=given)
    _store(session, appliance, merged, before)


def set_to(session: Session, appliance: Appliance, wanted: ProfileMessage) -> None:
    """Make the profile what `wanted` says and nothing else. Raises InvalidError with every mistake."""
    _store(session, appliance, wanted, message_of(appliance.install_profile))


def put_item(
    session: Session, appliance: Appliance, item: OSUser | OSGroup | Nic, item_id: int | None
) -> OSUser | OSGroup | Nic:
    """Add a user, group or interface, or replace the one of `item_id`; returns it as it is kept."""
    profile = appliance.install_profile
    before = message_of(profile)
    attribute = _attribute_of(type(item))
    items = list(getattr(before, attribute) or [])
    new = item.model_copy(update={"db_id": item_id})
    if item_id is None:
        items.append(new)
    else:
        items = [new if existing.db_id == item_id else existing for existing in items]
    _store(session, appliance, before.model_copy(update={attribute: items}), before)
    kept: list[OSUser | OSGroup | Nic] = getattr(message_of(profile), attribute)
    return kept[-1] if item_id is None else next(one for one in kept if one.db_id == item_id)


def remove_items(
    session: Session, appliance: Appliance, kind: type[OSUser | OSGroup | Nic], item_id: int | None
) -> None:
    """Remove one user, group or interface, or all of them (`item_id` None)."""
    before = message_of(appliance.install_profile)
    attribute = _attribute_of(kind)
    left = [item for item in getattr(before, attribute) or [] if item_id is not None and item.db_id != item_id]
    _store(session, appliance, before.model_copy(update={attribute: left}), before)


def change_partitions(session: Session, appliance: Appliance, change: Callable[[PartitionTable], None]) -> None:
    """Change the partition table; with its last disk it becomes automatic again. Raises InvalidError."""
    before = message_of(appliance.install_profile)
    table = message_of(appliance.install_profile).partition_table or PartitionTable()
    change(table)
    if table.disks:
        wanted = before.model_copy(update={"partition_table": table, "partition_auto": False})
    else:
        wanted = before.model_copy(update={"partition_table": None, "partition_auto": True})
    _store(session, appliance, wanted, before)


def _attribute_of(kind: type[OSUser | OSGroup | Nic]) -> str:
    return {OSUser: "users", OSGroup: "groups", Nic: "nics"}[kind]


def with_overrides(profile: InstallProfile, overrides: ProfileMessage | None) -> ProfileMessage:
    """The profile with what one generation sets differently, checked; passwords are hashed."""
    before = message_of(profile)
    if overrides is None:
        return before
    # Clients send 0 for a size that they do not mean; only swap can be none.
    given = {name: getattr(overrides, name) for name in _OVERRIDABLE}
    changes = {name: value for name, value in given.items() if value or (name == "swap_size" and value is not None)}
    if overrides.root_user and before.root_user:
        root = {name: value for name, value in overrides.root_user if value is not None}
        if "password" in root:
            root.setdefault("encrypted", False)
        changes["root_user"] = before.root_user.model_copy(update=root)
    merged = before.model_copy(update=changes)
    _refuse_mistakes(merged)
    return merged.model_copy(update={"root_user": _root(merged, before)})


def _store(session: Session, appliance: Appliance, wanted: ProfileMessage, before: ProfileMessage) -> None:
    profile = appliance.install_profile
    _refuse_mistakes(wanted)
    users = _numbered(wanted.users, before.users, profile)
    known = {user.db_id: user.password for user in before.users or []}
    changes: dict[str, object] = {
        "root_user": _root(wanted, before),
        "users": [_with_hash(user, known.get(user.db_id)) for user in users],
        "groups": _numbered(wanted.groups, before.groups, profile),
        "nics": _ordered(_numbered(wanted.nics, before.nics, profile)),
    }
    if wanted.partition_auto is False and wanted.partition_table is not None:
        table = partition_tables.checked(wanted.partition_table, before.partition_table, profile)
        changes["partition_table"] = table
    else:
        # What clients echo of an automatic one is not theirs.
        changes["partition_table"] = None
    profile.document = _document(wanted.model_copy(update=changes))
    appliances.touch(appliance)
    session.flush()


def _refuse_mistakes(wanted: ProfileMessage) -> None:
    found = list(install_profile_rules.mistakes(wanted))
    if len(found) > _NAMED_MISTAKES:
        found[_NAMED_MISTAKES:] = [f"And {len(found) - _NAMED_MISTAKES} mistakes more."]
    if found:
        raise InvalidError(" ".join(found), message_id="ERROR.INSTALLPROFILE.INVALID")


def _document(message: ProfileMessage) -> dict[str, Any]:
    hidden = {"uri", "applianceUri", "created", "last_modified", "digest"}
    return message.model_dump(mode="json", exclude_none=True, exclude=hidden)


def _numbered(wanted: list[_Item] | None, before: list[_Item] | None, profile: InstallProfile) -> list[_Item]:
    """The items with their ids: those that were there keep theirs, all others get new ones."""
    free = {item.db_id for item in before or []}
    numbered = []
    for item in wanted or []:
        if item.db_id is not None and item.db_id in free:
            free.discard(item.db_id)
            numbered.append(item)
        else:
            numbered.append(item.model_copy(update={"db_id": profile.next_id}))
            profile.next_id += 1
    return numbered


def _ordered(nics: list[Nic]) -> list[Nic]:
    """The interfaces, each with an order: those without one come last."""
    following = max((nic.order for nic in nics if nic.order is not None), default=-1) + 1
    ordered = []
    for nic in nics:
        if nic.order is None:
            ordered.append(nic.model_copy(update={"order": following}))
            following += 1
        else:
            ordered.append(nic)
    return ordered


def _root(wanted: ProfileMessage, before: ProfileMessage) -> OSUser | None:
    password = before.root_user.password if before.root_user else None
    return _with_hash(wanted.root_user, password) if wanted.root_user else None


def _with_hash(user: OSUser, before: str | None) -> OSUser:
    """The user with a hashed password; one that came back without its password keeps the one it had."""
    if not user.password:
        keep = before if not user.password_auto else None
        return user.model_copy(update={"password": keep, "encrypted": keep is not None or None})
    if user.encrypted:
        return user
    return user.model_copy(update={"password": hash_for_machine(user.password), "encrypted": True})
