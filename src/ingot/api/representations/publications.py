"""Publications."""

from ingot.api.representations import accounts
from ingot.api.representations.catalogue import target_format
from ingot.api.representations.images import image_uri
from ingot.api.representations.users import user_uri
from ingot.messages.account import CredAccount
from ingot.messages.base import OpStatus
from ingot.messages.image import PublishImage
from ingot.messages.table import subtype
from ingot.messages.target import TargetPlatform
from ingot.publish import accounts as account_kinds
from ingot.publish.targets import entry_of, message_type
from ingot.services import publications
from ingot.services.secrets import Vault
from ingot.store import tables

_GONE = "(deleted)"


def publication_uri(row: tables.Publication) -> str:
    """The address of a publication."""
    if row.image is None:
        return f"{user_uri(row.owner)}/pimages/{row.id}"
    return f"{image_uri(row.image)}/pimages/{row.id}"


def status(row: tables.Publication) -> OpStatus:
    """Where a publication is, in bytes too. What ended is complete, except a cancelled one: it is cancelled."""
    attempt, base = row.attempt, publication_uri(row)
    if attempt is None:
        return OpStatus(complete=False, error=False, cancelled=False, percentage=0, message="Waiting", parent_uri=base)
    failed = attempt.state == "failed"
    return OpStatus(
        db_id=attempt.id,
        created=attempt.created,
        last_modified=attempt.last_modified,
        bytes_loaded=row.bytes_done,
        bytes_total=row.bytes_total,
        cancelled=attempt.state == "cancelled",
        complete=attempt.state in ("done", "failed"),
        detailed_error=bool(failed and attempt.detail),
        detailed_error_msg=attempt.detail if failed else None,
        error=failed,
        error_message=(attempt.error or "The publication failed.") if failed else None,
        message=publications.status_message(row, attempt),
        parent_uri=base,
        percentage=100 if attempt.is_over else max(0, min(99, attempt.percentage)),
        published=attempt.state == "done",
        uri=f"{base}/status",
    )


def publication(row: tables.Publication, vault: Vault, download_key: str | None = None) -> PublishImage:
    """A publication of its own type, with its account but without that one's secrets."""
    base, image = publication_uri(row), row.image
    downloads = f"{user_uri(row.owner)}/appliances/{row.appliance_id}/pimages/{row.id}/downloads"
    message = message_type(row.kind)(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        status=status(row),
        cred_account=_account(row, vault),
        cloud_id=row.cloud_id,
        publish_location=row.location,
        uri=base,
        name=_GONE,
        image_uri=f"{user_uri(row.owner)}/images",
        **row.details,
    )
    if image is not None:
        message.parent_uri = message.image_uri = image_uri(image)
        message.name, message.version, message.revision = image.name, image.version, image.revision
        message.full_name = f"{image.name} {image.version}"
        message.target_format = target_format(image.target_format)
        message.size = message.file_size = image.size or 0
        message.compress = image.compress
        message.file_name, message.sha256sum = image.file_name, image.sha256
        message.status_uri = f"{base}/status"
        if image.sha256 and download_key:
            message.download_key, message.download_uri = download_key, f"{downloads}?id={download_key}"
    return message


def _account(row: tables.Publication, vault: Vault) -> CredAccount:
    if row.account is not None:
        return accounts.account(row.account, vault)
    # Clients read the account's name and platform whether or not it is still there.
    kind = subtype(CredAccount, entry_of(row.kind).accounts[0])
    return kind(name=_GONE, target_platform=TargetPlatform(name=_GONE))


def is_extension(row: tables.Publication) -> bool:
    """Whether only clients that know Ingot's own types can read a publication."""
    own_account = row.account is not None and row.account.kind in account_kinds.EXTENSIONS
    return row.kind in publications.EXTENSIONS or own_account
