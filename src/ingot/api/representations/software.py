"""Software bundles, what is in them, and what goes with them."""

from collections.abc import Sequence
from urllib.parse import quote

from ingot.api.representations.users import org_uri, user_uri
from ingot.messages.base import OpStatus, UriList
from ingot.messages.common import Category, License, Logo
from ingot.messages.software import (
    BootScript,
    BundleRestriction,
    MySoftware,
    OSPackage,
    SoftwareArtifact,
    SoftwareFile,
)
from ingot.services import bundle_artifacts, bundle_documents, restrictions
from ingot.store import tables


def bundle_uri(row: tables.Bundle) -> str:
    """The address of a bundle."""
    return f"{user_uri(row.owner)}/mysoftware/{row.id}"


def my_software(
    row: tables.Bundle, *, size: int, appliance_ids: Sequence[int], install_location: str | None = None
) -> MySoftware:
    """A bundle; `size` are the bytes of all that is in it, `appliance_ids` the appliances that have it."""
    base = bundle_uri(row)
    return MySoftware(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        tag=row.tag,
        short_tag=row.short_tag,
        name=row.name,
        version=row.version,
        description=row.description,
        release=row.release,
        default_install_location=row.default_install_location,
        install_location=install_location,
        restricted=bool(row.restriction_rule),
        installed_size=size,
        size=size,
        revision=row.revision,
        bundle_restriction=restriction(row),
        artifacts_uri=f"{base}/artifacts",
        uri=base,
        export_uri=f"{base}/exports",
        category=category(row.category) if row.category else None,
        license=license_of(row),
        logo=logo_of(row),
        maintainer=row.maintainer,
        website=row.website,
        format_dependent=restrictions.depends_on_format(row.restriction_rule),
        appliances_uri=f"{base}/appliances",
        appliance_uris=UriList(uri=[f"{user_uri(row.owner)}/appliances/{number}" for number in appliance_ids]),
        clone_uri=f"{base}/clone",
        imported=row.imported,
        generation_enabled=True,
    )


def restriction(row: tables.Bundle) -> BundleRestriction:
    """For what a bundle is meant."""
    base = f"{bundle_uri(row)}/restriction/{row.id}"
    return BundleRestriction(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        uri=base,
        parent_uri=bundle_uri(row),
        restriction_rule=row.restriction_rule,
        distributions_uri=f"{base}/distributions",
    )


def license_of(row: tables.Bundle) -> License:
    """The licence of a bundle: where one can be uploaded while there is none."""
    document = bundle_documents.of(row, bundle_documents.LICENSE)
    return License(
        db_id=row.id,
        md5sum=document.md5 if document else None,
        sha256sum=document.sha256 if document else None,
        size=(document.size if document else 0) or 0,
        uploaded=bool(document and document.sha256),
        uploaded_time=document.uploaded if document else None,
        name=document.name if document else None,
        parent_uri=bundle_uri(row),
        type=document.type if document else None,
        uri=f"{bundle_uri(row)}/licenses/{row.id}",
    )


def logo_of(row: tables.Bundle) -> Logo:
    """The logo of a bundle: where one can be uploaded while there is none."""
    document = bundle_documents.of(row, bundle_documents.LOGO)
    base = f"{bundle_uri(row)}/logo/{row.id}"
    return Logo(
        db_id=row.id,
        md5sum=document.md5 if document else None,
        sha256sum=document.sha256 if document else None,
        size=(document.size if document else 0) or 0,
        uploaded=bool(document and document.sha256),
        uploaded_time=document.uploaded if document else None,
        name=document.name if document else None,
        parent_uri=bundle_uri(row),
        uri=f"{base}/{quote(document.name, safe='')}" if document and document.name else base,
    )


def artifact(
    row: tables.BundleArtifact, owner: tables.Bundle, key: str | None, inside: Sequence[SoftwareArtifact] | None = None
) -> SoftwareArtifact:
    """An artifact; `key` is for its next download, `inside` what a directory has."""
    base = f"{bundle_uri(owner)}/artifacts/{row.id}"
    binary = f"{base}/bin/{quote(row.file_name, safe='')}" if row.file_name else f"{base}/bin"
    common = {
        "db_id": row.id,
        "created": row.created,
        "last_modified": row.last_modified,
        "md5sum": row.md5,
        "sha256sum": row.sha256,
        "size": row.size or 0,
        "status": _fetching(row, base) if row.url else None,
        "uploaded": row.sha256 is not None,
        "uploaded_time": row.uploaded,
        "uri": base,
        "tag": row.tag,
        "binary_uri": f"{binary}?downloadId={key}" if key else binary,
        "parent_uri": f"{bundle_uri(owner)}/artifacts/{row.parent_id}" if row.parent_id else bundle_uri(owner),
        "extract": row.extract,
        "install": row.install,
        "cache": row.cached,
        "active": True,
        "install_location": row.install_location,
        "name": row.name,
        "full_name": row.full_name or row.name,
        "orig_name": row.file_name,
        "artifact_file_date": row.uploaded,
        "release": row.release,
        "short_tag": row.kind,
        "type": "directory" if row.is_directory else "file",
        "version": row.version,
        "arch": row.arch,
        "params": row.params,
        "sub_software_artifacts": list(inside) if inside is not None else None,
        "sub_software_artifact_uri": f"{base}/subsoftwareartifacts" if row.is_directory else None,
        "remote_path": row.url,
    }
    if row.kind == bundle_artifacts.SCRIPT:
        return BootScript.model_validate({**common, "boot_order": row.boot_order, "boot_type": row.boot_type})
    if row.kind == bundle_artifacts.PACKAGE:
        return OSPackage.model_validate({**common, "sticky": False})
    owned = {"owner_group": row.owner_group or "root:root", "rights": row.rights or "755", "symlink": row.symlink}
    return SoftwareFile.model_validate({**common, **owned})


def _fetching(row: tables.BundleArtifact, uri: str) -> OpStatus:
    attempt = row.attempt
    failed = attempt is not None and attempt.state == "failed"
    over = attempt is None or attempt.is_over
    return OpStatus(
        cancelled=attempt is not None and attempt.state == "cancelled",
        complete=over and not failed,
        error=failed,
        error_message=(attempt.error if attempt else None) if failed else None,
        message=(attempt.message if attempt else None) or "Fetched for each image",
        parent_uri=uri,
        percentage=100 if over else attempt.percentage if attempt else 0,
    )


def category(row: tables.Category, below: Sequence[Category] | None = None) -> Category:
    """A category."""
    base = f"{org_uri(row.organisation)}/categories/{row.id}"
    return Category.model_validate(
        {
            "db_id": row.id,
            "created": row.created,
            "last_modified": row.last_modified,
            "name": row.name,
            "org_uri": org_uri(row.organisation),
            "sub_categories": list(below) if below is not None else None,
            "sub_category_uri": f"{base}/subcategories",
            "uri": base,
            "type": row.type,
        }
    )
