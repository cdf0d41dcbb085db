"""What is in bundles: files, directories, packages of the distribution, boot scripts."""

from collections.abc import Mapping

from sqlalchemy.orm import Session
from starlette.responses import Response

from ingot.api.downloads.response import Downloadable
from ingot.api.downloads.room import download
from ingot.api.listing import flag
from ingot.api.operation import Call, Chapter
from ingot.api.operations.mysoftware import BASE, find_bundle
from ingot.api.representations import software as representations
from ingot.messages.base import Message
from ingot.messages.software import SoftwareArtifact, SoftwareArtifacts
from ingot.services import bundle_artifacts, download_keys
from ingot.services.errors import InvalidError, NotFoundError
from ingot.store import tables
from ingot.store.database import LARGEST_ID

_chapter = Chapter("usersoftwarelibrary")
CHAPTERS = (_chapter,)
_READ = ("appliance_create",)
_WRITE = ("software_upload",)
_ALL = f"{BASE}/artifacts"
_ONE = f"{_ALL}/{{said}}"


def _artifact(call: Call, bundle: tables.Bundle) -> tables.BundleArtifact:
    return bundle_artifacts.find(call.session, bundle, call.number("said"))


def _key(call: Call, row: tables.BundleArtifact) -> str | None:
    """The key for the next download of an artifact's content; one that was used up or expired gets its next one."""
    if row.sha256 is None:
        return None
    server, kind = call.server, bundle_artifacts.KIND
    key = download_keys.present(call.session, server.secret, kind, [row.id]).get(row.id)
    if key is None and call.request.method == "GET":
        with server.database.transaction() as session:
            lifetime = server.settings.download_key_lifetime
            key = download_keys.issue(session, server.secret, kind, [row.id], lifetime)[row.id]
    return key


def _shown(
    everything: Mapping[int | None, list[tables.BundleArtifact]], bundle: tables.Bundle, place: int | None
) -> list[SoftwareArtifact]:
    """What lies in a place, each directory with what is in it."""
    return [
        representations.artifact(row, bundle, None, _shown(everything, bundle, row.id) if row.is_directory else None)
        for row in everything.get(place, [])
    ]


def _represent(call: Call, row: tables.BundleArtifact, bundle: tables.Bundle) -> SoftwareArtifact:
    if not row.is_directory:
        return representations.artifact(row, bundle, _key(call, row))
    inside = _shown(bundle_artifacts.inside(call.session, bundle), bundle, row.id)
    return representations.artifact(row, bundle, None, inside)


@_chapter.operation(
    "mySoftwareArtifact_getAll", "GET", _ALL, entitlements=_READ, answer=SoftwareArtifacts, query=("filename",)
)
def get_all(call: Call) -> Message:
    """What is in a bundle, directories with what is in them; with `filename`, those artifacts of that name."""
    bundle = find_bundle(call)
    everything = bundle_artifacts.inside(call.session, bundle)
    if name := call.query.get("filename"):
        rows = [row for entries in everything.values() for row in entries if name in (row.name, row.file_name)]
        found = [representations.artifact(row, bundle, None) for row in rows]
    else:
        found = _shown(everything, bundle, None)
    return SoftwareArtifacts(total=len(found), software_artifacts=found)


@_chapter.operation(
    "mySoftwareArtifact_add", "POST", _ALL, entitlements=_WRITE, body=SoftwareArtifact, answer=SoftwareArtifact,
    status=201,
)  # fmt: skip
def add(call: Call) -> Message:
    """Announce an artifact; upload its content next. One with a remotePath is fetched from there."""
    return _add(call, find_bundle(call), None)


@_chapter.operation(
    "mySoftwareArtifact_addChild", "POST", f"{_ONE}/subsoftwareartifacts", entitlements=_WRITE,
    body=SoftwareArtifact, answer=SoftwareArtifact, status=201,
)  # fmt: skip
def add_child(call: Call) -> Message:
    """Announce an artifact in a directory of a bundle."""
    bundle = find_bundle(call)
    return _add(call, bundle, _artifact(call, bundle))


def _add(call: Call, bundle: tables.Bundle, parent: tables.BundleArtifact | None) -> Message:
    row = bundle_artifacts.add(call.session, bundle, call.body(SoftwareArtifact), parent)
    if row.url is not None:
        bundle_artifacts.set_cached(call.session, row, cached=row.cached)
    return _represent(call, row, bundle)


@_chapter.operation("mySoftwareArtifact_get", "GET", _ONE, entitlements=_READ, answer=SoftwareArtifact)
def get(call: Call) -> Message:
    """An artifact, with the key for its next download."""
    bundle = find_bundle(call)
    return _represent(call, _artifact(call, bundle), bundle)


@_chapter.operation(
    "mySoftwareArtifact_update", "PUT", _ONE, entitlements=_WRITE, body=SoftwareArtifact, answer=SoftwareArtifact,
    query=("recursive",),
)  # fmt: skip
def update(call: Call) -> Message:
    """Change what is given of an artifact, also of all in a directory with `recursive`."""
    bundle = find_bundle(call)
    row = _artifact(call, bundle)
    recursive = flag(call.query, "recursive")
    call.sweep(bundle_artifacts.change(call.session, bundle, row, call.body(SoftwareArtifact), recursive=recursive))
    return _represent(call, row, bundle)


@_chapter.operation(
    "mySoftwareArtifact_updateAll", "PUT", _ALL, entitlements=_WRITE, body=SoftwareArtifacts,
    answer=SoftwareArtifacts, query=("recursive",),
)  # fmt: skip
def update_all(call: Call) -> Message:
    """Change artifacts, and put them into the order that they are given in; those not given stay after them."""
    bundle, recursive = find_bundle(call), flag(call.query, "recursive")
    rows = []
    for position, message in enumerate(call.body(SoftwareArtifacts).software_artifacts):
        number = message.db_id or (message.uri or "").rstrip("/").rpartition("/")[2]
        if not str(number).isdecimal() or int(number) > LARGEST_ID:
            raise InvalidError(f"The artifact {message.name or position} has neither a dbId nor a uri.")
        row = bundle_artifacts.find(call.session, bundle, int(number))
        call.sweep(bundle_artifacts.change(call.session, bundle, row, message, recursive=recursive))
        row.position = position
        rows.append(row)
    others = [row for row in bundle_artifacts.inside(call.session, bundle).get(None, []) if row not in rows]
    for position, row in enumerate(others, len(rows)):
        row.position = position
    call.session.flush()
    shown = [_represent(call, row, bundle) for row in rows]
    return SoftwareArtifacts(total=len(shown), software_artifacts=shown)


@_chapter.operation("mySoftwareArtifact_delete", "DELETE", _ONE, entitlements=_WRITE, status=204)
def delete(call: Call) -> None:
    """Remove an artifact; a directory with all that is in it."""
    bundle = find_bundle(call)
    call.sweep(bundle_artifacts.remove(call.session, bundle, [_artifact(call, bundle)]))


@_chapter.operation("mySoftwareArtifact_deleteAll", "DELETE", _ALL, entitlements=_WRITE, status=204)
def delete_all(call: Call) -> None:
    """Remove everything from a bundle."""
    bundle = find_bundle(call)
    call.sweep(
        bundle_artifacts.remove(call.session, bundle, bundle_artifacts.inside(call.session, bundle).get(None, []))
    )


@_chapter.operation(
    "mySoftwareArtifact_upload", "POST", f"{_ONE}/bin/{{fileName}}", entitlements=_WRITE, answer=SoftwareArtifact,
    status=201, stream=True,
)  # fmt: skip
def upload(call: Call) -> Message:
    """Upload the content of an artifact, of any size; one before is replaced. Packages tell their versions."""
    bundle = find_bundle(call)
    row = _artifact(call, bundle)
    content = call.keep_received()
    file_name = str(call.request.path_params["fileName"])
    call.sweep(bundle_artifacts.set_content(call.session, row, file_name, content, call.received_path))
    return _represent(call, row, bundle)


@_chapter.operation(
    "mySoftwareArtifact_createFromRemoteServer", "GET", f"{_ALL}/fetch", entitlements=_WRITE,
    answer=SoftwareArtifact, query=("caid", "parentsaid", "remoteFilePath", "useCache"),
)  # fmt: skip
def create_from_remote(call: Call) -> Message:
    """Add a file from a web address, `remoteFilePath`: fetched now by a job, or with useCache=false for each image."""
    number = find_bundle(call).id
    if call.query.get("caid"):
        raise NotFoundError(f"There is no artifact account {call.query['caid']}: leave out caid.", call.query["caid"])
    cached = "useCache" not in call.query or flag(call.query, "useCache")
    # The original adds with a GET: the reading transaction that comes with it does not do.
    with call.server.database.transaction() as session:
        bundle = session.get_one(tables.Bundle, number)
        parent = None
        if text := call.query.get("parentsaid"):
            if not text.isdecimal() or int(text) > LARGEST_ID:
                raise NotFoundError(f"There is no artifact {text}.", text)
            parent = bundle_artifacts.find(session, bundle, int(text))
        url = call.query.get("remoteFilePath")
        row = bundle_artifacts.add_remote(session, bundle, url, parent=parent, cached=cached)
        return representations.artifact(row, bundle, None)


@_chapter.operation(
    "mySoftwareArtifact_addOrRemoveFileFromCache", "PUT", f"{_ONE}/fetch", entitlements=_WRITE, query=("useCache",)
)
def set_cached(call: Call) -> Message:
    """Fetch an artifact from its web address again and keep it, or forget it and fetch it for each image."""
    bundle = find_bundle(call)
    row = _artifact(call, bundle)
    call.sweep(bundle_artifacts.set_cached(call.session, row, cached=flag(call.query, "useCache")))
    return _represent(call, row, bundle)


@_chapter.operation("mySoftwareArtifact_download", "GET", f"{_ONE}/bin", query=("downloadId",), authenticated=False)
@_chapter.operation(
    "mySoftwareArtifact_downloadFile", "GET", f"{_ONE}/bin/{{fileName}}", query=("downloadId",), authenticated=False
)
def fetch(call: Call) -> Response:
    """Download an artifact's content: its owner as often as wanted, anybody once with its key."""

    def locate(session: Session, owner: tables.User | None) -> Downloadable:
        row = session.get(tables.BundleArtifact, call.number("said"))
        bundle = row.bundle if row is not None else None
        if (
            row is None
            or bundle is None
            or bundle.id != call.number("msid")
            or bundle.owner.login != call.request.path_params["uid"]
            or (owner is not None and bundle.owner_id != owner.id)
        ):
            raise NotFoundError("There is no such artifact.", message_id="ERROR.ARTIFACT.NOT_FOUND")
        if row.sha256 is None:
            raise NotFoundError(f"{row.name} has no content: upload it first, or wait until it is fetched.")
        return Downloadable(
            kind=bundle_artifacts.KIND,
            object_id=row.id,
            owner_id=bundle.owner_id,
            file_name=row.file_name or row.name,
            artifacts=call.server.artifacts,
            size=row.size or 0,
            sha256=row.sha256,
            last_modified=row.uploaded or row.last_modified,
        )

    return download(call, locate)
