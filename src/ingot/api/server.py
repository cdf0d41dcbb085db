"""The web server process."""

import functools
import gc
import socket
from types import FrameType

import uvicorn

from ingot.api.app import create_app
from ingot.api.authentication import Authenticator
from ingot.api.downloads.remembered import RememberedDownloads
from ingot.api.downloads.shortcut import Shortcut
from ingot.api.downloads.transfers import Transfers
from ingot.api.http.handover import Patience
from ingot.api.http.protocol import Protocol
from ingot.api.observed import RequestJournal
from ingot.api.operation import Server
from ingot.services.secrets import server_secret, vault
from ingot.settings import Settings
from ingot.store.database import Database
from ingot.store.stores import artifacts_of

#: Downloads that are under way when the server is asked to stop have so many seconds.
GRACE_SECONDS = 15


def make_server(settings: Settings, database: Database) -> Server:
    """What the handlers share."""
    opened = vault(settings)
    return Server(
        settings=settings,
        database=database,
        artifacts=artifacts_of(settings),
        secret=server_secret(settings),
        vault=opened,
        authenticator=Authenticator(opened),
        transfers=Transfers(settings, database),
        remembered=RememberedDownloads(database),
    )


def server_config(settings: Settings, database: Database, host: str, port: int) -> uvicorn.Config:
    """uvicorn's configuration for Ingot's application."""
    server, journal = make_server(settings, database), RequestJournal()
    shortcut, patience = Shortcut(server.remembered, journal), Patience(settings.download_silence)
    return uvicorn.Config(
        create_app(server, journal),
        http=functools.partial(Protocol, patience=patience, shortcut=shortcut),  # type: ignore[arg-type]
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class WebServer(uvicorn.Server):
    """Ends by itself at the first SIGINT or SIGTERM, so that what is beside it is ended too; at once at the second."""

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until asked to end."""
        # What was loaded stays until the end: looking through it for garbage took a third of the time that a thousand
        # downloads need to begin.
        gc.collect()
        gc.freeze()
        super().run(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take note of a signal."""
        self.force_exit = self.should_exit
        self.should_exit = True
