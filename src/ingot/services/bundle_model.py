"""Bundles as the engine's and the template files' model, and back."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from sqlalchemy.orm import Session

from ingot.build import restriction
from ingot.build.addresses import is_remote
from ingot.build.bundles import PACKAGE_SUFFIXES
from ingot.build.template import Bundle as BundleModel
from ingot.build.template import BundleFile, License
from ingot.messages.common import Category as CategoryMessage
from ingot.messages.software import BootScript as BootScriptMessage
from ingot.messages.software import BundleRestriction, MySoftware, SoftwareArtifact, SoftwareFile
from ingot.services import bundle_artifacts, bundle_documents, bundles, quotas
from ingot.services.errors import InvalidError
from ingot.store.artifacts import StoredArtifact
from ingot.store.tables import Bundle, BundleArtifact, BundleDocument, User

#: What names the content of an artifact or of a licence in the model: its hash, or a place in an archive. A directory
#: needs no name.
Source = Callable[[BundleArtifact | BundleDocument], str | None]


def by_hash(row: BundleArtifact | BundleDocument) -> str | None:
    """Contents as generations know them: by their hash, or where they are fetched from."""
    return row.sha256 or (row.url if isinstance(row, BundleArtifact) else None)


def model_of(bundle: Bundle, source: Source, *, install_location: str | None = None) -> BundleModel:
    """The model of a bundle; raises InvalidError when something in it has no content yet.

    `install_location` is where its files go in one appliance.
    """
    missing = bundle_artifacts.missing(bundle.artifacts)
    if missing:
        raise InvalidError(
            f"Bundle {bundle.name} {bundle.version} is not complete: {', '.join(missing[:20])} "
            f"{'has' if len(missing) == 1 else 'have'} no content. Upload it first, or wait until it is fetched.",
            message_id="ERROR.MYSOFTWARE.INCOMPLETE",
        )
    inside: dict[int | None, list[BundleArtifact]] = {}
    for artifact in bundle.artifacts:
        inside.setdefault(artifact.parent_id, []).append(artifact)
    license_ = bundle_documents.of(bundle, bundle_documents.LICENSE)
    logo = bundle_documents.of(bundle, bundle_documents.LOGO)
    return BundleModel(
        name=bundle.name,
        version=bundle.version,
        description=bundle.description,
        maintainer=bundle.maintainer,
        website=bundle.website or "",
        category=bundle.category.name if bundle.category else "",
        short_tag=bundle.short_tag or "",
        destination=install_location or bundle.default_install_location,
        restriction_rule=bundle.restriction_rule,
        license=License(name=license_.name, source=source(license_) or "") if license_ and license_.sha256 else None,
        source_logo=source(logo) if logo and logo.sha256 else None,
        files=tuple(_file_of(artifact, inside, source) for artifact in inside.get(None, [])),
    )


def _file_of(row: BundleArtifact, inside: Mapping[int | None, list[BundleArtifact]], source: Source) -> BundleFile:
    if row.kind == bundle_artifacts.PACKAGE:
        return BundleFile(name=row.name, source=row.name, tag="ospkg")
    if row.kind == bundle_artifacts.SCRIPT:
        return BundleFile.model_validate(
            {
                "name": row.name,
                "source": source(row),
                "tag": "bootscript",
                "bootType": row.boot_type or "firstboot",
                "bootOrder": row.boot_order,
            }
        )
    return BundleFile(
        name=row.name,
        source=source(row),
        destination=row.install_location,
        rights=row.rights,
        owner_group=row.owner_group or "root:root",
        symlink=row.symlink,
        extract=row.extract,
        # Said only where it means something: what is no package is never installed.
        install=row.install or not row.name.lower().endswith(PACKAGE_SUFFIXES),
        params=row.params,
        files=tuple(_file_of(child, inside, source) for child in inside.get(row.id, [])),
    )


def expanded(model: BundleModel, names: Iterable[str]) -> BundleModel:
    """A model out of an archive with these files: directories that it names are listed, and have no source."""
    known = sorted(names)
    return model.model_copy(update={"files": tuple(_expanded(entry, known) for entry in model.files)})


def _expanded(entry: BundleFile, known: list[str]) -> BundleFile:
    if entry.tag != "softwarefile" or entry.source is None or is_remote(entry.source):
        return entry
    if entry.files:
        children = [_expanded(child, known) for child in entry.files]
        return entry.model_copy(update={"source": None, "files": tuple(children)})
    base = PurePosixPath(entry.source)
    if str(base) in known:
        return entry
    below = [PurePosixPath(name).relative_to(base).parts for name in known if PurePosixPath(name).is_relative_to(base)]
    tops = list(dict.fromkeys(parts[0] for parts in below))
    if not tops and "files" not in entry.model_fields_set:
        return entry
    shared = {"rights": entry.rights, "owner_group": entry.owner_group, "install": entry.install}
    children = [_expanded(BundleFile(name=top, source=str(base / top), **shared), known) for top in tops]
    return entry.model_copy(update={"source": None, "files": tuple(children)})


def sources(model: BundleModel) -> set[str]:
    """The names of the files in an archive that an expanded model needs."""
    found = {source for entry in _leaves(model.files) if (source := entry.source) and not is_remote(source)}
    if model.license is not None:
        found.add(model.license.source)
    return found | ({model.source_logo} if model.source_logo else set())


def _leaves(entries: Iterable[BundleFile]) -> Iterable[BundleFile]:
    for entry in entries:
        if entry.tag != "ospkg":
            yield entry
        yield from _leaves(entry.files)


def enter(
    session: Session,
    owner: User,
    model: BundleModel,
    contents: Mapping[str, StoredArtifact],
    path: Callable[[str], Path],
    *,
    imported: bool,
) -> Bundle:
    """Enter a bundle that a model describes; `contents` are the contents of its sources, which the caller stores, and
    `path` tells where one lies now.

    Raises ServiceError, among others for a name and version that are taken.
    """
    rule = model.restriction_rule or restriction.rule_of_systems(model.oses)
    message = MySoftware(
        name=model.name,
        version=model.version,
        description=model.description,
        maintainer=model.maintainer or owner.login,
        website=model.website or None,
        short_tag=model.short_tag or None,
        default_install_location=model.destination,
        category=CategoryMessage(name=model.category) if model.category else None,
        bundle_restriction=BundleRestriction(restriction_rule=rule),
    )
    bundle = bundles.create(session, owner, message, imported=imported)
    rows = list(_rows(bundle, model.files, None, contents, path))
    if len(rows) > bundle_artifacts.MOST:
        raise InvalidError(f"Bundle {bundle.name} has {len(rows)} artifacts; at most {bundle_artifacts.MOST} can be.")
    _refuse_doubles(rows)
    quotas.require(session, owner, "diskusage", sum(row.size or 0 for row in rows))
    bundle.artifacts = rows
    session.flush()
    for row in rows:
        if row.url is not None:
            bundle_artifacts.set_cached(session, row, cached=True)
    for kind, name, source in (
        (
            bundle_documents.LICENSE,
            model.license.name if model.license else "",
            model.license and model.license.source,
        ),
        (bundle_documents.LOGO, (model.source_logo or "").rpartition("/")[2], model.source_logo),
    ):
        if source:
            bundle_documents.put(session, bundle, kind, name, contents[source])
    bundle.revision = 1
    session.flush()
    return bundle


def _rows(
    bundle: Bundle,
    entries: Iterable[BundleFile],
    parent: BundleArtifact | None,
    contents: Mapping[str, StoredArtifact],
    path: Callable[[str], Path],
) -> Iterator[BundleArtifact]:
    for position, entry in enumerate(entries):
        row = bundle_artifacts.new(bundle, _message_of(entry), parent, position)
        row.install = row.install and entry.install
        if entry.source is not None and is_remote(entry.source):
            row.url = entry.source
        elif entry.source is not None and entry.tag != "ospkg":
            content = contents[entry.source]
            bundle_artifacts.fill(row, entry.source.rpartition("/")[2], content, path(entry.source))
        yield row
        yield from _rows(bundle, entry.files, row, contents, path)


def _refuse_doubles(rows: Iterable[BundleArtifact]) -> None:
    seen = set()
    for row in rows:
        key = (row.kind, row.parent, row.install_location, row.name)
        if key in seen:
            raise InvalidError(f"The bundle has {row.name} twice in the same place.", row.name)
        seen.add(key)


def _message_of(entry: BundleFile) -> SoftwareArtifact:
    if entry.tag == "bootscript":
        return BootScriptMessage(name=entry.name, boot_type=entry.boot_type, boot_order=entry.boot_order)
    if entry.tag == "ospkg":
        return SoftwareArtifact(name=entry.name, short_tag="ospkg")
    return SoftwareFile(
        name=entry.name,
        short_tag="softwarefile",
        type="directory" if entry.source is None else None,
        install_location=entry.destination,
        rights=entry.rights,
        owner_group=entry.owner_group,
        symlink=entry.symlink,
        extract=entry.extract,
        params=entry.params,
    )
