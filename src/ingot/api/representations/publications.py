"""Publications, and machines that were started from them."""

from ingot.api.representations import accounts
from ingot.api.representations.catalogue import target_format
from ingot.api.representations.images import image_uri
from ingot.api.representations.users import user_uri
from ingot.messages.account import CredAccount
from ingot.messages.base import OpStatus
from ingot.messages.deployment import ApplianceSummary, Deployment, Instance, Location
from ingot.messages.image import PublishImage
from ingot.messages.table import subtype
from ingot.messages.target import TargetPlatform
from ingot.publish import accounts as account_kinds
from ingot.publish.targets import entry_of, message_type
from ingot.services import deployments, publications
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
        message.file_name = image.file_name
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


def deployment_uri(row: tables.Deployment) -> str:
    """The address of a deployment."""
    return f"{user_uri(row.owner)}/deployments/{row.application_id}"


def deployment(row: tables.Deployment) -> Deployment:
    """A machine that was started, with what it was started from."""
    state = deployments.state_of(row)
    instance = subtype(Instance, row.kind)(
        **row.details,
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        location=Location(name=row.provider, provider=row.provider),
        hostname=row.hostname or "",
        instance_id=row.machine_id,
        name=deployments.machine_name(row),
        creation_date=row.created,
        source_summary=ApplianceSummary(name=row.source_name, uri=row.source_uri, version=row.source_version),
        state=state,
        parent_uri=deployment_uri(row),
        cloud_provider=row.provider,
    )
    return Deployment(
        uri=deployment_uri(row),
        application_id=row.application_id,
        name=row.name,
        creation_date=row.created,
        state=state,
        source_summary=ApplianceSummary(name=row.source_name, uri=row.source_uri, version=row.source_version),
        instances=[instance],
    )


def deployment_status(row: tables.Deployment) -> OpStatus:
    """Where a deployment is: its message is its state, as the original's clients expect it."""
    state, attempt = deployments.state_of(row), row.attempt
    failed = state == deployments.ON_FIRE
    return OpStatus(
        db_id=attempt.id if attempt else None,
        complete=state in (deployments.RUNNING, deployments.ON_FIRE),
        error=failed,
        cancelled=False,
        error_message=(attempt.error if attempt else None) or "The machine failed." if failed else None,
        detailed_error=bool(failed and attempt and attempt.detail),
        detailed_error_msg=attempt.detail if failed and attempt else None,
        message=state,
        parent_uri=deployment_uri(row),
        percentage=100 if state == deployments.RUNNING else attempt.percentage if attempt else 0,
        uri=f"{deployment_uri(row)}/status",
    )
