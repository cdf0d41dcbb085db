"""Cloud accounts: never with a secret."""

from ingot.api.representations.catalogue import target_platform
from ingot.api.representations.users import user_uri
from ingot.messages.account import Certificate, CredAccount, CredAccountCert
from ingot.messages.base import UriList
from ingot.publish.accounts import KINDS
from ingot.services.cloud_accounts import secrets_are_missing
from ingot.services.secrets import Vault
from ingot.store import tables


def account_uri(row: tables.CloudAccount) -> str:
    """The address of a cloud account."""
    return f"{user_uri(row.owner)}/accounts/{row.id}"


def account(row: tables.CloudAccount, vault: Vault) -> CredAccount:
    """A cloud account without its secrets; `secretsMissing` says when it has none that could be used."""
    message = KINDS[row.kind].message(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        name=row.name,
        parent_uri=user_uri(row.owner),
        uri=account_uri(row),
        target_platform=target_platform(row.target_platform) if row.target_platform else None,
        secrets_missing=secrets_are_missing(vault, row),
        **row.details,
    )
    if isinstance(message, CredAccountCert):
        base = f"{account_uri(row)}/certs"
        message.base_certificates_uri = base
        message.certificates = [certificate(entry, row) for entry in row.certificates]
        message.certificate_uris = UriList(uri=[f"{base}/{entry.id}" for entry in row.certificates])
    return message


def certificate(row: tables.Certificate, account_row: tables.CloudAccount) -> Certificate:
    """A certificate without its content."""
    return Certificate.model_validate(
        {
            "db_id": row.id,
            "created": row.created,
            "last_modified": row.last_modified,
            "size": row.size,
            "uploaded": row.sealed is not None,
            "uploaded_time": row.uploaded,
            "name": row.name,
            "parent_uri": account_uri(account_row),
            "type": row.type,
            "uri": f"{account_uri(account_row)}/certs/{row.id}",
        }
    )
