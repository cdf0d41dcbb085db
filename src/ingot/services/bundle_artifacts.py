"""What bundles are made of: files, directories, packages of the distribution, boot scripts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingot.build.addresses import is_remote
from ingot.build.bundles import PACKAGE_SUFFIXES
from ingot.build.errors import BuildError
from ingot.build.packages.control import read_control
from ingot.build.packages.repository import split_version
from ingot.messages.software import BootScript, SoftwareArtifact, SoftwareFile
from ingot.services import attempts, bundles, quotas
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.artifacts import StoredArtifact
from ingot.store.base import now
from ingot.store.tables import Bundle, BundleArtifact

#: The kind of the jobs that fetch artifacts, and of their download keys.
JOB = "fetch-artifact"
KIND = "bundle-artifact"
FILE, PACKAGE, SCRIPT = "softwarefile", "ospkg", "bootscript"
_RIGHTS = re.compile(r"[0-7]{3,4}")
_OWNER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?(:[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?)?")
_BOOT_TYPES = ("firstboot", "everyboot")
MOST = 100_000
_PLAIN = ("tag", "extract", "install", "params")


def find(session: Session, bundle: Bundle, artifact_id: int) -> BundleArtifact:
    """An artifact of a bundle."""
    row = session.get(BundleArtifact, artifact_id)
    if row is None or row.bundle_id != bundle.id:
        raise NotFoundError(
            f"Bundle {bundle.name} has no artifact {artifact_id}.",
            str(artifact_id),
            message_id="ERROR.ARTIFACT.NOT_FOUND",
        )
    return row


def inside(session: Session, bundle: Bundle) -> dict[int | None, list[BundleArtifact]]:
    """{directory's id, or None for the bundle itself: what stands there, in order}, in one query."""
    found: dict[int | None, list[BundleArtifact]] = {}
    query = select(BundleArtifact).where(BundleArtifact.bundle_id == bundle.id)
    for row in session.scalars(query.order_by(BundleArtifact.position, BundleArtifact.id)).unique():
        found.setdefault(row.parent_id, []).append(row)
    return found


def below(everything: Mapping[int | None, list[BundleArtifact]], artifact: BundleArtifact) -> Iterator[BundleArtifact]:
    """Everything in a directory, and in those in it; `everything` is what `inside` tells."""
    for child in everything.get(artifact.id, ()):
        yield child
        yield from below(everything, child)


def add(
    session: Session, bundle: Bundle, message: SoftwareArtifact, parent: BundleArtifact | None = None
) -> BundleArtifact:
    """Announce an artifact; a file's content is uploaded next, or fetched from its remote path."""
    count = session.scalar(select(func.count()).where(BundleArtifact.bundle_id == bundle.id)) or 0
    if count >= MOST:
        raise InvalidError(f"Bundle {bundle.name} has {count} artifacts: more are not possible.")
    row = new(bundle, message, parent, count)
    with session.no_autoflush:
        _refuse_taken(session, row)
    session.add(row)
    bundles.touch(session, bundle)
    return row


def new(bundle: Bundle, message: SoftwareArtifact, parent: BundleArtifact | None, position: int) -> BundleArtifact:
    """The artifact that a message announces, in no session yet."""
    kind = _kind(message)
    if parent is not None and not parent.is_directory:
        raise InvalidError(f"{parent.name} is no directory: nothing can be put into it.", parent.name)
    if parent is not None and kind != FILE:
        raise InvalidError(f"A {kind} stands in the bundle itself, not in a directory.", kind)
    row = BundleArtifact(bundle_id=bundle.id, kind=kind, parent=parent, position=position, cached=True, boot_order=0)
    row.is_directory = kind == FILE and (message.type or "").lower() in ("directory", "folder")
    row.install_location = bundles.checked_location(message.install_location)
    row.name = _checked_name(kind, message.name or message.full_name)
    # Packages are installed, unless somebody says no; nothing else can be.
    row.extract, row.install = False, kind == FILE and row.name.lower().endswith(PACKAGE_SUFFIXES)
    _set_facts(row, message)
    _set_boot(row, message)
    return row


def change(
    session: Session, bundle: Bundle, row: BundleArtifact, message: SoftwareArtifact, *, recursive: bool
) -> set[str]:
    """Change what is given, also of what lies in a directory when that is `recursive`.

    Another `md5sum` than the content's announces another content: it is uploaded next. Returns the hashes of contents
    that are no longer an artifact's.
    """
    if message.install_location is not None:
        row.install_location = bundles.checked_location(message.install_location)
    if message.name is not None:
        row.name = _checked_name(row.kind, message.name)
    with session.no_autoflush:
        _refuse_taken(session, row)
    _set_boot(row, message)
    for entry in [row, *(below(inside(session, bundle), row) if recursive else ())]:
        _set_facts(entry, message, own=entry is row)
    dropped: set[str] = set()
    if message.md5sum and row.md5 and message.md5sum.lower() != row.md5:
        dropped = _forget_content(row)
    bundles.touch(session, bundle)
    return dropped


def remove(session: Session, bundle: Bundle, rows: Sequence[BundleArtifact]) -> set[str]:
    """Remove artifacts with all that lies in them; returns the hashes of their contents, to be swept."""
    hashes = set()
    everything = inside(session, bundle)
    for row in rows:
        for entry in [row, *below(everything, row)]:
            if entry.attempt is not None:
                attempts.request_cancel(session, entry.attempt)
            if entry.sha256:
                hashes.add(entry.sha256)
    for row in rows:
        session.delete(row)
    bundles.touch(session, bundle)
    session.expire(bundle, ["artifacts"])
    return hashes


def set_content(
    session: Session, row: BundleArtifact, file_name: str, content: StoredArtifact, path: Path
) -> set[str]:
    """Make stored bytes, which lie at `path`, an artifact's content; returns the hash of the content before."""
    if row.is_directory or row.kind == PACKAGE:
        what = "a directory" if row.is_directory else "a package of the distribution"
        raise InvalidError(f"{row.name} is {what}: it has no content.", row.name)
    quotas.require(session, row.bundle.owner, "diskusage", content.size - (row.size or 0))
    before = {row.sha256} if row.sha256 and row.sha256 != content.sha256 else set()
    fill(row, file_name, content, path)
    bundles.touch(session, row.bundle)
    return before


def fill(row: BundleArtifact, file_name: str, content: StoredArtifact, path: Path) -> None:
    """Enter a content, and what a package file says of itself."""
    row.file_name, row.uploaded = file_name, now()
    row.sha256, row.md5, row.size = content.sha256, content.md5, content.size
    _read_package(row, path)


def add_remote(
    session: Session, bundle: Bundle, url: str | None, *, parent: BundleArtifact | None, cached: bool
) -> BundleArtifact:
    """Add a file from a web address; with `cached` it is fetched now by a job, else for each image anew."""
    if not url or not is_remote(url):
        raise InvalidError(f"{url or 'Nothing'} cannot be fetched: give an http or https address.", url or "")
    name = url.partition("?")[0].rstrip("/").rpartition("/")[2] or "file"
    row = add(session, bundle, SoftwareArtifact(name=name, short_tag=FILE), parent)
    row.url = url
    set_cached(session, row, cached=cached)
    return row


def set_cached(session: Session, row: BundleArtifact, *, cached: bool) -> set[str]:
    """Fetch an artifact from its web address now and keep it, or forget it; returns the hash to be swept."""
    if row.url is None:
        raise ConflictError(f"{row.name} is not from a web address: upload its content.", row.name)
    row.cached = cached
    if not cached:
        if row.attempt is not None:
            attempts.request_cancel(session, row.attempt)
        hashes = _forget_content(row)
        session.flush()
        return hashes
    if row.attempt is None or row.attempt.is_over:
        session.flush()
        row.attempt = attempts.enqueue(session, JOB, row.id)
    session.flush()
    return set()


def missing(artifacts: Sequence[BundleArtifact]) -> list[str]:
    """The names of files and scripts that have no content and no way to get one."""
    return [
        entry.name
        for entry in artifacts
        if entry.kind != PACKAGE
        and not entry.is_directory
        and entry.sha256 is None
        and (not entry.url or entry.cached)
    ]


def _kind(message: SoftwareArtifact) -> str:
    if isinstance(message, BootScript):
        return SCRIPT
    tag = (message.short_tag or message.tag or FILE).lower()
    if tag not in (FILE, PACKAGE, SCRIPT):
        raise InvalidError(f"There are no artifacts of the kind {tag}: use {FILE}, {PACKAGE} or {SCRIPT}.", tag)
    return tag


def _set_facts(row: BundleArtifact, message: SoftwareArtifact, *, own: bool = True) -> None:
    for field in _PLAIN:
        value = getattr(message, field)
        if value is not None and (own or field not in ("tag", "params")):
            setattr(row, field, value)
    if own and message.remote_path:
        if not is_remote(message.remote_path):
            raise InvalidError(f"{message.remote_path} cannot be fetched: give an http or https address.")
        row.url = message.remote_path
    if own and message.cache is not None:
        row.cached = message.cache
    if isinstance(message, SoftwareFile):
        if message.rights:
            if not _RIGHTS.fullmatch(message.rights):
                raise InvalidError(f"The rights {message.rights} are not possible: use octal digits such as 755.")
            row.rights = message.rights
        if message.owner_group:
            if not _OWNER.fullmatch(message.owner_group):
                raise InvalidError(f"{message.owner_group!r} is no owner: use user:group such as root:root.")
            row.owner_group = message.owner_group
        if own and message.symlink is not None:
            row.symlink = bundles.checked_location(message.symlink)


def _set_boot(row: BundleArtifact, message: SoftwareArtifact) -> None:
    if row.kind != SCRIPT:
        return
    if isinstance(message, BootScript):
        row.boot_type = message.boot_type or row.boot_type
        if message.boot_order is not None:
            if not 0 <= message.boot_order <= 9999:
                raise InvalidError(f"The boot order {message.boot_order} is not possible: use 0 to 9999.")
            row.boot_order = message.boot_order
    row.boot_type = row.boot_type or _BOOT_TYPES[0]


def _checked_name(kind: str, name: str | None) -> str:
    text = (name or "").strip()
    if kind == FILE and (not text or "/" in text or text in (".", "..")):
        raise InvalidError(f"{text!r} is no file name; where it goes is said by installLocation.", text)
    if not text or len(text) > 255 or any(ord(char) < 32 for char in text):
        raise InvalidError(f"The name {text[:60]!r} of the artifact is not possible.", text)
    return text


def _refuse_taken(session: Session, row: BundleArtifact) -> None:
    place = {
        BundleArtifact.parent_id: row.parent.id if row.parent else None,
        BundleArtifact.install_location: row.install_location,
    }
    query = select(BundleArtifact.id).where(
        BundleArtifact.bundle_id == row.bundle_id,
        BundleArtifact.kind == row.kind,
        BundleArtifact.name == row.name,
        *(column.is_(None) if value is None else column == value for column, value in place.items()),
    )
    taken = session.scalars(query).first()
    if taken is not None and taken != row.id:
        raise ConflictError(f"The bundle already has {row.name} there.", row.name, message_id="ERROR.ARTIFACT.EXISTS")


def _forget_content(row: BundleArtifact) -> set[str]:
    hashes = {row.sha256} if row.sha256 else set()
    row.sha256 = row.md5 = row.size = row.uploaded = row.file_name = None
    row.full_name = row.version = row.release = row.arch = None
    return hashes


def _read_package(row: BundleArtifact, path: Path) -> None:
    """Take over what a Debian package file says of itself; one that cannot be read is refused."""
    row.full_name = row.version = row.release = row.arch = None
    if row.kind != FILE or not row.name.lower().endswith(".deb"):
        return
    try:
        control = read_control(path)
    except BuildError as error:
        raise InvalidError(f"{row.name} cannot be taken: {error.message}.", row.name) from error
    epoch, version, release = split_version(control["Version"])
    row.full_name = f"{control['Package']}_{control['Version']}_{control['Architecture']}"
    row.version = f"{epoch}:{version}" if epoch is not None else version
    row.release, row.arch = release or None, control["Architecture"]
