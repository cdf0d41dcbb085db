"""`ingot deployment`: machines that are started from publications."""

import typer

from ingot.cli import fields
from ingot.cli.follow import await_end, await_end_of
from ingot.cli.output import REFUSED, Output, fail, print_facts, print_json, printable, say, tell
from ingot.cli.remote import connected, plain, print_messages
from ingot.client import find
from ingot.client.connection import Connection
from ingot.client.errors import RefusedError
from ingot.messages.base import OpStatus
from ingot.messages.deployment import Deployment, DeploymentActivity, Instance, InstanceAmazon
from ingot.messages.image import PublishImage, PublishImageAws
from ingot.publish.machine import Effector

_NOT_FOUND = 404


def create(
    number: int, words: list[str], *, name: str | None, cores: int, memory: int, wait: bool, output: Output
) -> None:
    """Start a machine, and follow it until it runs."""
    with connected() as connection:
        publication = find.publication(connection, number)
        instance = _instance(publication, words)
        instance.cores, instance.memory = cores, memory
        body = Deployment(name=name or publication.name, instances=[instance])
        row = connection.post(f"{publication.uri}/deploys", body, Deployment)
        if wait:
            say(f"Deployment {row.application_id}, {row.name}")
            row = _followed(connection, row)
        _print(row, output)


def show_list(output: Output) -> None:
    """The machines, newest first."""
    with connected() as connection:
        rows = find.deployments(connection)
    columns = {
        "Id": lambda row: row.application_id,
        "Name": lambda row: row.name,
        "Created": lambda row: f"{row.creation_date:%Y-%m-%d %H:%M}" if row.creation_date else "",
        "Cloud": lambda row: _machine(row).cloud_provider,
        "Address": lambda row: _machine(row).hostname,
        "State": lambda row: row.state,
    }
    empty = "There are no machines. Start one from a publication: ingot deployment create PUBLICATION"
    print_messages(rows, output, columns, empty)


def show(name: str, output: Output) -> None:
    """One machine."""
    with connected() as connection:
        row = find.deployment(connection, name)
        status = connection.get(f"{row.uri}/status", OpStatus)
    _print(row, output, status)


def effect(name: str, effector: Effector) -> None:
    """Tell a machine something, and follow it to its end."""
    with connected() as connection:
        row = find.deployment(connection, name)
        uri = _machine(row).uri
        activity = connection.post(f"{uri}/effectors/{effector}", None, DeploymentActivity)

        def read() -> OpStatus:
            found = connection.get(f"{uri}/activities/{activity.id}", DeploymentActivity)
            return OpStatus(
                complete=found.is_done,
                error=found.is_error,
                message=found.status_detail,
                percentage=100 if found.is_done else 0,
            )

        status = await_end_of(read)
        if status.error:
            fail(f"{effector} of {row.name} failed: {printable(status.message)}")
        row = find.deployment(connection, row.application_id or "")
    tell(f"{row.name} is {row.state}.")


def terminate(name: str, *, yes: bool, wait: bool) -> None:
    """End a machine."""
    with connected() as connection:
        row = find.deployment(connection, name)
        if not yes:
            say(f"{row.application_id}  {row.name}, {row.state}")
            typer.confirm("End this machine and remove its disk?", abort=True, err=True)
        connection.delete(row.uri or "")
        if wait:
            _await_gone(connection, row)
            tell(f"{row.name} is terminated.")
        else:
            tell(f"{row.name} is being terminated.")


def _instance(publication: PublishImage, words: list[str]) -> Instance:
    kind = InstanceAmazon if isinstance(publication, PublishImageAws) else Instance
    # Machines have keys and no passwords here.
    own = [name for name in kind.model_fields if name not in Instance.model_fields and name != "user_password"]
    return fields.build(kind, dict(fields.parse(words, fields.aliases(kind, own), "the machine")))


def _followed(connection: Connection, row: Deployment) -> Deployment:
    try:
        status = await_end(connection, f"{row.uri}/status")
    except KeyboardInterrupt:
        fail(f"The machine is started without you. Look at it: ingot deployment show {row.application_id}")
    if status.error:
        words = printable(status.error_message)
        remedy = f"Remove what is left of it: ingot deployment terminate {row.application_id}"
        fail(f"{row.name} failed: {words}", detail=printable(status.detailed_error_msg) or remedy)
    return find.deployment(connection, row.application_id or "")


def _await_gone(connection: Connection, row: Deployment) -> None:
    def read() -> OpStatus:
        try:
            return connection.get(f"{row.uri}/status", OpStatus)
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            return OpStatus(complete=True, message="terminated", percentage=100)

    status = await_end_of(read)
    if status.error:
        fail(f"{row.name} could not be terminated: {printable(status.error_message)}", code=REFUSED)


def _machine(row: Deployment) -> Instance:
    return (row.instances or [Instance()])[0]


def _print(row: Deployment, output: Output, status: OpStatus | None = None) -> None:
    if output is Output.JSON:
        print_json(plain(row))
        return
    machine = _machine(row)
    source = row.source_summary
    print_facts(
        [
            ("Deployment", row.application_id),
            ("Name", row.name),
            ("Template", source.name if source else None),
            ("Cloud", machine.cloud_provider),
            ("Machine", machine.name),
            ("Cores", machine.cores),
            ("Memory", f"{machine.memory} MB" if machine.memory else None),
            ("Address", machine.hostname),
            ("State", row.state),
            ("Error", status.error_message if status else None),
        ]
    )
