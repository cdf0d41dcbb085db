"""Ask a cloud what an account can see: `python -m ingot.jobs.resources ACCOUNT_ID [PUBLICATION_ID]`.

In a program of its own: the clouds' libraries are large, and a cloud that does not answer must not hold a request's
transaction.
"""

import subprocess
import sys
from pathlib import Path

from ingot.messages.codec import from_json, to_json
from ingot.messages.resources import CredAccountResources
from ingot.process import bound_environment, die_with_parent
from ingot.publish.target import Journal, PublishError, Source
from ingot.publish.targets import TARGETS, message_type, target_of
from ingot.services import cloud_accounts, publications
from ingot.services.errors import ConflictError
from ingot.services.secrets import vault
from ingot.settings import Settings
from ingot.store.database import Database
from ingot.store.tables import CloudAccount, Publication

#: The original's client waits for 300 seconds.
_PATIENCE_SECONDS = 240
_NOTHING = Source(Path("/dev/null"), "", 0, "", "", "", "", "")


def resources_of(account_id: int, publication_id: int | None = None) -> CredAccountResources:
    """What an account can see, for a publication's project where one is given; raises ConflictError in the cloud's own
    words.
    """
    numbers = [str(account_id), *([str(publication_id)] if publication_id is not None else [])]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ingot.jobs.resources", *numbers],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
            env=bound_environment(secrets=False),
        )
    except subprocess.TimeoutExpired:
        raise ConflictError(f"The cloud did not answer within {_PATIENCE_SECONDS} seconds: try again later.") from None
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ConflictError(words or "The cloud could not be asked.", message_id="ERROR.ACCOUNT.RESOURCES")
    return from_json(done.stdout, CredAccountResources)


def main(account_id: int, publication_id: int | None) -> int:
    """Print the resources as JSON."""
    die_with_parent()
    settings = Settings()
    with Database(settings.database).transaction(read_only=True) as session:
        row = session.get_one(CloudAccount, account_id)
        account = cloud_accounts.revealed(vault(settings), row)
        kinds = [kind for kind, entry in TARGETS.items() if row.kind in entry.accounts]
        publication = session.get(Publication, publication_id) if publication_id is not None else None
        message = publications.message_of(publication) if publication is not None else None
    if not kinds:
        print(f"Nothing is known of what a {type(account).__name__} can see.", file=sys.stderr)
        return 1
    try:
        chosen = message or message_type(kinds[0])()
        found = target_of(chosen)(account, chosen, _NOTHING, Journal()).resources()
    except PublishError as error:
        print(error.message.replace("\n", " "), file=sys.stderr)
        return 1
    sys.stdout.buffer.write(to_json(CredAccountResources(cloud_resources=found, resources=[])))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None))
