"""Every request is logged and counted; secrets in its query are not shown."""

import time

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingot.api.errors import redacted
from ingot.logs import RequestLines


class RequestJournal:
    """The log lines and the figures of requests; the figures are in `registry`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._lines = RequestLines()
        labels = ("method", "status")
        registry = self.registry
        self._counts: dict[tuple[str, int], Counter] = {}  # those of `_requests`, which takes longer to look them up
        self._requests = Counter("ingot_http_requests", "Requests answered", labels, registry=registry)
        self._seconds = Histogram("ingot_http_request_seconds", "Time to the end of the answer", registry=registry)

    def note(self, method: str, target: str, status: int, started: float, client: str, agent: str) -> None:
        """Note a request that has been answered; `started` by time.perf_counter()."""
        seconds = time.perf_counter() - started
        kind = (method, status)
        if (count := self._counts.get(kind)) is None:
            count = self._counts[kind] = self._requests.labels(method, str(status))
        count.inc()
        self._seconds.observe(seconds)
        shown = redacted(target) if "?" in target else target
        self._lines.add(method, shown, status, seconds * 1000, client, agent)


class Observed:
    """Notes every request that the application answers."""

    def __init__(self, app: ASGIApp, journal: RequestJournal) -> None:
        self._app, self._journal = app, journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            query = scope["query_string"].decode("latin-1")
            self._journal.note(
                scope["method"],
                f"{scope['path']}?{query}" if query else scope["path"],
                status,
                started,
                (scope.get("client") or ("", 0))[0],
                Headers(scope=scope).get("user-agent", ""),
            )
