"""From a request to its operation's answer."""

from collections.abc import Awaitable, Callable

import anyio.to_thread
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ingot.api import conditional, negotiation
from ingot.api.errors import PreconditionFailedError, TooLargeError
from ingot.api.operation import Call, Login, Operation, Server
from ingot.api.threads import Threads, limiter_of
from ingot.messages.base import Message, UForgeObject
from ingot.services.artifacts import sweep
from ingot.services.deliveries import Delivery
from ingot.services.errors import InvalidError
from ingot.services.users import owner_for, require_entitlement
from ingot.store.artifacts import ArtifactDraft

_CHUNK = 1 << 20
_DELIVERY_THREADS = 16
#: So long a client waits while the place for artifacts is away.
_DELIVERY_PATIENCE_SECONDS = 10.0
_deliveries = Threads("_deliveries")
COMMON_HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Language": "en",
    "Vary": "Accept, Authorization",
    "X-Content-Type-Options": "nosniff",
}


def endpoint(operation: Operation, server: Server) -> Callable[[Request], Awaitable[Response]]:
    """The ASGI endpoint of an operation; it works in a thread, since the database is synchronous."""

    async def handle(request: Request) -> Response:
        if operation.stream:
            return await _receive(operation, server, request)
        limit = operation.upload or server.settings.largest_body
        content = b"" if request.method in ("GET", "HEAD") else await _read_body(request, limit)
        answer = _keep_and_answer if operation.keep else _answer
        return await run_in_threadpool(answer, operation, server, request, content)

    return handle


async def _receive(operation: Operation, server: Server, request: Request) -> Response:
    """Take a file of any size in bounded memory, from who may send it, and answer then."""
    limit = server.settings.largest_upload
    await run_in_threadpool(_admit_to_upload, operation, server, request)
    _refuse_announced(request, limit)
    with server.artifacts.draft() as draft:
        buffer = bytearray()
        async for chunk in request.stream():
            buffer += chunk
            if draft.size + len(buffer) > limit:
                raise TooLargeError(f"The file is too large: at most {limit} bytes are possible here.")
            if len(buffer) >= _CHUNK:
                await run_in_threadpool(draft.write, bytes(buffer))
                buffer.clear()
        await run_in_threadpool(draft.write, bytes(buffer))
        await run_in_threadpool(draft.sync)
        # Sending it elsewhere takes long: all other requests share the usual threads.
        limiter = limiter_of(_deliveries, _DELIVERY_THREADS) if server.artifacts.is_remote else None
        return await anyio.to_thread.run_sync(
            _deliver_and_answer, operation, server, request, b"", draft, limiter=limiter
        )


def _keep_and_answer(operation: Operation, server: Server, request: Request, content: bytes) -> Response:
    """Answer with a small file in the body."""
    _admit_to_upload(operation, server, request)
    with server.artifacts.draft() as draft:
        draft.write(content)
        return _deliver_and_answer(operation, server, request, content, draft)


def _deliver_and_answer(
    operation: Operation, server: Server, request: Request, content: bytes, draft: ArtifactDraft
) -> Response:
    """Have a file where contents are kept, then answer; what the answer does not take is removed."""
    sha256 = draft.result().sha256
    if not server.artifacts.is_remote:
        try:
            return _answer(operation, server, request, content, draft)
        except BaseException:
            if draft.is_kept:
                sweep(server.database, server.artifacts, {sha256})
            raise
    delivery = Delivery(server.database, server.artifacts, {sha256: draft.path})
    try:
        delivery.send(lambda _course: None, _DELIVERY_PATIENCE_SECONDS)
        return _answer(operation, server, request, content, draft, delivery)
    except BaseException:
        delivery.is_entered = False
        raise
    finally:
        delivery.close()


def _admit_to_upload(operation: Operation, server: Server, request: Request) -> None:
    with server.database.transaction(read_only=True) as session:
        _admit(operation, server, request, session)


def _refuse_announced(request: Request, limit: int) -> None:
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise TooLargeError(f"The body of {announced} bytes is too large: at most {limit} bytes are possible here.")


async def _read_body(request: Request, limit: int) -> bytes:
    _refuse_announced(request, limit)
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise TooLargeError(f"The body is too large: at most {limit} bytes are possible here.")
    return bytes(content)


def _answer(
    operation: Operation,
    server: Server,
    request: Request,
    content: bytes,
    received: ArtifactDraft | None = None,
    delivery: Delivery | None = None,
) -> Response:
    call = Call(server, request, content, received=received, delivery=delivery)
    if not operation.authenticated:
        return _run(operation, call)
    if operation.own_transactions:
        with server.database.transaction(read_only=True) as session:
            _admit(operation, server, request, session)
        return _run(operation, call)
    if operation.writes:
        # Nobody waits for the write lock while a password is verified or a document is read.
        with server.database.transaction(read_only=True) as session:
            _admit(operation, server, request, session)
        if operation.body is not None:
            call.message = _message(operation, operation.body, request, content)
    with server.database.transaction(read_only=not operation.writes) as session:
        call.login = _admit(operation, server, request, session)
        response = _run(operation, call)
    for action in call.after_commit:
        action()
    return response


def _admit(operation: Operation, server: Server, request: Request, session: Session) -> Login:
    """Who asks, for whom, and that they may."""
    user = server.authenticator.authenticate(session, request)
    login = request.path_params.get("uid")
    owner = owner_for(session, user, login) if login is not None else user
    require_entitlement(user, operation.entitlements)
    return Login(session, user, owner)


def _message(operation: Operation, message_type: type[Message], request: Request, content: bytes) -> Message:
    if not content.strip():
        if operation.optional_body:
            return message_type()
        raise InvalidError(f"The body is missing: send a {message_type.ELEMENT} document.")
    media_type = negotiation.body_type(request.headers.get("content-type"), content)
    return negotiation.decode(content, message_type, media_type)


def _run(operation: Operation, call: Call) -> Response:
    media_type = negotiation.answer_type(call.request.headers.get("accept")) if operation.answer else negotiation.XML
    answer = operation.handler(call)
    if isinstance(answer, Response):
        return answer
    if answer is None:
        return Response(status_code=204, headers=COMMON_HEADERS)
    return _render(operation, call.request, answer, media_type)


def _render(operation: Operation, request: Request, message: Message, media_type: negotiation.MediaType) -> Response:
    tag = conditional.stamp(message)
    modified = message.last_modified if isinstance(message, UForgeObject) else None
    headers = {**COMMON_HEADERS, "ETag": f'"{tag}"'}
    if modified is not None:
        headers["Last-Modified"] = conditional.format_date(modified)
    if request.method in ("GET", "HEAD"):
        if_match = request.headers.get("if-match")
        if if_match is not None and not conditional.matches(if_match, tag, weak=False):
            raise PreconditionFailedError(f"The object has changed: its entity tag is now {tag}.")
        if conditional.is_unmodified(request.headers, tag, modified):
            return Response(status_code=304, headers=headers)
    content = negotiation.encode(message, media_type, operation.answer)
    return Response(content, operation.status, {**headers, "content-type": media_type})
