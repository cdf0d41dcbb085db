"""Machines that are started from publications."""

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from ingot.api.operation import Call, Chapter
from ingot.api.operations.publication import find_publication
from ingot.api.representations import deployments as representations
from ingot.messages.base import Message, OpStatus
from ingot.messages.deployment import (
    Deployment,
    DeploymentActivity,
    DeploymentEffectors,
    DeploymentEntity,
    Deployments,
)
from ingot.services import deployments
from ingot.store import tables

_images = Chapter("machineimage")
_chapter = Chapter("deployments")
CHAPTERS = (_images, _chapter)
_MAY = ("deployments_access",)
_BASE = "/users/{uid}/deployments"
_ONE = f"{_BASE}/{{did}}"
_ENTITY = f"{_BASE}/{{deploymentId}}/entities/{{entityId}}"


def _deployment(call: Call) -> tables.Deployment:
    return deployments.find(call.session, call.owner, str(call.request.path_params["did"]))


def _with_machine(call: Call) -> tables.Deployment:
    """The deployment whose machine the path names."""
    row = deployments.find(call.session, call.owner, str(call.request.path_params["deploymentId"]))
    deployments.find_machine(row, str(call.request.path_params["entityId"]))
    return row


@_images.operation(
    "machineImagePublished_deploy",
    "POST",
    "/users/{uid}/appliances/{aid}/images/{itid}/pimages/{pitid}/deploys",
    entitlements=_MAY,
    body=Deployment,
    answer=Deployment,
    status=201,
)
def deploy(call: Call) -> Message:
    """Start a machine from a publication; the answer's `applicationId` is what it is followed by."""
    row = deployments.deploy(call.session, find_publication(call), call.body(Deployment))
    return representations.deployment(row)


@_chapter.operation("deployment_getAll", "GET", _BASE, entitlements=_MAY, answer=Deployments)
def get_all(call: Call) -> Message:
    """The machines of a user, newest first."""
    statement = (
        select(tables.Deployment)
        .where(tables.Deployment.owner_id == call.owner.id)
        .options(joinedload(tables.Deployment.owner).lazyload(tables.User.roles))
        .order_by(tables.Deployment.id.desc())
    )
    rows = [representations.deployment(row) for row in call.session.scalars(statement).unique()]
    return Deployments(total=len(rows), deployments=rows)


@_chapter.operation("deployment_get", "GET", _ONE, entitlements=_MAY, answer=Deployment)
def get(call: Call) -> Message:
    """A machine."""
    return representations.deployment(_deployment(call))


@_chapter.operation("deployment_getDeployStatus", "GET", f"{_ONE}/status", entitlements=_MAY, answer=OpStatus)
def status_get(call: Call) -> Message:
    """Where a machine is: the message is its state (deploying, running, on-fire, terminating)."""
    return representations.deployment_status(_deployment(call))


@_chapter.operation("deployment_terminate", "DELETE", _ONE, entitlements=_MAY, status=204)
def terminate(call: Call) -> None:
    """End a machine; it is gone from the list when it has ended."""
    deployments.terminate(call.session, _deployment(call))


@_chapter.operation("entityGet", "GET", _ENTITY, entitlements=_MAY, answer=DeploymentEntity)
def entity_get(call: Call) -> Message:
    """The machine of a deployment, with what was done for it."""
    row = _with_machine(call)
    return representations.entity(row, deployments.activities(call.session, row))


@_chapter.operation("effectorsGet", "GET", f"{_ENTITY}/effectors", entitlements=_MAY, answer=DeploymentEffectors)
def effectors_get(call: Call) -> Message:
    """What a machine can be told to do."""
    _with_machine(call)
    return representations.effectors()


@_chapter.operation(
    "effectorPost",
    "POST",
    f"{_ENTITY}/effectors/{{effectorName}}",
    entitlements=_MAY,
    answer=DeploymentActivity,
    status=201,
)
def effector_post(call: Call) -> Message:
    """Tell a machine to start, stop or restart; the answer is the activity to follow it by."""
    row = _with_machine(call)
    return representations.activity(
        deployments.effect(call.session, row, str(call.request.path_params["effectorName"]))
    )


@_chapter.operation(
    "activityGet", "GET", f"{_ENTITY}/activities/{{activityId}}", entitlements=_MAY, answer=DeploymentActivity
)
def activity_get(call: Call) -> Message:
    """Something that was done for a machine, and how far it is."""
    attempt = deployments.find_activity(call.session, _with_machine(call), str(call.request.path_params["activityId"]))
    return representations.activity(attempt)
