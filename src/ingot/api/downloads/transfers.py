"""The downloads that a process serves and the database has to know of: those by key, and all where limits are set."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import anyio.from_thread
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ingot.api.downloads.response import Downloadable
from ingot.logs import Log
from ingot.services import download_keys, downloads
from ingot.services.downloads import Counts, Subject
from ingot.settings import Settings
from ingot.store.database import Database

_log = Log()
_LONGEST_BEAT, _SHORTEST_BEAT = 10.0, 0.5
#: Seconds between looks at how many downloads share a rate.
_RATE_BEAT = 2.0
#: A request with a key whose download ends at this moment waits so long for the database to know.
_PATIENCE_SECONDS = 10.0
#: Turns of the event loop between a client's farewell and the end of its download, with some to spare.
_TURNS_TO_END = 10


@dataclass(eq=False)
class KnownTransfer:
    """A download under way (a `sending.Transfer`). `key_id` is the row of its key, `lease_id` that in the count."""

    transfers: "Transfers"
    subject: Subject
    key_id: int | None
    reaches_end: bool
    lease_id: int | None = None
    counts: Counts = field(default_factory=lambda: Counts(1, 1))
    has_ended: threading.Event = field(default_factory=threading.Event)

    def rate(self) -> float | None:
        """Its share of the bytes per second of its object, and of its owner."""
        return self.transfers.share(self.counts)

    def ending(self) -> None:
        """From now on requests with the same key wait until the database knows the end."""
        self.transfers.note_ending(self)

    def end(self, *, is_delivered: bool) -> None:
        """Tell the database."""
        self.transfers.end(self, is_finished=is_delivered and self.reaches_end)


class Transfers:
    """The transfers of one process, and the thread that keeps the database's knowledge of them fresh."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._lock = threading.Lock()
        self._running: set[KnownTransfer] = set()
        self._ending: dict[int, KnownTransfer] = {}
        self._beating = False
        window = settings.download_resume_window
        self._beat_seconds = min(_LONGEST_BEAT, max(_SHORTEST_BEAT, window / 3)) if window else _LONGEST_BEAT
        if settings.download_rate_per_object or settings.download_rate_per_user:
            self._beat_seconds = min(self._beat_seconds, _RATE_BEAT)

    @property
    def are_limited(self) -> bool:
        """Whether downloads have to be counted."""
        own = self._settings
        return any((own.downloads_per_object, own.downloads_per_user, *self._rates()))

    def new(self, file: Downloadable, key_id: int | None, *, reaches_end: bool) -> KnownTransfer:
        """A download that is about to begin, with that key; `reaches_end`: whether the file's last byte is in it."""
        return KnownTransfer(self, Subject(file.kind, file.object_id, file.owner_id), key_id, reaches_end)

    def enter(self, session: Session, transfer: KnownTransfer) -> None:
        """Count a download, in a writing transaction; raises TooManyError."""
        if self.are_limited:
            own = self._settings
            transfer.lease_id, transfer.counts = downloads.begin(
                self._database, session, transfer.subject, own.downloads_per_object, own.downloads_per_user
            )

    def keep_alive(self, transfer: KnownTransfer) -> None:
        """A download is under way: the database is told so until it ends."""
        with self._lock:
            self._running.add(transfer)
            if not self._beating:
                self._beating = True
                threading.Thread(target=self._beat, name="downloads", daemon=True).start()

    def share(self, counts: Counts) -> float | None:
        """The bytes per second of one of so many downloads."""
        of_object, of_owner = self._rates()
        shares = [
            rate / number for rate, number in ((of_object, counts.of_object), (of_owner, counts.of_owner)) if rate
        ]
        return min(shares, default=None)

    def note_ending(self, transfer: KnownTransfer) -> None:
        """See `KnownTransfer.ending`."""
        with self._lock:
            self._running.discard(transfer)
            if transfer.key_id is not None:
                self._ending[transfer.key_id] = transfer

    def await_end(self, key_id: int) -> None:
        """Wait until the database knows of the end of a key's download, if that ends at this very moment. To be called
        in a thread of the event loop.
        """
        with self._lock:
            may_end = any(transfer.key_id == key_id for transfer in self._running)
        if may_end:
            # Its client may have gone before this one came: the loop hears of both, and is to act on the first.
            for _ in range(_TURNS_TO_END):
                anyio.from_thread.run(anyio.sleep, 0)
        with self._lock:
            transfer = self._ending.get(key_id)
        if transfer is not None:
            transfer.has_ended.wait(_PATIENCE_SECONDS)

    def end(self, transfer: KnownTransfer, *, is_finished: bool) -> None:
        """See `KnownTransfer.end`."""
        window = self._settings.download_resume_window

        def tell(session: Session) -> None:
            if transfer.lease_id is not None:
                downloads.end(session, transfer.lease_id)
            if transfer.key_id is not None and is_finished:
                download_keys.finish(session, transfer.key_id)
            elif transfer.key_id is not None:
                download_keys.extend(session, [transfer.key_id], window)

        try:
            self._tell(tell)
        finally:
            with self._lock:
                if transfer.key_id is not None and self._ending.get(transfer.key_id) is transfer:
                    del self._ending[transfer.key_id]
            transfer.has_ended.set()

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(self._beat_seconds):
            with self._lock:
                running = list(self._running)
                if not running:
                    self._beating = False
                    return
            self._tell(lambda session, running=running: self._renew(session, running))  # type: ignore[misc]

    def _renew(self, session: Session, running: list[KnownTransfer]) -> None:
        if leases := [transfer.lease_id for transfer in running if transfer.lease_id is not None]:
            downloads.renew(session, leases)
            counts = downloads.counts(session, {transfer.subject for transfer in running})
            for transfer in running:
                transfer.counts = counts[transfer.subject]
        if keys := [transfer.key_id for transfer in running if transfer.key_id is not None]:
            download_keys.extend(session, keys, self._settings.download_resume_window)

    def _tell(self, words: Callable[[Session], None]) -> None:
        try:
            with self._database.transaction() as session:
                words(session)
        except SQLAlchemyError as error:
            # Leases and windows end by themselves: nothing is lost for long.
            _log.warning("the database does not take in how downloads go", error=type(error).__name__)

    def _rates(self) -> tuple[int | None, int | None]:
        return self._settings.download_rate_per_object, self._settings.download_rate_per_user
