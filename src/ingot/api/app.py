"""The server's application: all chapters under both base paths, errors, logs and metrics around them."""

import functools
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio.to_thread
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ingot.api import chapters, openapi
from ingot.api.dispatch import endpoint
from ingot.api.downloads.remembered import RememberingDownloads
from ingot.api.errors import error_response
from ingot.api.metrics import StageSeconds
from ingot.api.observed import Observed, RequestJournal
from ingot.api.operation import Server

#: Threads that answer requests in all processes together, and in each at least.
_THREADS, _FEWEST_THREADS = 40, 8
BASE_PATHS = ("/api", "/ufws")


class _BasePath(Convertor[str]):
    """A base path within that of an operation: one route does for all of them."""

    regex = "|".join(path[1:] for path in BASE_PATHS)

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


register_url_convertor("base", _BasePath())


def create_app(server: Server, journal: RequestJournal) -> ASGIApp:
    """The ASGI application of a server, whose requests are noted in the journal."""
    threads = max(_FEWEST_THREADS, _THREADS // server.settings.processes)
    app = Starlette(
        exception_handlers=dict.fromkeys((Exception, 404, 405), _on_error),
        lifespan=partial(_with_threads, threads=threads),
    )
    operations = [*chapters.all_operations(), *chapters.all_extensions()]
    for operation in operations:
        handle = endpoint(operation, server)
        app.add_route("/{base:base}" + operation.path, _guarded(handle), methods=[operation.method])
    document = partial(openapi.document, operations, BASE_PATHS[0])
    page = partial(openapi.page, operations)
    app.add_route("/openapi.json", _made_once(document, "application/json"), methods=["GET"])
    app.add_route("/docs", _made_once(page, "text/html; charset=utf-8"), methods=["GET"])
    shared = CollectorRegistry()
    shared.register(StageSeconds(server.database))
    app.add_route("/metrics", _metrics(journal.registry, shared), methods=["GET"])
    return NormalizedPaths(Observed(RememberingDownloads(app, server.remembered), journal))


@asynccontextmanager
async def _with_threads(_app: Starlette, threads: int) -> AsyncIterator[None]:
    """Requests are answered in so many threads: no more than there are connections to the database for them."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = threads
    yield


def _guarded(handle: Any) -> Any:
    async def guarded(request: Request) -> Response:
        try:
            response: Response = await handle(request)
        except Exception as error:
            return error_response(request, error)
        return response

    return guarded


async def _on_error(request: Request, error: Exception) -> Response:
    return error_response(request, error)


def _made_once(make: Callable[[], bytes], media_type: str) -> Any:
    """Content that is always the same, made when somebody asks for it: most processes are never asked."""
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'self'", "Cache-Control": "no-cache"}
    content = functools.cache(make)

    async def handle(_request: Request) -> Response:
        return Response(await run_in_threadpool(content), headers=headers, media_type=media_type)

    return handle


def _metrics(registry: CollectorRegistry, shared: CollectorRegistry) -> Any:
    """Figures of the server's processes (`registry`), and those that all share."""

    async def handle(_request: Request) -> Response:
        everything = registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # one of several processes, which add up their figures there
            everything = CollectorRegistry()
            MultiProcessCollector(everything)  # type: ignore[no-untyped-call]
        content = await run_in_threadpool(lambda: generate_latest(everything) + generate_latest(shared))
        return Response(content, media_type="text/plain; version=0.0.4")

    return handle


class NormalizedPaths:
    """Takes paths as clients write them: repeated slashes count as one, and a slash at the end as none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its path in one form."""
        if scope["type"] == "http":
            path = re.sub(r"/{2,}", "/", scope["path"])
            scope = {**scope, "path": path.rstrip("/") or "/"}
        await self._app(scope, receive, send)
