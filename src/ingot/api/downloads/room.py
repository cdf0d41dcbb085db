"""Who may download: an owner who logs in, or whoever has the object's single-use key."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from sqlalchemy.orm import Session
from starlette.responses import Response

from ingot.api.downloads import nginx, redirect
from ingot.api.downloads.response import Downloadable, Plan, plan, resumes, without_content
from ingot.api.downloads.sending import FileResponse
from ingot.api.operation import Call
from ingot.services import download_keys
from ingot.services.errors import NotFoundError
from ingot.services.users import owner_for
from ingot.store.tables import DownloadKey, User

Locate = Callable[[Session, User | None], Downloadable]


def present_keys(call: Call, kind: str, ids: Sequence[int]) -> dict[int, str]:
    """The keys that objects show now; one whose key was used up or has expired gets its next one."""
    if not ids:
        return {}
    server = call.server
    keys = download_keys.present(call.session, server.secret, kind, ids)
    if len(keys) < len(ids):
        with server.database.transaction() as session:
            lifetime = server.settings.download_key_lifetime
            keys = download_keys.issue(session, server.secret, kind, ids, lifetime)
    return keys


def download(call: Call, locate: Locate, parameter: str = "downloadId") -> Response:
    """Serve the file that `locate` finds: for the owner in the path, or for nobody in particular (None) with a key.

    The key is in this `parameter` of the query.
    """
    key = call.query.get(parameter)
    if key is None or "authorization" in call.request.headers:
        return _to_owner(call, locate)
    return _by_key(call, locate, key)


def serve(call: Call, file: Downloadable) -> Response:
    """Serve a small or internal file to who is logged in already, without a key."""
    _require_name(call, file)
    planned = plan(call.request.method, call.request.headers, file)
    if not _has_content(call, planned):
        return without_content(call.request, file, planned)
    return _by_others(call, file, planned) or FileResponse(file, planned)


def _to_owner(call: Call, locate: Locate) -> Response:
    version = call.server.remembered.version()
    with call.server.database.transaction(read_only=True) as session:
        user = call.server.authenticator.authenticate(session, call.request)
        file = locate(session, owner_for(session, user, str(call.request.path_params["uid"])))
    _require_name(call, file)
    planned = plan(call.request.method, call.request.headers, file)
    if not _has_content(call, planned):
        return without_content(call.request, file, planned)
    if (by_others := _by_others(call, file, planned)) is not None:
        return by_others
    response = _by_us(call, file, planned, None)
    if response.transfer is None:
        call.server.remembered.keep(call.request.scope, file, version)
    return response


def _by_key(call: Call, locate: Locate, key: str) -> Response:
    file, row = _recognised(call, locate, key)
    if row.used is not None and resumes(call.request.headers, file):
        # Its download may have ended at this very moment: look once more, after that was noted.
        call.server.transfers.await_end(row.id)
        file, row = _recognised(call, locate, key)
    _require_name(call, file)
    download_keys.require_usable(row, resumes=resumes(call.request.headers, file))
    planned = plan(call.request.method, call.request.headers, file)
    if not _has_content(call, planned):
        return without_content(call.request, file, planned)
    if (by_others := _by_others(call, file, planned)) is None:
        return _by_us(call, file, planned, row)
    with call.server.database.transaction() as session:
        _use(call, session, file, row)
    return by_others


def _by_others(call: Call, file: Downloadable, planned: Plan) -> Response | None:
    """The answer that has others send what is planned; they do not tell when the last byte is there."""
    return nginx.response(call, file, planned) or redirect.response(call, file, planned)


def _recognised(call: Call, locate: Locate, key: str) -> tuple[Downloadable, DownloadKey]:
    with call.server.database.transaction(read_only=True) as session:
        file = locate(session, None)
        return file, download_keys.recognise(session, file.kind, file.object_id, key)


def _by_us(call: Call, file: Downloadable, planned: Plan, row: DownloadKey | None) -> FileResponse:
    transfers = call.server.transfers
    # The file is opened before its key is used: what cannot be sent must not cost the key.
    if row is None and not transfers.are_limited:
        return FileResponse(file, planned)
    with ExitStack() as stack:
        transfer = transfers.new(file, row.id if row else None, reaches_end=planned.reaches_end_of(file))
        response = FileResponse(file, planned, transfer)
        stack.callback(response.close)
        with call.server.database.transaction() as session:
            transfers.enter(session, transfer)
            if row is not None:
                _use(call, session, file, row)
        transfers.keep_alive(transfer)
        stack.pop_all()
    return response


def _use(call: Call, session: Session, file: Downloadable, row: DownloadKey) -> None:
    """Use a key for this download, whose object shows another one from now on; nothing for one that is resumed."""
    if row.used is None:
        server = call.server
        download_keys.use(session, row, server.settings.download_resume_window)
        lifetime = server.settings.download_key_lifetime
        download_keys.issue(session, server.secret, file.kind, [file.object_id], lifetime)


def _has_content(call: Call, planned: Plan) -> bool:
    return planned.has_content and call.request.method != "HEAD"


def _require_name(call: Call, file: Downloadable) -> None:
    name = call.request.path_params.get("fileName")
    if name is not None and name != file.file_name:
        raise NotFoundError(f"The file is called {file.file_name}, not {name}.", str(name))
