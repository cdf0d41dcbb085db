"""Downloads of owners that were allowed a moment ago: the same request again needs no query and no thread.

A decision holds as long as nothing at all has changed in the database, which SQLite tells in microseconds, and like a
verified password a minute after it was last used. Other databases cannot tell: there every request is decided anew.
"""

import asyncio
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingot.api.downloads.response import ACCELERATOR, Downloadable, plan
from ingot.api.downloads.sending import FileResponse
from ingot.api.errors import PreconditionFailedError
from ingot.store.database import Database

_ACCELERATOR = ACCELERATOR.encode()
#: Nearly all paths of files have it.
_DOWNLOADS = "/downloads"
_SECONDS = 60
_MOST = 10_000


@dataclass
class _Decision:
    file: Downloadable
    version: int
    until: float


class RememberedDownloads:
    """What was allowed, by the path and the credentials of the request; of the credentials only a keyed hash."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._key = secrets.token_bytes(32)
        self._decisions: OrderedDict[bytes, _Decision] = OrderedDict()
        self._lock = threading.Lock()

    def version(self) -> int | None:
        """The database's version: to be asked for before a decision is made; None where nothing can be remembered."""
        return self._database.version()

    def keep(self, scope: Scope, file: Downloadable, version: int | None) -> None:
        """Remember that this request was allowed to have the file, on the strength of that version."""
        if version is None or (name := self._name_of(scope)) is None:
            return
        with self._lock:
            self._decisions[name] = _Decision(file, version, time.monotonic() + _SECONDS)
            self._decisions.move_to_end(name)
            while len(self._decisions) > _MOST:
                self._decisions.popitem(last=False)

    def decidable(self, scope: Scope) -> bytes | None:
        """What a request is remembered by if it is one for a file, and if anything can be remembered."""
        return self._name_of(scope) if _DOWNLOADS in scope["path"] and self.version() is not None else None

    def find(self, path: bytes, credentials: bytes) -> Downloadable | None:
        """The file that a GET of this path, without a query, may have with this Authorization, if that was decided and
        must still be so.
        """
        return self._decided(self._name(path, credentials)) if self._decisions else None

    def find_for(self, scope: Scope) -> Downloadable | None:
        """The file that this request may have, as `find` knows it."""
        return self._decided(self._name_of(scope)) if self._decisions else None

    def _decided(self, name: bytes | None) -> Downloadable | None:
        decision = self._decisions.get(name) if name is not None else None
        now = time.monotonic()
        if decision is None or decision.until < now or decision.version != self.version():
            return None
        decision.until = now + _SECONDS
        return decision.file

    def _name_of(self, scope: Scope) -> bytes | None:
        """What a request is remembered by; None for one that is not."""
        if scope["method"] != "GET" or scope["query_string"]:
            return None
        headers = scope["headers"]
        credentials = [value for name, value in headers if name == b"authorization"]
        if len(credentials) != 1 or any(name == _ACCELERATOR for name, _ in headers):
            return None
        return self._name(scope["path"].encode(), credentials[0])

    def _name(self, path: bytes, credentials: bytes) -> bytes:
        return blake2b(b"%d %b%b" % (len(path), path, credentials), key=self._key, digest_size=32).digest()


class RememberingDownloads:
    """Answers what is remembered before anybody else looks at the request.

    What many ask for at once is decided for the first of them, and the others wait for that: each decision takes a
    thread and a connection to the database, and after every commit all of them would be made anew.
    """

    def __init__(self, app: ASGIApp, remembered: RememberedDownloads) -> None:
        self._app, self._remembered = app, remembered
        self._deciding: dict[bytes, asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        response = self._response(scope) if scope["type"] == "http" else None
        name = self._remembered.decidable(scope) if response is None and scope["type"] == "http" else None
        if name is not None and (decided := self._deciding.get(name)) is not None:
            await decided.wait()
            response = self._response(scope)
        elif name is not None:
            await self._decide(name, scope, receive, send)
            return
        await (response or self._app)(scope, receive, send)

    async def _decide(self, name: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        decided = self._deciding[name] = asyncio.Event()

        def let_go() -> None:
            if not decided.is_set():
                decided.set()
                del self._deciding[name]

        async def watched(message: Message) -> None:
            let_go()  # who begins to answer has decided
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            let_go()

    def _response(self, scope: Scope) -> Response | None:
        file = self._remembered.find_for(scope)
        if file is None:
            return None
        try:
            planned = plan(scope["method"], Headers(scope=scope), file)
            if planned.status == 304:
                return Response(status_code=304, headers=file.headers)
            return FileResponse(file, planned) if planned.has_content else None
        except (PreconditionFailedError, OSError):
            return None  # whoever is next says why
