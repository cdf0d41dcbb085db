"""Who may download: an owner who logs in, or whoever has the object's single-use key."""

from collections.abc import Callable

from sqlalchemy.orm import Session
from starlette.responses import Response

from ingot.api.downloads.response import Downloadable, FileResponse, Plan, plan, respond, resumes
from ingot.api.operation import Call
from ingot.services import download_keys
from ingot.services.errors import NotFoundError
from ingot.services.users import owner_for
from ingot.store.tables import User

Locate = Callable[[Session, User | None], Downloadable]


def download(call: Call, locate: Locate) -> Response:
    """Serve the file that `locate` finds: for the owner in the path, or for nobody in particular (None) with a key."""
    request = call.request
    key = call.query.get("downloadId")
    if key is None or "authorization" in request.headers:
        file = _as_owner(call, locate)
        _require_name(call, file)
        return respond(request, file, plan(request, file))
    settings, database = call.server.settings, call.server.database
    with database.transaction(read_only=True) as session:
        file = locate(session, None)
        row = download_keys.recognise(session, file.kind, file.object_id, key)
        _require_name(call, file)
        download_keys.require_usable(row, resumes=resumes(request.headers, file))
        planned = plan(request, file)
    if not _uses_up(call, planned):
        return respond(request, file, planned)
    # Opened before the key is used: what cannot be sent must not cost the key.
    response = FileResponse.of(file, planned, lambda: _finish(call, row.id))
    if row.used is None:
        try:
            with database.transaction() as session:
                download_keys.use(session, row, settings.download_resume_window)
                lifetime = settings.download_key_lifetime
                download_keys.issue(session, call.server.secret, file.kind, file.object_id, lifetime)
        except BaseException:
            response.close()
            raise
    return response


def _uses_up(call: Call, planned: Plan) -> bool:
    return call.request.method != "HEAD" and planned.sends_content


def _finish(call: Call, row_id: int) -> None:
    with call.server.database.transaction() as session:
        download_keys.finish(session, row_id)


def _as_owner(call: Call, locate: Locate) -> Downloadable:
    with call.server.database.transaction(read_only=True) as session:
        user = call.server.authenticator.authenticate(session, call.request)
        return locate(session, owner_for(session, user, str(call.request.path_params["uid"])))


def _require_name(call: Call, file: Downloadable) -> None:
    name = call.request.path_params.get("fileName")
    if name is not None and name != file.file_name:
        raise NotFoundError(f"The file is called {file.file_name}, not {name}.", str(name))
