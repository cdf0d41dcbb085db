"""Objects by what people call them: an id, a name, a name with a version."""

import difflib
from collections.abc import Callable, Iterable
from typing import TypeVar

from ingot.client.connection import Connection
from ingot.client.errors import RefusedError
from ingot.messages import extension as _extension  # noqa: F401 - their types are among those that are read
from ingot.messages.account import CredAccount, CredAccounts
from ingot.messages.appliance import Appliance, Appliances
from ingot.messages.deployment import Deployment, Deployments
from ingot.messages.distribution import Distribution, Distributions
from ingot.messages.image import Image, Images, PublishImage, PublishImages
from ingot.messages.software import MySoftware, MySoftwareList
from ingot.messages.target import TargetFormat, TargetFormats

_NOT_FOUND = 404
_MANY = "200"

_V = TypeVar("_V", Appliance, MySoftware)


class AmbiguousError(RefusedError):
    """A name means several objects."""

    def __init__(self, message: str) -> None:
        super().__init__(409, message)


def appliance(connection: Connection, name: str) -> Appliance:
    """The template of that id, NAME or NAME:VERSION."""
    path = connection.user_path("appliances")
    return _versioned(
        "template",
        name,
        one=lambda number: connection.get(f"{path}/{number}", Appliance),
        some=lambda query: connection.get(path, Appliances, query).appliances,
    )


def bundle(connection: Connection, name: str) -> MySoftware:
    """The bundle of that id, NAME or NAME:VERSION."""
    path = connection.user_path("mysoftware")
    return _versioned(
        "bundle",
        name,
        one=lambda number: connection.get(f"{path}/{number}", MySoftware),
        some=lambda query: connection.get(path, MySoftwareList, query).my_software_list,
    )


def _versioned(what: str, name: str, *, one: Callable[[str], _V], some: Callable[[dict[str, str]], list[_V]]) -> _V:
    if name.isdecimal():
        try:
            return one(name)
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise
    found = [
        entry
        for plain, version in _readings(name)
        for entry in some({"query": _query(plain, version)})
        if entry.name == plain and version in (None, entry.version)  # an asterisk in a name is no wildcard here
    ]
    if not found:
        raise _nothing(what, name, (entry.name or "" for entry in some({"count": _MANY})), f"ingot {what} list")
    if len(found) > 1:
        shown = ", ".join(f"{entry.name}:{entry.version} (id {entry.db_id})" for entry in found)
        raise AmbiguousError(f"{name} means several {what}s: {shown}. Say which one.")
    return found[0]


def image(connection: Connection, number: int) -> Image:
    """The image of that id."""
    images = connection.get(connection.user_path("images"), Images, {"img": str(number)}).images
    if not images:
        raise RefusedError(_NOT_FOUND, f"There is no image {number}. Those there are: ingot image list")
    return images[0]


def account(connection: Connection, name: str) -> CredAccount:
    """The cloud account of that name, or of that id."""
    known = connection.get(f"ingot/{connection.user_path('accounts')}", CredAccounts).cred_accounts
    for entry in (*(row for row in known if row.name == name), *(row for row in known if str(row.db_id) == name)):
        return entry
    raise _nothing("cloud account", name, (entry.name or "" for entry in known), "ingot account list")


def publication(connection: Connection, number: int) -> PublishImage:
    """The publication of that id."""
    path = f"ingot/{connection.user_path('pimages')}"
    rows = connection.get(path, PublishImages, {"img": str(number)}).publish_images
    if not rows:
        raise RefusedError(_NOT_FOUND, f"There is no publication {number}. Those there are: ingot publication list")
    return rows[0]


def deployments(connection: Connection) -> list[Deployment]:
    """All machines, newest first."""
    return connection.get(connection.user_path("deployments"), Deployments).deployments


def deployment(connection: Connection, name: str) -> Deployment:
    """The deployment of that id or name."""
    known = deployments(connection)
    found = [entry for entry in known if entry.application_id == name] or [e for e in known if e.name == name]
    if not found:
        raise _nothing("deployment", name, (entry.name or "" for entry in known), "ingot deployment list")
    if len(found) > 1:
        shown = ", ".join(entry.application_id or "" for entry in found)
        raise AmbiguousError(f"{name} means several deployments: {shown}. Say which one.")
    return found[0]


def distribution(connection: Connection, name: str) -> Distribution:
    """The distribution of that id, NAME:VERSION or NAME:VERSION:ARCH, also where the capitals differ."""
    known = connection.get(connection.user_path("distros"), Distributions).distributions
    for entry in known:
        if name == str(entry.db_id):
            return entry
    words = name.lower().split(":")
    found = [entry for entry in known if words == distribution_words(entry)[: len(words)]]
    if len(found) > 1:
        shown = ", ".join(f"{':'.join(distribution_words(entry))} (id {entry.db_id})" for entry in found)
        raise AmbiguousError(f"{name} means several operating systems: {shown}. Say which one.")
    if not found:
        names = (":".join(distribution_words(entry)[:2]) for entry in known)
        raise _nothing("operating system", name, names, "ingot os list")
    return found[0]


def distribution_words(entry: Distribution) -> list[str]:
    """What a distribution can be named by, most important first."""
    return [(word or "").lower() for word in (entry.name, entry.version, entry.arch)]


def target_format(connection: Connection, name: str) -> TargetFormat:
    """The target format of that name, or the first one of that image format."""
    known = connection.get(connection.user_path("targetformats"), TargetFormats).target_formats
    wanted = name.lower()
    for entry in known:
        if (entry.name or "").lower() == wanted:
            return entry
    for entry in known:
        if entry.format is not None and (entry.format.name or "").lower() == wanted:
            return entry
    raise _nothing("format", name, (entry.name or "" for entry in known), "ingot format list")


def _readings(name: str) -> list[tuple[str, str | None]]:
    """What NAME:VERSION can mean: a name may have colons itself."""
    plain, colon, version = name.rpartition(":")
    return [(name, None), *([(plain, version)] if colon and plain and version else [])]


def _query(name: str, version: str | None) -> str:
    return f"name=={_quoted(name)}" + (f";version=={_quoted(version)}" if version is not None else "")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _nothing(what: str, name: str, known: Iterable[str], command: str) -> RefusedError:
    lower = {entry.lower(): entry for entry in known}
    near = [lower[entry] for entry in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.6)]
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return RefusedError(_NOT_FOUND, f"There is no {what} {name}.{hint} Those there are: {command}")
