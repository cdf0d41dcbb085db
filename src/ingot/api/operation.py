"""How an operation of the API is declared: once, with its handler.

From the declaration come its routes, its page in the OpenAPI document, who may call it, how its body is read
and its answer written, and its line in the coverage report.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.orm import Session
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from ingot.api.authentication import Authenticator
from ingot.api.downloads.remembered import RememberedDownloads
from ingot.api.downloads.transfers import Transfers
from ingot.messages.base import Message
from ingot.services.artifacts import sweep
from ingot.services.deliveries import Delivery
from ingot.services.errors import NotFoundError
from ingot.services.secrets import Vault
from ingot.settings import Settings
from ingot.store.artifacts import ArtifactDraft, ArtifactStore, StoredArtifact
from ingot.store.database import ARTIFACT_LOCK, LARGEST_ID, Database
from ingot.store.tables import User

_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True)
class Server:
    """What handlers share: the settings, the database, the artifacts."""

    settings: Settings
    database: Database
    artifacts: ArtifactStore
    secret: bytes
    vault: Vault
    authenticator: Authenticator
    transfers: Transfers
    remembered: RememberedDownloads


@dataclass
class Call:
    """One request to an operation.

    `content` is the body's bytes, `message` the body read as the operation's message type; of operations that
    `stream` or `keep` theirs, it was `received`. Operations that need a
    login run inside a transaction: `session`, `user` (who acts) and `owner` (the user of the path's {uid}) are theirs.
    """

    server: Server
    request: Request
    content: bytes = b""
    message: Message | None = None
    received: ArtifactDraft | None = None
    delivery: Delivery | None = None
    login: "Login | None" = None
    after_commit: list[Callable[[], None]] = field(default_factory=list)

    @property
    def session(self) -> Session:
        """The transaction."""
        return self._login.session

    @property
    def user(self) -> User:
        """Who acts."""
        return self._login.user

    @property
    def owner(self) -> User:
        """The user in the path, whom the acting user may act for."""
        return self._login.owner

    @property
    def _login(self) -> "Login":
        if self.login is None:
            raise RuntimeError("an operation without a login has no session")
        return self.login

    def keep_received(self) -> StoredArtifact:
        """Store the file that was sent; until the transaction ends nobody sweeps it."""
        if self.received is None:
            raise RuntimeError("the operation receives no file")
        self.server.database.exclude_others(self.session, ARTIFACT_LOCK)
        stored = self.received.keep()
        if self.delivery is not None:
            self.delivery.enter(self.session)
        return stored

    @property
    def received_path(self) -> Path:
        """Where the file that was sent lies on this machine."""
        if self.received is None:
            raise RuntimeError("the operation receives no file")
        return self.received.path

    def sweep(self, hashes: set[str]) -> None:
        """Remove stored contents, once this transaction is committed, if nothing refers to them then."""
        if hashes:
            database, artifacts = self.server.database, self.server.artifacts
            self.after_commit.append(lambda: sweep(database, artifacts, hashes))

    @property
    def query(self) -> QueryParams:
        """The query parameters."""
        return self.request.query_params

    def number(self, name: str) -> int:
        """An id in the path; what is no number names no object."""
        text = str(self.request.path_params[name])
        if not text.isdecimal() or len(text) > 18 or int(text) > LARGEST_ID:
            raise NotFoundError(f"There is nothing with the id {text}.", text)
        return int(text)

    def body(self, message_type: type[_M]) -> _M:
        """The body's message."""
        if not isinstance(self.message, message_type):
            raise TypeError(f"the operation's body is no {message_type.__name__}")
        return self.message


@dataclass(frozen=True)
class Login:
    """A verified login and its transaction."""

    session: Session
    user: User
    owner: User


Handler = Callable[[Call], Message | Response | None]


@dataclass(frozen=True)
class Operation:
    """A declared operation. `upload` is the largest body in bytes for operations that take a file, which goes to the
    artifacts with `keep`; an `optional_body` may be empty. One that `stream`s takes files of any size, which go to
    the artifacts while they come. One with `own_transactions` is called outside any: it waits for others, and holds
    none meanwhile.
    """

    name: str
    chapter: str
    method: str
    path: str
    handler: Handler
    entitlements: tuple[str, ...]
    body: type[Message] | None
    answer: type[Message] | None
    status: int
    query: tuple[str, ...]
    authenticated: bool
    upload: int | None
    keep: bool
    optional_body: bool
    own_transactions: bool
    stream: bool

    @property
    def writes(self) -> bool:
        """Whether it may change the database."""
        return self.method != "GET"


class Chapter:
    """The operations of one chapter of the API."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.operations: list[Operation] = []

    def operation(
        self,
        name: str,
        method: str,
        path: str,
        *,
        entitlements: tuple[str, ...] = (),
        body: type[Message] | None = None,
        answer: type[Message] | None = None,
        status: int = 200,
        query: tuple[str, ...] = (),
        authenticated: bool = True,
        upload: int | None = None,
        keep: bool = False,
        optional_body: bool = False,
        own_transactions: bool = False,
        stream: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated handler as an operation."""

        def declare(handler: Handler) -> Handler:
            self.operations.append(
                Operation(
                    name=name,
                    chapter=self.name,
                    method=method,
                    path=path,
                    handler=handler,
                    entitlements=entitlements,
                    body=body,
                    answer=answer,
                    status=status,
                    query=query,
                    authenticated=authenticated,
                    upload=upload,
                    keep=keep,
                    optional_body=optional_body,
                    own_transactions=own_transactions,
                    stream=stream,
                )
            )
            return handler

        return declare


def schema_of(message_type: type[Message] | None) -> dict[str, Any]:
    """The JSON schema of a message type, for the OpenAPI document."""
    if message_type is None:
        return {}
    return {"$ref": f"#/components/schemas/{message_type.__name__}"}
