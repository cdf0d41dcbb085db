"""What an install profile may say: every mistake in one, a sentence each."""

import difflib
import functools
import ipaddress
import re
import zoneinfo
from collections import Counter
from collections.abc import Iterator, Sequence

from ingot.build.public_key import why_no_public_key
from ingot.build.template_rules import ACCOUNT
from ingot.messages.install_profile import InstallProfile, IPAddress, Nic, OSGroup, OSUser

#: A crypt hash as it stands in /etc/shadow: nothing in it can end the field or the line.
_CRYPT_HASH = re.compile(r"\$[a-z0-9]{1,4}\$[A-Za-z0-9./=,$+-]{10,400}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SMALLEST_DISK = 512
_LARGEST_DISK = 64 * 1024 * 1024
_LARGEST_MEMORY = 64 * 1024 * 1024
_LARGEST_ID = 60000
_LONGEST_TEXT = 4096
#: Users, groups and interfaces of one profile, and keys of one user.
_MOST = 1000


def mistakes(profile: InstallProfile) -> Iterator[str]:
    """Every mistake of a profile."""
    lists = {"users": profile.users, "groups": profile.groups, "nics": profile.nics}
    for what, items in lists.items():
        if len(items or ()) > _MOST:
            yield f"{len(items or ())} {what} are too many: at most {_MOST} are possible."
            return
    yield from _machine(profile)
    users, groups = profile.users or [], profile.groups or []
    yield from _names("user", users)
    yield from _names("group", groups)
    yield from _repeated("user id", [user.user_id for user in users if not user.user_id_auto])
    yield from _repeated("group id", [group.group_id for group in groups if not group.group_id_auto])
    if profile.root_user:
        yield from _password(profile.root_user)
        yield from _keys(profile.root_user)
    for user in users:
        yield from _user(user)
    for group in groups:
        yield from _id("group", group.name, group.group_id, is_system=bool(group.system_group))
        yield from _sudo("group", group)
        if group.password:
            yield f"Group {group.name} has a password: groups of a machine have none, their users join them."
    orders = [nic.order for nic in profile.nics or [] if nic.order is not None]
    if len(set(orders)) != len(orders):
        yield "Two network interfaces have the same order."
    for nic in profile.nics or []:
        yield from _nic(nic)


def _machine(profile: InstallProfile) -> Iterator[str]:
    is_automatic = profile.partition_auto is not False  # or the partition table says it all
    disk, swap = (profile.disk_size, profile.swap_size or 0) if is_automatic else (None, 0)
    memory = profile.memory_size
    if disk is not None and not _SMALLEST_DISK <= disk <= _LARGEST_DISK:
        yield f"A disk of {disk} MB is not possible: diskSize is {_SMALLEST_DISK} to {_LARGEST_DISK} MB."
    if swap < 0 or (disk is not None and swap >= disk):
        yield f"A swap size of {swap} MB does not fit a disk of {disk} MB."
    if memory is not None and not 0 <= memory <= _LARGEST_MEMORY:
        yield f"A memory of {memory} MB is not possible: memorySize is 0 to {_LARGEST_MEMORY} MB."
    if profile.timezone and profile.timezone not in _timezones():
        shown = profile.timezone[:80]
        near = ", ".join(difflib.get_close_matches(shown, _timezones(), n=3))
        yield f"There is no time zone {shown}{f'; did you mean {near}?' if near else '.'}"
    if profile.kernel_parameters and _CONTROL.search(profile.kernel_parameters):
        yield "The kernel parameters have control characters."
    for what, text in (("kernel parameters", profile.kernel_parameters), ("welcome message", profile.welcome_msg)):
        if len(text or "") > _LONGEST_TEXT:
            yield f"The {what} have {len(text or '')} characters: at most {_LONGEST_TEXT} are possible."


@functools.cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _names(kind: str, items: Sequence[OSUser | OSGroup]) -> Iterator[str]:
    for name, count in Counter(item.name or "" for item in items).items():
        if not ACCOUNT.fullmatch(name):
            yield f"{name!r} cannot be a {kind}'s name: use up to 32 of a-z, 0-9, '_', '-', '.', a letter first."
        if count > 1:
            yield f"There is more than one {kind} {name}."
        if name == "root":
            yield f"The {kind} root is there on every machine{'; rootUser sets it up' if kind == 'user' else ''}."


def _repeated(what: str, values: Sequence[str | None]) -> Iterator[str]:
    for value, count in Counter(value for value in values if value).items():
        if count > 1:
            yield f"The {what} {value} is given {count} times."


def _user(user: OSUser) -> Iterator[str]:
    yield from _id("user", user.name, user.user_id, is_system=bool(user.system_user))
    for what, path in (("home directory", user.home_dir), ("shell", user.shell)):
        if path and (not path.startswith("/") or ":" in path or _CONTROL.search(path) or ".." in path.split("/")):
            yield f"The {what} {path!r} of user {user.name} is no absolute path."
    if user.full_name and re.search(r"[:,\x00-\x1f\x7f]", user.full_name):
        yield f"The full name of user {user.name} has a colon, a comma or a control character."
    for group in [user.primary_group or "", *(user.secondary_groups or "").split(",")]:
        if group.strip() and not ACCOUNT.fullmatch(group.strip()):
            yield f"{group.strip()!r} cannot be a group of user {user.name}: secondaryGroups is a list like adm,sudo."
    yield from _sudo("user", user)
    yield from _password(user)
    yield from _keys(user)


def _sudo(kind: str, item: OSUser | OSGroup) -> Iterator[str]:
    if item.sudo not in (None, 0, 1, 2):
        yield f"sudo {item.sudo} of {kind} {item.name} is not possible: 0 is none, 1 with password, 2 without."


def _id(kind: str, name: str | None, text: str | None, *, is_system: bool) -> Iterator[str]:
    if not text:
        return
    lowest = 201 if is_system else 1000
    if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= _LARGEST_ID:
        yield f"The id {text[:40]} of {kind} {name} is not possible: use a number from {lowest} to {_LARGEST_ID}."


def _password(user: OSUser) -> Iterator[str]:
    password = user.password or ""
    if user.encrypted and password and not _CRYPT_HASH.fullmatch(password):
        yield (
            f"The password of user {user.name} says that it is encrypted and is no crypt hash such as $6$…: "
            "make one with `openssl passwd -6`, or give the password itself with encrypted set to false."
        )
    elif "\0" in password or len(password) > _LONGEST_TEXT:
        yield f"The password of user {user.name} has a zero character or more than {_LONGEST_TEXT} characters."


def _keys(user: OSUser) -> Iterator[str]:
    keys = user.ssh_keys or []
    if len(keys) > _MOST:
        yield f"User {user.name} has {len(keys)} SSH keys: at most {_MOST} are possible."
        return
    for key in keys:
        if words := why_no_public_key(key.public_key or ""):
            yield f"The SSH key {key.name} of user {user.name} {words}."


def _nic(nic: Nic) -> Iterator[str]:
    shown = nic.name or f"number {nic.order}"
    if nic.order is not None and not 0 <= nic.order <= _MOST:
        yield f"The order {nic.order} of network interface {shown} is not possible: use a number from 0 to {_MOST}."
    if nic.name and _CONTROL.search(nic.name):
        yield f"The name {nic.name!r} of a network interface has control characters."
    addresses = nic.ip_addresses or []
    for version, method in ((4, nic.ipv4_method), (6, nic.ipv6_method)):
        if method == "MANUAL" and not any(address.type == version for address in addresses):
            yield f"Network interface {shown} is MANUAL for IPv{version} and has no IPv{version} address."
    for address in addresses:
        yield from _address(shown, address)


def _address(nic: str, address: IPAddress) -> Iterator[str]:
    if address.type not in (4, 6):
        yield f"Network interface {nic}: the type of address {address.address} is {address.type}; it has to be 4 or 6."
        return
    network = f"{address.address}/{address.netmask}"
    try:
        is_right = ipaddress.ip_interface(network).version == address.type
    except ValueError:
        is_right = False
    if not is_right:
        yield (
            f"Network interface {nic}: {network} is no IPv{address.type} address with a netmask "
            "(255.255.255.0, or a prefix length such as 24)."
        )
    if address.gateway:
        try:
            is_right = ipaddress.ip_address(address.gateway).version == address.type
        except ValueError:
            is_right = False
        if not is_right:
            yield f"Network interface {nic}: the gateway {address.gateway} is no IPv{address.type} address."
