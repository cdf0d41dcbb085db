"""Accounts and publications of every type, also of those that only Ingot has."""

from ingot.api.listing import QUERY_PARAMETERS
from ingot.api.operation import Call, Chapter
from ingot.api.operations import publication, usercloudaccount
from ingot.messages.account import CredAccounts
from ingot.messages.base import Message
from ingot.messages.image import PublishImages

_chapter = Chapter("ingot")
CHAPTERS = (_chapter,)


@_chapter.operation(
    "ingotAccount_getAll", "GET", "/ingot/users/{uid}/accounts", answer=CredAccounts, query=QUERY_PARAMETERS
)
def accounts_get_all(call: Call) -> Message:
    """All cloud accounts of a user."""
    return usercloudaccount.accounts_page(call)


@_chapter.operation(
    "ingotPublication_getAll",
    "GET",
    "/ingot/users/{uid}/pimages",
    entitlements=("image_generate",),
    answer=PublishImages,
    query=("img",),
)
def publications_get_all(call: Call) -> Message:
    """All publications of a user, newest first."""
    return publication.represent_all(call, publication.of_user(call))
