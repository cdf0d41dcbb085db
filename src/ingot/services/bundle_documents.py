"""Licences and logos of bundles."""

from pathlib import Path

from sqlalchemy.orm import Session

from ingot.services import bundles, quotas
from ingot.services.errors import InvalidError, NotFoundError
from ingot.store.artifacts import StoredArtifact
from ingot.store.base import now
from ingot.store.tables import Bundle, BundleDocument

LICENSE, LOGO = "license", "logo"
#: Bytes.
LARGEST = 5 * 1024 * 1024
_SUFFIXES = {LICENSE: (".txt", ".html", ".htm", ".md", ""), LOGO: (".png", ".jpg", ".jpeg")}


def of(bundle: Bundle, kind: str) -> BundleDocument | None:
    """The licence or logo of a bundle, or None."""
    return next((document for document in bundle.documents if document.kind == kind), None)


def find(bundle: Bundle, kind: str, document_id: int) -> BundleDocument:
    """The licence or logo of a bundle, whose id is the bundle's own."""
    document = of(bundle, kind)
    if document is None or document.sha256 is None or document_id != bundle.id:
        raise NotFoundError(f"Bundle {bundle.name} has no such {kind}: upload one first.", str(document_id))
    return document


def put(session: Session, bundle: Bundle, kind: str, file_name: str | None, content: StoredArtifact) -> set[str]:
    """Give a bundle its licence or logo; returns the hash of the one before, to be swept."""
    document = of(bundle, kind)
    name = file_name or (document.name if document else "") or "license.txt"
    allowed = _SUFFIXES[kind]
    if Path(name).suffix.lower() not in allowed:
        known = ", ".join(suffix for suffix in allowed if suffix)
        raise InvalidError(f"{name!r} is no {kind}: its name has to end with one of {known}.", name)
    if not 0 < content.size <= LARGEST:
        raise InvalidError(f"The {kind} has {content.size} bytes; 1 to {LARGEST} are possible.")
    quotas.require(session, bundle.owner, "diskusage", content.size - ((document.size if document else 0) or 0))
    before = {document.sha256} if document and document.sha256 and document.sha256 != content.sha256 else set()
    if document is None:
        document = BundleDocument(kind=kind)
        bundle.documents.append(document)
    document.name, document.uploaded = name, now()
    document.sha256, document.md5, document.size = content.sha256, content.md5, content.size
    bundles.touch(session, bundle)
    return before


def remove(session: Session, bundle: Bundle, document: BundleDocument) -> set[str]:
    """Take the licence or logo from a bundle; returns its hash, to be swept."""
    bundle.documents.remove(document)
    bundles.touch(session, bundle)
    return {document.sha256} if document.sha256 else set()
