"""What a shell completes with: the names that the server knows. Where there is no answer, there is no suggestion."""

import os
from collections.abc import Callable
from typing import TypeVar

from ingot.cli.images import state
from ingot.client import find, login
from ingot.client.connection import Connection
from ingot.client.errors import ClientError
from ingot.messages.account import CredAccounts
from ingot.messages.appliance import Appliances
from ingot.messages.deployment import Deployments
from ingot.messages.distribution import Distributions
from ingot.messages.image import Images, PublishImages
from ingot.messages.software import MySoftwareList
from ingot.messages.target import TargetFormats

_T = TypeVar("_T")
_MOST = {"count": "100"}


def templates(incomplete: str) -> list[str]:
    """Templates as NAME:VERSION."""
    rows = _ask(lambda c: c.get(c.user_path("appliances"), Appliances, _MOST).appliances)
    return [name for row in rows if (name := f"{row.name}:{row.version}").startswith(incomplete)]


def bundles(incomplete: str) -> list[str]:
    """Bundles as NAME:VERSION."""
    rows = _ask(lambda c: c.get(c.user_path("mysoftware"), MySoftwareList, _MOST).my_software_list)
    return [name for row in rows if (name := f"{row.name}:{row.version}").startswith(incomplete)]


def images(incomplete: str) -> list[tuple[str, str]]:
    """Images by id, with what they are."""
    rows = _ask(lambda c: c.get(c.user_path("images"), Images).images)
    shown = [(str(row.db_id), f"{row.name} {row.version}, {state(row)}") for row in rows]
    return [entry for entry in shown if entry[0].startswith(incomplete)]


def formats(incomplete: str) -> list[str]:
    """Target formats by name."""
    rows = _ask(lambda c: c.get(c.user_path("targetformats"), TargetFormats).target_formats)
    return [row.name for row in rows if row.name and row.name.startswith(incomplete)]


def systems(incomplete: str) -> list[str]:
    """Operating systems as name:version."""
    rows = _ask(lambda c: c.get(c.user_path("distros"), Distributions).distributions)
    names = (":".join(find.distribution_words(row)[:2]) for row in rows)
    return [name for name in names if name.startswith(incomplete.lower())]


def accounts(incomplete: str) -> list[str]:
    """Cloud accounts by name."""
    rows = _ask(lambda c: c.get(f"ingot/{c.user_path('accounts')}", CredAccounts, _MOST).cred_accounts)
    return [row.name for row in rows if row.name and row.name.startswith(incomplete)]


def publications(incomplete: str) -> list[tuple[str, str]]:
    """Publications by id, with what they are."""
    rows = _ask(lambda c: c.get(f"ingot/{c.user_path('pimages')}", PublishImages).publish_images)
    shown = [(str(row.db_id), f"{row.name} {row.version}, {row.cloud_id or ''}") for row in rows]
    return [entry for entry in shown if entry[0].startswith(incomplete)]


def deployments(incomplete: str) -> list[tuple[str, str]]:
    """Deployments by id, with their names."""
    rows = _ask(lambda c: c.get(c.user_path("deployments"), Deployments).deployments)
    return [
        (row.application_id or "", row.name or "") for row in rows if (row.application_id or "").startswith(incomplete)
    ]


def _ask(question: Callable[[Connection], list[_T]]) -> list[_T]:
    try:
        with Connection(login.find(os.environ)) as connection:
            return question(connection)
    except ClientError:
        return []
