"""Start a machine from a publication, tell it something, or end it: `python -m ingot.jobs.deployment ATTEMPT_ID`."""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from ingot.jobs.job import Job, Workplace
from ingot.jobs.progress import Progress, finish
from ingot.process import die_with_parent
from ingot.publish.machine import Machine
from ingot.publish.machines import machines_of
from ingot.publish.target import PublishError
from ingot.services import cloud_accounts, deployments
from ingot.services.secrets import vault
from ingot.settings import Settings
from ingot.store.database import Database
from ingot.store.tables import Attempt, Deployment

_COMMAND = (sys.executable, "-m", "ingot.jobs.deployment")
#: A machine that runs without an address after so long may well have none.
_ADDRESS_SECONDS = 60
_POLL_SECONDS = 1.0


class DeploymentJob(Job):
    """Starts machines."""

    kind: ClassVar[str] = deployments.JOB

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """This module."""
        return [*_COMMAND, str(place.attempt.id)] if place.subject(session, Deployment) else None

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Enter the machine."""
        row = place.required_subject(session, Deployment)
        deployments.complete(session, row, result)
        return set()


class _EffectorJob(DeploymentJob):
    """Tells machines something."""

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Enter how the machine is then."""
        row = place.required_subject(session, Deployment)
        deployments.note_state(session, row, result)
        return set()


class StartJob(_EffectorJob):
    """Switches machines on."""

    kind: ClassVar[str] = deployments.EFFECTORS["start"].job


class StopJob(_EffectorJob):
    """Switches machines off."""

    kind: ClassVar[str] = deployments.EFFECTORS["stop"].job


class RestartJob(_EffectorJob):
    """Switches machines off and on again."""

    kind: ClassVar[str] = deployments.EFFECTORS["restart"].job


class TerminationJob(Job):
    """Ends machines."""

    kind: ClassVar[str] = deployments.TERMINATION

    def enqueue_due(self, session: Session, settings: Settings) -> None:
        """Machines whose end was asked for while they were being started."""
        del settings
        deployments.enqueue_terminations(session)

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """This module."""
        return [*_COMMAND, str(place.attempt.id)] if place.subject(session, Deployment) else None

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Forget the machine."""
        del result
        row = place.subject(session, Deployment)
        if row is not None:
            session.delete(row)
        return set()


def main(attempt_id: int) -> int:
    """Start or end the machine."""
    die_with_parent()
    settings = Settings()
    with Database(settings.database).transaction(read_only=True) as session:
        attempt = session.get_one(Attempt, attempt_id)
        row = session.get_one(Deployment, attempt.subject_id)
        account = cloud_accounts.revealed(vault(settings), row.account) if row.account else None
        publication, wanted = deployments.message_of_publication(row), deployments.wanted(row)
        kind, machine_id = attempt.kind, row.machine_id or deployments.machine_name(row)
    if account is None:
        return finish("The account of the machine is gone: end the machine with the cloud's own tools.")
    say = Progress()
    try:
        machines = machines_of(publication)
        if kind == deployments.TERMINATION:
            say("terminate", 10, "Ending the machine")
            machines.terminate(account, publication, machine_id)
            return finish()
        effector = next((name for name, entry in deployments.EFFECTORS.items() if entry.job == kind), None)
        if effector is not None:
            say(effector, 10, deployments.EFFECTORS[effector].description)
            return finish(result=asdict(machines.act(account, publication, machine_id, effector)))
        say("deploy", 10, "Starting the machine")
        machine = machines.start(account, publication, wanted)
        deadline = time.monotonic() + _ADDRESS_SECONDS
        while not _is_settled(machine) and time.monotonic() < deadline:
            say("deploy", 50, "Waiting for the machine's address")
            time.sleep(_POLL_SECONDS)
            machine = machines.look(account, publication, machine.id)
        if machine.state in ("failed", "gone", "stopped"):
            return finish(f"The machine {machine.name} is {machine.state}. {machine.message}".rstrip())
        return finish(result=asdict(machine))
    except PublishError as error:
        return finish(error.message, error.detail)


def _is_settled(machine: Machine) -> bool:
    if machine.state == "running" and not machine.has_address:
        return True
    return machine.state not in ("starting", "running") or bool(machine.hostname)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
