"""Deployments: machines that are started from publications, looked at and ended."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.messages.deployment import Deployment as DeploymentMessage
from ingot.messages.deployment import Instance
from ingot.publish import machines
from ingot.publish.machine import Effector, Wanted
from ingot.publish.target import PublishError
from ingot.publish.targets import message_type
from ingot.services import attempts
from ingot.services.appliances import checked_text
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.tables import Attempt, Deployment, Publication, User

JOB = "deploy"
TERMINATION = "terminate"
_DEFAULT_CORES, _DEFAULT_MEMORY = 1, 1024
_MOST_CORES, _MOST_MEMORY = 1024, 1 << 24
#: States as the original's clients know them.
DEPLOYING, RUNNING, STOPPED, ON_FIRE, TERMINATING = "deploying", "running", "stopped", "on-fire", "terminating"


@dataclass(frozen=True)
class EffectorEntry:
    """Something that a machine can be told to do: `job` is the kind of its attempts."""

    job: str
    description: str


EFFECTORS: Mapping[Effector, EffectorEntry] = {
    "start": EffectorEntry("start machine", "Switch the machine on"),
    "stop": EffectorEntry("stop machine", "Switch the machine off, as a push on its button does"),
    "restart": EffectorEntry("restart machine", "Switch the machine off and on again"),
}


def find(session: Session, owner: User, application_id: str) -> Deployment:
    """A deployment of a user."""
    row = session.scalars(select(Deployment).where(Deployment.application_id == application_id)).first()
    if row is None or row.owner_id != owner.id:
        raise NotFoundError(
            f"User {owner.login} has no deployment {application_id}.",
            application_id,
            message_id="ERROR.DEPLOYMENT.NOT_FOUND",
        )
    return row


def deploy(session: Session, publication: Publication, message: DeploymentMessage) -> Deployment:
    """Ask for a machine of a finished publication; the job is put into the queue."""
    try:
        provider = machines.provider_of(publication.kind)
    except PublishError as error:
        raise InvalidError(error.message, publication.kind, message_id="ERROR.DEPLOYMENT.TARGET") from error
    if publication.cloud_id is None or publication.appliance is None:
        raise ConflictError(f"Publication {publication.id} is not complete: wait until its status is.")
    if publication.account is None:
        raise ConflictError("The account of the publication is gone: publish the image with another one.")
    if len(message.instances or []) > 1:
        raise InvalidError("A deployment has one machine here: give one instance.")
    instance = (message.instances or [Instance()])[0]
    appliance = publication.appliance
    row = Deployment(
        owner=publication.owner,
        publication=publication,
        account=publication.account,
        application_id=secrets.token_hex(8),
        name=checked_text("name of the deployment", message.name),
        kind=type(instance).__name__,
        details=_details(instance),
        source_name=appliance.name,
        source_version=appliance.version,
        source_uri=f"users/{appliance.owner.login}/appliances/{appliance.id}",
        publication_kind=publication.kind,
        publication_details=publication.details,
        cloud_id=publication.cloud_id,
        provider=provider,
        state=DEPLOYING,
    )
    session.add(row)
    session.flush()
    row.attempt = attempts.enqueue(session, JOB, row.id)
    session.flush()
    return row


def find_machine(row: Deployment, entity_id: str) -> None:
    """Refuse the name of a machine that a deployment has not."""
    if entity_id != machine_name(row):
        raise NotFoundError(
            f"Deployment {row.application_id} has no machine {entity_id}: its machine is {machine_name(row)}.",
            entity_id,
            message_id="ERROR.DEPLOYMENT.ENTITY_NOT_FOUND",
        )


def effect(session: Session, row: Deployment, name: str) -> Attempt:
    """Tell a machine that is there something; the job is put into the queue."""
    if name not in EFFECTORS:
        raise NotFoundError(f"No machine can be told to {name}: possible are {', '.join(EFFECTORS)}.", name)
    is_free = row.attempt is None or row.attempt.is_over
    if row.machine_id is None or row.state == TERMINATING or not is_free:
        raise ConflictError(
            f"The machine of deployment {row.application_id} is {state_of(row)}"
            f"{'' if is_free else ', and something is being done for it'}: wait until that is over."
        )
    row.attempt = attempts.enqueue(session, EFFECTORS[cast("Effector", name)].job, row.id)
    session.flush()
    return row.attempt


def note_state(session: Session, row: Deployment, result: dict[str, Any]) -> None:
    """Enter how a machine is after it was told something."""
    if row.state != TERMINATING:
        row.state = {"running": RUNNING, "starting": RUNNING, "stopped": STOPPED}.get(str(result["state"]), ON_FIRE)
        row.hostname = str(result["hostname"]) or row.hostname
    session.flush()


def activities(session: Session, row: Deployment) -> list[Attempt]:
    """What was and is done for a deployment, oldest first."""
    kinds = (JOB, *(entry.job for entry in EFFECTORS.values()), TERMINATION)
    query = select(Attempt).where(Attempt.kind.in_(kinds), Attempt.subject_id == row.id)
    # A number may have been another deployment's before.
    return list(session.scalars(query.where(Attempt.created >= row.created).order_by(Attempt.id)))


def find_activity(session: Session, row: Deployment, activity_id: str) -> Attempt:
    """One of a deployment's activities."""
    for attempt in activities(session, row):
        if str(attempt.id) == activity_id:
            return attempt
    raise NotFoundError(f"Deployment {row.application_id} has no activity {activity_id}.", activity_id)


def terminate(session: Session, row: Deployment) -> None:
    """End a machine and forget it: at once when nothing is being done for it, else when that has ended."""
    row.state, row.error = TERMINATING, None
    if row.attempt is not None:
        attempts.request_cancel(session, row.attempt)
    session.flush()
    enqueue_terminations(session)


def enqueue_terminations(session: Session) -> None:
    """Put the ends of machines into the queue for which nothing else is being done any more."""
    query = (
        select(Deployment)
        .join(Attempt, Deployment.attempt_id == Attempt.id)
        .where(
            Deployment.state == TERMINATING,
            Attempt.kind != TERMINATION,
            Attempt.state.in_(("done", "failed", "cancelled")),
        )
        .limit(100)
    )
    for row in session.scalars(query).unique():
        row.attempt = attempts.enqueue(session, TERMINATION, row.id)
    session.flush()


def machine_name(row: Deployment) -> str:
    """The machine's name at the cloud: the same for every try."""
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', row.name).strip('.-')[:40] or 'machine'}-{row.application_id[:8]}"


def wanted(row: Deployment) -> Wanted:
    """The machine that a deployment asks for."""
    cores, memory = row.details.get("cores"), row.details.get("memory")
    return Wanted(machine_name(row), cores or _DEFAULT_CORES, memory or _DEFAULT_MEMORY, row.details)


def complete(session: Session, row: Deployment, result: dict[str, Any]) -> None:
    """Enter a machine that runs."""
    row.machine_id, row.hostname = str(result["id"]), str(result["hostname"]) or None
    if row.state == DEPLOYING:
        row.state = RUNNING
    session.flush()


def state_of(row: Deployment) -> str:
    """How a deployment is: what failed is on fire."""
    if row.attempt is not None and row.attempt.state == "failed":
        return ON_FIRE
    return row.state


def message_of_publication(row: Deployment) -> Any:
    """The publication that a machine was started from, as it was then."""
    kind = message_type(row.publication_kind)
    return kind(**row.publication_details, cloud_id=row.cloud_id)


def _details(instance: Instance) -> dict[str, Any]:
    names = [name for name in type(instance).model_fields if name not in Instance.model_fields]
    values = {name: getattr(instance, name) for name in ("cores", "memory", *names)}
    given = {name: value for name, value in values.items() if value is not None and name != "user_password"}
    for name, most in (("cores", _MOST_CORES), ("memory", _MOST_MEMORY)):
        value = given.get(name)
        if value is not None and not 1 <= value <= most:
            raise InvalidError(f"{name} {value} is not possible: use a number from 1 to {most}.", name)
    return given
