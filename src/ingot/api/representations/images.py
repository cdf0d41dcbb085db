"""Machine images."""

import json

from ingot.api.representations.catalogue import target_format
from ingot.api.representations.statuses import of_attempt
from ingot.api.representations.uris import appliance_uri
from ingot.api.representations.users import org_uri
from ingot.build.formats.registry import FORMATS
from ingot.messages.base import OpStatus
from ingot.messages.image import Image
from ingot.messages.install_profile import InstallProfile
from ingot.messages.package import ImagePkg, Pkg
from ingot.messages.software import SoftwareBundle
from ingot.services import images
from ingot.services.platform_tools import PlatformTool
from ingot.store import tables


def image_uri(row: tables.Image) -> str:
    """The address of an image."""
    return f"{appliance_uri(row.appliance)}/images/{row.id}"


def status(row: tables.Image) -> OpStatus:
    """Where the generation of an image is. What ended is complete, except a cancelled generation: it is cancelled."""
    base, attempt = image_uri(row), row.attempt
    message = "Waiting" if attempt is None else images.status_message(row, attempt)
    return of_attempt(attempt, base, message, "The generation failed.")


def image(row: tables.Image, download_key: str | None) -> Image:
    """An image; `download_key` opens one download of it."""
    base = image_uri(row)
    size = row.size or 0
    downloads = f"{base}/downloads" if row.sha256 and row.compress else None
    return Image(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        sha256sum=row.sha256,
        size=size,
        status=status(row),
        parent_uri=appliance_uri(row.appliance),
        base_publish_images_uri=f"{base}/pimages",
        complete_installed_size=row.installed_size,
        complete_size=row.disk_size,
        compress=row.compress,
        distribution_name=f"{row.appliance.distribution.name} {row.appliance.distribution.version}",
        download_key=download_key,
        download_uri=f"{downloads}?downloadId={download_key}" if downloads and download_key else downloads,
        ebs=row.ebs_volume_size is not None,
        ebs_volume_size=row.ebs_volume_size,
        entrypoint=json.dumps(row.options["entrypoint"]) if "entrypoint" in row.options else None,
        file_extension=extension(row),
        file_name=row.file_name,
        file_size=size,
        target_format=target_format(row.target_format),
        full_name=f"{row.name} {row.version}",
        image_created=row.size is not None,
        install_profile=InstallProfile.model_validate(row.profile) if row.profile else None,
        name=row.name,
        org_uri=org_uri(row.owner.organisation),
        pkgs_uri=f"{base}/pkgs",
        revision=row.revision,
        simulated=row.simulated,
        status_uri=f"{base}/status",
        uri=base,
        version=row.version,
    )


def extension(row: tables.Image) -> str:
    """How the name of an image's file ends, without its first dot."""
    known = FORMATS.get(row.target_format.format)
    return (known.file_suffix(row.compress) if known else "").lstrip(".")


def platform_tool(tool: PlatformTool, organisation_id: int) -> SoftwareBundle:
    """An agent that comes into images of a format, as software that an organisation offers."""
    base = f"orgs/{organisation_id}/platformtools/{tool.number}"
    return SoftwareBundle(
        db_id=tool.number,
        name=tool.name,
        description=tool.description,
        artifacts_uri=f"{base}/pkgs",
        uri=base,
    )


def image_package(row: tables.ImagePackage) -> ImagePkg:
    """A package of an image; its size is the installed size in bytes."""
    return ImagePkg(
        level=row.level,
        native_from_distribution=row.native,
        pkg=Pkg(
            db_id=row.id,
            size=row.size,
            arch=row.arch,
            full_name=f"{row.name}-{row.version}{f'-{row.release}' if row.release else ''}.{row.arch}",
            name=row.name,
            release=row.release,
            version=row.version,
            epoch=row.epoch,
            type="deb",
        ),
    )
