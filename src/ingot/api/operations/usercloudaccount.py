"""Cloud accounts of users, and their certificates."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import joinedload, lazyload
from starlette.responses import Response

from ingot.api.listing import QUERY_PARAMETERS, Listing
from ingot.api.operation import Call, Chapter
from ingot.api.representations import accounts as representations
from ingot.messages.account import Certificate, CredAccount, CredAccounts
from ingot.messages.base import Message
from ingot.services import certificates, cloud_accounts
from ingot.store import tables

_chapter = Chapter("usercloudaccount")
CHAPTERS = (_chapter,)
_BASE = "/users/{uid}/accounts"
_ONE = f"{_BASE}/{{caid}}"
_CERTIFICATES = f"{_ONE}/certs"
_CERTIFICATE = f"{_CERTIFICATES}/{{certid}}"
_CHANGE = ("cloud_account_create", "cloud_account_edit")

_ACCOUNTS = Listing(
    fields={
        "name": tables.CloudAccount.name,
        "dbId": tables.CloudAccount.id,
        "created": tables.CloudAccount.created,
        "targetPlatform.name": tables.TargetPlatform.name,
        "targetPlatform.type": tables.TargetPlatform.type,
    },
    order=(tables.CloudAccount.name, tables.CloudAccount.id),
)


def _account(call: Call) -> tables.CloudAccount:
    return cloud_accounts.find(call.session, call.owner, call.number("caid"))


def _represent(call: Call, row: tables.CloudAccount) -> CredAccount:
    return representations.account(row, call.server.vault)


@_chapter.operation(
    "cloudAccount_create",
    "POST",
    _BASE,
    entitlements=("cloud_account_create",),
    body=CredAccount,
    answer=CredAccount,
    status=201,
)
def create(call: Call) -> Message:
    """Keep a cloud account; its secrets are sealed and shown to nobody."""
    row = cloud_accounts.create(call.session, call.server.vault, call.owner, call.body(CredAccount))
    return _represent(call, row)


@_chapter.operation("cloudAccount_getAll", "GET", _BASE, answer=CredAccounts, query=QUERY_PARAMETERS)
def get_all(call: Call) -> Message:
    """The cloud accounts of a user whose types the original knows."""
    return accounts_page(call, tables.CloudAccount.target_platform_id.is_not(None))


def accounts_page(call: Call, *conditions: ColumnElement[bool]) -> Message:
    """The page of a user's accounts that a request asks for."""
    statement = (
        select(tables.CloudAccount)
        .outerjoin(tables.TargetPlatform, tables.CloudAccount.target_platform_id == tables.TargetPlatform.id)
        .where(tables.CloudAccount.owner_id == call.owner.id, *conditions)
        .options(joinedload(tables.CloudAccount.owner).options(lazyload(tables.User.roles)))
    )
    rows, total = _ACCOUNTS.page(call.session, statement, call.query)
    return CredAccounts(total=total, cred_accounts=[_represent(call, row) for row in rows])


@_chapter.operation("cloudAccount_get", "GET", _ONE, answer=CredAccount)
def get(call: Call) -> Message:
    """A cloud account."""
    return _represent(call, _account(call))


@_chapter.operation("cloudAccount_update", "PUT", _ONE, entitlements=_CHANGE, body=CredAccount, answer=CredAccount)
def update(call: Call) -> Message:
    """Change a cloud account: what is absent stays; another host needs the secret again."""
    row = _account(call)
    cloud_accounts.update(call.session, call.server.vault, row, call.body(CredAccount))
    return _represent(call, row)


@_chapter.operation("cloudAccount_delete", "DELETE", _ONE, entitlements=("cloud_account_delete",), status=204)
def delete(call: Call) -> None:
    """Forget a cloud account."""
    cloud_accounts.delete(call.session, _account(call))


@_chapter.operation(
    "cloudAccountCert_create",
    "POST",
    _CERTIFICATES,
    entitlements=("cloud_account_create",),
    body=Certificate,
    answer=Certificate,
    status=201,
)
def certificate_create(call: Call) -> Message:
    """Add a certificate to a cloud account."""
    account = _account(call)
    row = certificates.create(call.session, call.server.vault, account, call.body(Certificate))
    return representations.certificate(row, account)


@_chapter.operation(
    "cloudAccountCert_upload",
    "POST",
    f"{_CERTIFICATE}/{{fileName}}",
    entitlements=_CHANGE,
    answer=Certificate,
    status=201,
    upload=certificates.LARGEST,
)
def certificate_upload(call: Call) -> Message:
    """Upload a certificate's content; one before is replaced."""
    account = _account(call)
    row = cloud_accounts.find_certificate(account, call.number("certid"))
    name = str(call.request.path_params["fileName"])
    certificates.set_content(call.session, call.server.vault, account, row, name, call.content)
    return representations.certificate(row, account)


@_chapter.operation(
    "cloudAccountCert_download", "GET", _CERTIFICATE, entitlements=("appliance_create",), query=("downloadId",)
)
def certificate_download(call: Call) -> Response:
    """Download a public certificate; private keys never leave the server."""
    row = cloud_accounts.find_certificate(_account(call), call.number("certid"))
    content = certificates.public_content(call.server.vault, row)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type="application/x-pem-file", headers=headers)


@_chapter.operation(
    "cloudAccountCert_delete", "DELETE", _CERTIFICATE, entitlements=("cloud_account_delete",), status=204
)
def certificate_delete(call: Call) -> None:
    """Remove a certificate."""
    account = _account(call)
    certificates.delete(call.session, account, cloud_accounts.find_certificate(account, call.number("certid")))
