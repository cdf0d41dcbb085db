"""Machines that are started from publications."""

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from ingot.api.operation import Call, Chapter
from ingot.api.operations.publication import find_publication
from ingot.api.representations import publications as representations
from ingot.messages.base import Message, OpStatus
from ingot.messages.deployment import Deployment, Deployments
from ingot.services import deployments
from ingot.store import tables

_images = Chapter("machineimage")
_chapter = Chapter("deployments")
CHAPTERS = (_images, _chapter)
_MAY = ("deployments_access",)
_BASE = "/users/{uid}/deployments"
_ONE = f"{_BASE}/{{did}}"


def _deployment(call: Call) -> tables.Deployment:
    return deployments.find(call.session, call.owner, str(call.request.path_params["did"]))


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
