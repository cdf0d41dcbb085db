"""Every failure as a `uforgeError`, in the form the client asked for."""

import re
import uuid
from collections.abc import Mapping

from sqlalchemy import exc as database
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ingot.api import negotiation
from ingot.logs import Log
from ingot.messages.codec import MalformedMessageError
from ingot.messages.common import LocalizedMessage, UForgeError
from ingot.services import errors as services
from ingot.services.claims import ClaimLostError
from ingot.store.artifacts import ArtifactError, StoreAwayError
from ingot.store.base import now

#: Query parameters whose values are secrets: no message and no log shows them.
SECRET_PARAMETERS = ("downloadId", "id", "signature", "autopasswd", "password", "apiKey")
_SECRET = re.compile(rf"(?i)\b({'|'.join(SECRET_PARAMETERS)})=[^&\s]*")
#: When to try again what is refused because there are too many.
_RETRY_SECONDS = 10
_log = Log()


class UnauthorizedError(services.ServiceError):
    """Who asks is not known."""

    message_id = "ERROR.AUTHENTICATION.INVALID"


class PreconditionFailedError(services.ServiceError):
    """The object is not the one that the client means any more."""

    message_id = "ERROR.PRECONDITION.FAILED"


class TooLargeError(services.ServiceError):
    """A body is larger than it may be."""

    message_id = "ERROR.BODY.TOO_LARGE"


_STATUS: Mapping[type[Exception], int] = {
    services.NotFoundError: 404,
    services.InvalidError: 400,
    services.ConflictError: 409,
    services.ForbiddenError: 403,
    services.TooManyError: 429,
    services.StorageFullError: 507,
    UnauthorizedError: 401,
    PreconditionFailedError: 412,
    TooLargeError: 413,
    negotiation.NotAcceptableError: 406,
}
_HTTP_MESSAGES = {404: "ERROR.ROUTE.NOT_FOUND", 405: "ERROR.METHOD.NOT_ALLOWED"}


def redacted(text: str) -> str:
    """A request target without the secrets in its query."""
    return _SECRET.sub(r"\1=…", text)


def error_response(request: Request, error: Exception) -> Response:
    """The answer to a request that failed."""
    headers: dict[str, str] = {}
    parameters: tuple[str, ...] = ()
    if isinstance(error, services.ServiceError):
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
        message, message_id, parameters = error.message, error.message_id, error.parameters
        if status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="Ingot", charset="UTF-8"'
        if status == 429:
            headers["Retry-After"] = str(_RETRY_SECONDS)
    elif isinstance(error, MalformedMessageError):
        status, message, message_id = 400, str(error), "ERROR.MESSAGE.MALFORMED"
    elif isinstance(error, (StoreAwayError, ClaimLostError)):
        status, message_id, message = 503, "ERROR.STORAGE.AWAY", str(error) or "The file got lost. Send it again."
        headers["Retry-After"] = str(_RETRY_SECONDS)
        _log.error("the place for artifacts is away", path=request.url.path, error=str(error))
    elif isinstance(error, ArtifactError):
        status, message, message_id = 507, str(error), "ERROR.STORAGE.FULL"
    elif isinstance(error, IntegrityError):
        status, message_id = 409, "ERROR.CONFLICT.SIMULTANEOUS"
        message = "Somebody else changed the same thing, or took the same name, at this moment. Read it and try again."
        _log.warning("a request lost against another one", path=request.url.path, error=str(error.orig))
    elif isinstance(error, (database.OperationalError, database.InterfaceError, database.TimeoutError)):
        status, message_id = 503, "ERROR.DATABASE.AWAY"
        message = "The database does not answer at this moment. Try again in a little while."
        headers["Retry-After"] = str(_RETRY_SECONDS)
        _log.error("the database is away", path=request.url.path, error=str(getattr(error, "orig", None) or error))
    elif isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
        message = {
            404: f"There is nothing at {request.url.path}.",
            405: f"{request.method} is not possible at {request.url.path}; possible is {headers.get('Allow')}.",
        }.get(status, str(error.detail))
        message_id = _HTTP_MESSAGES.get(status, f"ERROR.HTTP.{status}")
    else:
        incident = uuid.uuid4().hex[:12]
        _log.exception("request failed unexpectedly", incident=incident, path=request.url.path, exc_info=error)
        status, message_id = 500, "ERROR.UNEXPECTED"
        message = f"The server failed in a way nobody foresaw. Its log says more under incident {incident}."
    return uforge_error(request, status, message, message_id, parameters, headers)


def uforge_error(
    request: Request,
    status: int,
    message: str,
    message_id: str,
    parameters: tuple[str, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A `uforgeError` document as a response."""
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    document = UForgeError(
        localized_error_msg=LocalizedMessage(message=message, message_id=message_id, parameters=list(parameters)),
        request_method=request.method,
        request_uri=redacted(target),
        status_code=status,
        timestamp=now().replace(microsecond=0),
    )
    try:
        media_type = negotiation.answer_type(request.headers.get("accept"))
    except negotiation.NotAcceptableError:
        media_type = negotiation.XML
    content = b"" if request.method == "HEAD" else negotiation.encode(document, media_type)
    return Response(content, status, {**(headers or {}), "content-type": media_type, "cache-control": "no-store"})
