"""One of several server processes: `python -m ingot.api.process FD`, where FD is the listening socket they share."""

import socket
import sys

from ingot.api.server import WebServer, server_config
from ingot.logs import set_up_logs
from ingot.process import die_with_parent, raise_file_limit
from ingot.settings import Settings
from ingot.store.database import Database

_CONNECTIONS, _FEWEST_CONNECTIONS = 60, 12


def main() -> int:
    """Serve until SIGTERM, or until the process that started this one is gone."""
    die_with_parent()
    set_up_logs()
    raise_file_limit()
    listener = socket.socket(fileno=int(sys.argv[1]))
    settings = Settings()
    # A database server has so many connections for all processes together.
    database = Database(settings.database, max(_FEWEST_CONNECTIONS, _CONNECTIONS // settings.processes))
    host, port = listener.getsockname()[:2]
    WebServer(server_config(settings, database, host, port)).run(sockets=[listener])
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
