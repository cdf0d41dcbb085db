"""The server's own secret: a file in the data directory, outside the database."""

import contextlib
import os
import secrets

from ingot.settings import Settings

_BYTES = 32


def server_secret(settings: Settings) -> bytes:
    """The secret that download keys are derived from; made at the first call, readable by the server's user alone.

    Two processes that make it at once agree: the file appears complete, and the first one stays.
    """
    path = settings.directory / "secret"
    if not path.exists():
        settings.directory.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"secret.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    return path.read_bytes()
