"""Machines that were started from publications."""

import datetime as dt

from ingot.api.representations.publications import publication_uri
from ingot.api.representations.users import user_uri
from ingot.messages.base import OpStatus
from ingot.messages.deployment import (
    ApplianceSummary,
    Deployment,
    DeploymentActivity,
    DeploymentEffector,
    DeploymentEffectors,
    DeploymentEntity,
    DeploymentHardware,
    Instance,
    Location,
)
from ingot.messages.table import subtype
from ingot.services import deployments
from ingot.store import tables

_STATES = {
    "queued": "Waiting",
    "running": "In progress",
    "done": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


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
        uri=f"{deployment_uri(row)}/entities/{deployments.machine_name(row)}",
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
    failed, is_there = state == deployments.ON_FIRE, state in (deployments.RUNNING, deployments.STOPPED)
    return OpStatus(
        db_id=attempt.id if attempt else None,
        complete=is_there or failed,
        error=failed,
        cancelled=False,
        error_message=(attempt.error if attempt else None) or "The machine failed." if failed else None,
        detailed_error=bool(failed and attempt and attempt.detail),
        detailed_error_msg=attempt.detail if failed and attempt else None,
        message=state,
        parent_uri=deployment_uri(row),
        percentage=100
        if state in (deployments.RUNNING, deployments.STOPPED)
        else attempt.percentage
        if attempt
        else 0,
        uri=f"{deployment_uri(row)}/status",
    )


def entity(row: tables.Deployment, attempts: list[tables.Attempt]) -> DeploymentEntity:
    """The machine of a deployment, with what was done for it."""
    return DeploymentEntity(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        type="machine",
        service_id=deployments.machine_name(row),
        display_name=row.name,
        status=deployments.state_of(row),
        hostname=row.hostname,
        ip_address=row.hostname if (row.hostname or "").replace(".", "").isdecimal() else None,
        uforge_published_image_uri=publication_uri(row.publication) if row.publication else None,
        creation_time=_milliseconds(row.created),
        cloud_provider=row.provider,
        hardware=DeploymentHardware(ram=row.details.get("memory"), cores=row.details.get("cores")),
        activities=[activity(attempt) for attempt in attempts],
    )


def effectors() -> DeploymentEffectors:
    """What every machine can be told to do."""
    entries = [
        DeploymentEffector(name=name, description=entry.description, return_type_name="void")
        for name, entry in deployments.EFFECTORS.items()
    ]
    return DeploymentEffectors(total=len(entries), effectors=entries)


def activity(attempt: tables.Attempt) -> DeploymentActivity:
    """Something that is or was done for a machine. Times are milliseconds since 1970."""
    effector = next((name for name, entry in deployments.EFFECTORS.items() if entry.job == attempt.kind), None)
    failed = attempt.state == "failed"
    return DeploymentActivity(
        db_id=attempt.id,
        created=attempt.created,
        last_modified=attempt.last_modified,
        id=str(attempt.id),
        display_name=effector or attempt.kind,
        description=deployments.EFFECTORS[effector].description if effector else f"{attempt.kind} the machine",
        status_detail=attempt.error if failed else attempt.message,
        status_summary=_STATES[attempt.state],
        start_time_utc=_milliseconds(attempt.started),
        end_time_utc=_milliseconds(attempt.finished),
        is_submitted=True,
        is_begun=attempt.started is not None,
        is_done=attempt.is_over,
        is_error=attempt.state in ("failed", "cancelled"),
        is_effector=effector is not None,
    )


def _milliseconds(time: dt.datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() * 1000)
