"""Install profiles: how the machines of an appliance are set up.

A profile is kept as one document with the fields of the API's message. Whatever comes in is checked here as a
whole, gets its ids, and has its passwords hashed; a clear password is never kept.
"""

import base64
import difflib
import re
import zoneinfo
from typing import Any

from sqlalchemy.orm import Session

from ingot.messages.access import SSHKey
from ingot.messages.install_profile import InstallProfile as ProfileMessage
from ingot.messages.install_profile import Nic, OSGroup, OSUser
from ingot.services import appliances
from ingot.services.errors import InvalidError
from ingot.services.passwords import hash_for_machine
from ingot.store.tables import Appliance, InstallProfile

_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_KEY_TYPES = (
    "ssh-rsa",
    "ssh-dss",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
_SMALLEST_DISK = 512
_LARGEST_DISK = 64 * 1024 * 1024
_RESERVED_IDS = range(60001, 2**32)
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


def _attribute_of(kind: type[OSUser | OSGroup | Nic]) -> str:
    return {OSUser: "users", OSGroup: "groups", Nic: "nics"}[kind]


def _store(session: Session, appliance: Appliance, wanted: ProfileMessage, before: ProfileMessage) -> None:
    profile = appliance.install_profile
    mistakes = list(_mistakes(wanted))
    if mistakes:
        raise InvalidError(" ".join(mistakes), message_id="ERROR.INSTALLPROFILE.INVALID")
    known = {user.db_id: user.password for user in before.users or []}
    root_before = before.root_user.password if before.root_user else None
    changes: dict[str, object] = {
        "root_user": _with_hash(wanted.root_user, root_before) if wanted.root_user else None,
        "users": [_with_hash(_with_id(user, profile), known.get(user.db_id)) for user in wanted.users or []],
        "groups": [_with_id(group, profile) for group in wanted.groups or []],
        "nics": [_with_id(nic, profile) for nic in wanted.nics or []],
    }
    profile.document = _document(wanted.model_copy(update=changes))
    appliances.touch(appliance)
    session.flush()


def _document(message: ProfileMessage) -> dict[str, Any]:
    hidden = {"uri", "applianceUri", "created", "last_modified", "digest"}
    return message.model_dump(mode="json", exclude_none=True, exclude=hidden)


def _with_id(item: Any, profile: InstallProfile) -> Any:
    if item.db_id is not None and item.db_id < profile.next_id:
        return item
    profile.next_id += 1
    return item.model_copy(update={"db_id": profile.next_id - 1})


def _with_hash(user: OSUser, before: str | None) -> OSUser:
    """The user with a hashed password; one that came back without its password keeps the one it had."""
    if not user.password:
        keep = before if not user.password_auto else None
        return user.model_copy(update={"password": keep, "encrypted": keep is not None or None})
    if user.encrypted:
        return user
    return user.model_copy(update={"password": hash_for_machine(user.password), "encrypted": True})


def _mistakes(profile: ProfileMessage) -> Any:
    """Every mistake of a profile, a sentence each."""
    disk, swap = profile.disk_size, profile.swap_size or 0
    if disk is not None and not _SMALLEST_DISK <= disk <= _LARGEST_DISK:
        yield f"A disk of {disk} MB is not possible: diskSize is {_SMALLEST_DISK} to {_LARGEST_DISK} MB."
    if swap < 0 or (disk is not None and swap >= disk):
        yield f"A swap size of {swap} MB does not fit a disk of {disk} MB."
    if profile.timezone and profile.timezone not in zoneinfo.available_timezones():
        yield f"There is no time zone {profile.timezone}{_near(profile.timezone, zoneinfo.available_timezones())}."
    if profile.kernel_parameters and not profile.kernel_parameters.isprintable():
        yield "The kernel parameters have control characters."
    groups = [group.name or "" for group in profile.groups or []]
    users = [user.name or "" for user in profile.users or []]
    for kind, names in (("user", users), ("group", groups)):
        for name in names:
            if not _NAME.fullmatch(name):
                yield f"{name!r} cannot be a {kind}'s name: use up to 32 of a-z, 0-9, '_', '-', '.', a letter first."
            if names.count(name) > 1:
                yield f"There is more than one {kind} {name}."
    for user in profile.users or []:
        yield from _user_mistakes(user)
    for group in profile.groups or []:
        yield from _id_mistakes("group", group.name, group.group_id, bool(group.system_group))
    if profile.root_user:
        yield from _key_mistakes(profile.root_user)
    if profile.nics and len({nic.order for nic in profile.nics}) != len(profile.nics):
        yield "Two network interfaces have the same order."
    if profile.partition_auto is False:
        yield "Advanced partitioning is not available here yet: set partitionAuto to true."


def _user_mistakes(user: OSUser) -> Any:
    if user.name == "root":
        yield "The user root is set by rootUser."
    yield from _id_mistakes("user", user.name, user.user_id, bool(user.system_user))
    if user.home_dir and (not user.home_dir.startswith("/") or ":" in user.home_dir):
        yield f"The home directory {user.home_dir!r} of user {user.name} is no absolute path."
    if user.shell and not user.shell.startswith("/"):
        yield f"The shell {user.shell!r} of user {user.name} is no absolute path."
    if user.full_name and re.search(r"[:\n]", user.full_name):
        yield f"The full name of user {user.name} has a colon or a line break."
    if user.sudo is not None and user.sudo not in (0, 1, 2):
        yield f"sudo {user.sudo} of user {user.name} is not possible: 0 is none, 1 with password, 2 without."
    yield from _key_mistakes(user)


def _id_mistakes(kind: str, name: str | None, text: str | None, is_system: bool) -> Any:
    if text is None or text == "":
        return
    lowest = 201 if is_system else 1000
    if not text.isdecimal() or int(text) < lowest or int(text) in _RESERVED_IDS:
        yield f"The id {text} of {kind} {name} is not possible: use a number from {lowest} to 60000."


def _key_mistakes(user: OSUser) -> Any:
    for key in user.ssh_keys or []:
        if not is_public_key(key):
            shown = (key.public_key or "")[:40]
            yield f"The SSH key {key.name} of user {user.name} ({shown}…) is no public key such as ssh-ed25519 AAAA…"


def is_public_key(key: SSHKey) -> bool:
    """Whether a key is one line of a public key file."""
    words = (key.public_key or "").strip().split(None, 2)
    if len(words) < 2 or words[0] not in _KEY_TYPES or "\n" in (key.public_key or "").strip():
        return False
    try:
        blob = base64.b64decode(words[1], validate=True)
    except ValueError:
        return False
    return blob[4 : 4 + len(words[0])] == words[0].encode()


def _near(word: str, words: set[str]) -> str:
    near = difflib.get_close_matches(word, words, n=3)
    return f"; did you mean {', '.join(near)}?" if near else ""
