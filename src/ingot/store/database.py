"""The database: SQLite on one machine, PostgreSQL when several share it."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 30
#: PostgreSQL ends the transaction of a process that is silent in the middle of it for so long: what one that hangs has
#: locked must not stay locked. Nothing of ours takes that long between two statements.
_IDLE_SECONDS = 120
_IDLE_STATE = "25P03"
#: Numbers of the locks for `exclude_others`: who migrates, who adds or removes artifacts, who sweeps the queue,
#: who counts downloads.
MIGRATION_LOCK = 4_711_001
ARTIFACT_LOCK = 4_711_002
QUEUE_LOCK = 4_711_003
DOWNLOAD_LOCK = 4_711_004
#: The largest id that every database can look for.
LARGEST_ID = 2**31 - 1


class Database:
    """A database and its transactions; at most so many `connections` are open at once."""

    def __init__(self, url: str, connections: int = 60) -> None:
        self.url = url
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        arguments: dict[str, Any] = {"connect_args": {"timeout": _BUSY_SECONDS}} if self.is_sqlite else {}
        self.engine = create_engine(
            url,
            pool_size=connections,  # opened as they are needed, and kept: PostgreSQL takes milliseconds for one
            max_overflow=0,
            pool_pre_ping=not self.is_sqlite,
            hide_parameters=True,  # errors go to logs, values may be secrets
            **arguments,
        )
        self._file = (make_url(url).database or None) if self.is_sqlite else None
        self._watching: sqlite3.Connection | None = None
        self._watching_lock = threading.Lock()
        if self.is_sqlite:
            _set_up_sqlite(self.engine)
        else:
            _set_up_postgresql(self.engine)

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Session]:
        """A session whose work is committed at the end, or undone by an exception.

        A writing transaction on SQLite takes the write lock at once: it then waits its turn at the start and
        never fails in the middle.
        """
        with Session(self.engine, expire_on_commit=False) as session:
            if self.is_sqlite and not read_only:
                session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
            with _committing(session):
                yield session

    def version(self) -> int | None:
        """A number that is another one after every commit of anybody, as this process sees it; None where the
        database cannot tell that in microseconds.
        """
        if self._file is None:
            return None
        with self._watching_lock:
            if self._watching is None:
                # A connection that never writes: it tells of the commits of all others.
                self._watching = sqlite3.connect(self._file, timeout=_BUSY_SECONDS, check_same_thread=False)
            return int(self._watching.execute("PRAGMA data_version").fetchone()[0])

    def exclude_others(self, session: Session, lock: int) -> None:
        """Make sure that no other transaction is between this call with the same number and its end.

        On SQLite there is only one writing transaction anyway.
        """
        if not self.is_sqlite:
            session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": lock})

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to the present version, or up to `revision`; several servers may start at once."""
        # Only who migrates loads the machinery for it.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self.engine.connect() as plain, self._without_cascades(plain):
            connection = plain.execution_options(sqlite_begin="EXCLUSIVE") if self.is_sqlite else plain
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": MIGRATION_LOCK})
                config.attributes["connection"] = connection
                command.upgrade(config, revision)

    @contextmanager
    def _without_cascades(self, connection: Connection) -> Iterator[None]:
        """Let migrations rebuild a table on SQLite without that counting as the deletion of all its rows."""
        if not self.is_sqlite:
            yield
            return
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            yield
        finally:
            driver.execute("PRAGMA foreign_keys=ON")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        with self._watching_lock:
            if self._watching is not None:
                self._watching.close()
                self._watching = None


@contextmanager
def _committing(session: Session) -> Iterator[None]:
    try:
        yield
    except BaseException:
        session.rollback()
        raise
    session.commit()


def _set_up_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.execute(f"SET idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s'")
        connection.commit()

    @event.listens_for(engine, "handle_error")
    def failed(context: Any) -> Exception | None:
        # The driver counts the end for silence among mistakes of the program; it is a connection that was lost.
        if getattr(context.original_exception, "sqlstate", "") != _IDLE_STATE:
            return None
        return OperationalError(context.statement, None, context.original_exception, connection_invalidated=True)


def _set_up_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        # The driver would begin transactions on its own idea of when; the "begin" event below does it.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")
