"""Where jobs are."""

from ingot.messages.base import OpStatus
from ingot.store.tables import Attempt


def of_attempt(attempt: Attempt | None, parent_uri: str, message: str, failure: str) -> OpStatus:
    """The status of what `parent_uri` names; without an attempt it waits for somebody to begin.

    What ended is complete, except what was cancelled: that is cancelled. `failure` is said of one that failed without
    a word of its own.
    """
    if attempt is None:
        return OpStatus(
            complete=False,
            error=False,
            cancelled=False,
            percentage=0,
            message=message,
            parent_uri=parent_uri,
            uri=f"{parent_uri}/status",
        )
    failed = attempt.state == "failed"
    return OpStatus(
        db_id=attempt.id,
        created=attempt.created,
        last_modified=attempt.last_modified,
        cancelled=attempt.state == "cancelled",
        complete=attempt.state in ("done", "failed"),
        detailed_error=bool(failed and attempt.detail),
        detailed_error_msg=attempt.detail if failed else None,
        error=failed,
        error_message=(attempt.error or failure) if failed else None,
        message=message,
        parent_uri=parent_uri,
        percentage=100 if attempt.is_over else max(0, min(99, attempt.percentage)),
        published=False,
        uri=f"{parent_uri}/status",
    )


def of_transfer(attempt: Attempt | None, parent_uri: str, what: str) -> OpStatus:
    """The status of an import or export, `what` in words. Clients that wait for one look for its end in `complete`
    and `error` alone: a cancelled one has both."""
    message = f"Waiting for the archive of the {what}" if attempt is None else attempt.message or "Working"
    status = of_attempt(attempt, parent_uri, message, f"The {what} failed.")
    if status.cancelled:
        status.complete = status.error = True
        status.error_message = f"The {what} was cancelled."
    return status
