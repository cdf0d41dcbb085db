"""Appliances and their layers."""

from collections.abc import Sequence
from urllib.parse import quote

from ingot.api.representations.catalogue import distribution_uri
from ingot.api.representations.partition_tables import partition_table
from ingot.api.representations.uris import appliance_uri, install_profile_uri
from ingot.api.representations.users import org_uri, user_uri
from ingot.messages.appliance import Appliance
from ingot.messages.base import UriList
from ingot.messages.common import Logo
from ingot.messages.distribution import LinuxProfile
from ingot.messages.install_profile import InstallProfile, Nic, OSGroup, OSUser
from ingot.messages.package import Pkg
from ingot.messages.software import BootScript
from ingot.services import install_profiles
from ingot.store import tables


def appliance(row: tables.Appliance, image_ids: Sequence[int], bundle_ids: Sequence[int] = ()) -> Appliance:
    """An appliance; `image_ids` are its images', `bundle_ids` its bundles' in their order."""
    base = appliance_uri(row)
    return Appliance(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        uuid=row.uuid,
        arch_name=row.distribution.arch,
        base_clone_uri=f"{base}/clones",
        base_images_status_uri=f"{base}/images/statuses",
        base_images_uri=f"{base}/images",
        base_my_software_uri=f"{base}/mysoftware",
        base_os_profile_uri=f"{base}/osprofile",
        base_projects_uri=f"{base}/projects",
        base_publish_images_uri=f"{base}/pimages",
        boot_scripts_uri=f"{base}/bootscripts",
        boot_script_uris=UriList(uri=[f"{base}/bootscripts/{script.id}" for script in row.boot_scripts]),
        description=row.description,
        distribution_name=f"{row.distribution.name} {row.distribution.version}",
        distribution_uri=distribution_uri(row.distribution),
        exports_uri=f"{base}/exports",
        image_uris=UriList(uri=[f"{base}/images/{image_id}" for image_id in image_ids]),
        imported=row.imported,
        install_profile_uri=install_profile_uri(row),
        last_pkg_update=row.last_package_update,
        logo=logo(row),
        my_software_uris=UriList(uri=[f"{user_uri(row.owner)}/mysoftware/{bundle_id}" for bundle_id in bundle_ids]),
        name=row.name,
        nb_security_updates=0,
        nb_updates=0,
        org_uri=org_uri(row.owner.organisation),
        os_profile=os_profile(row) if row.os_profile else None,
        parent_appliance_uri=f"{user_uri(row.owner)}/appliances/{row.parent_id}" if row.parent_id else None,
        os_profile_uri=f"{base}/osprofile/{row.os_profile.id}" if row.os_profile else None,
        revision=row.revision,
        shared=False,
        size=sum(script.size or 0 for script in row.boot_scripts) + (row.logo_size or 0),
        uri=base,
        version=row.version,
    )


def logo(row: tables.Appliance) -> Logo:
    """The logo of an appliance: where one can be uploaded while there is none."""
    base, name = f"{appliance_uri(row)}/logo/{row.id}", row.logo_name
    return Logo(
        db_id=row.id,
        sha256sum=row.logo_sha256,
        size=row.logo_size or 0,
        uploaded=row.logo_sha256 is not None,
        name=name,
        parent_uri=appliance_uri(row),
        uri=f"{base}/{quote(name, safe='')}" if name else base,
    )


def install_profile(row: tables.Appliance) -> InstallProfile:
    """An appliance's install profile, without its passwords."""
    profile, base = install_profiles.message_of(row.install_profile), install_profile_uri(row)
    changes: dict[str, object] = {
        "db_id": row.install_profile.id,
        "created": row.install_profile.created,
        "last_modified": row.install_profile.last_modified,
        "appliance_uri": appliance_uri(row),
        "uri": base,
        "groups_uri": f"{base}/groups",
        "nics_uri": f"{base}/nics",
        "users_uri": f"{base}/users",
        "root_user": os_user(row, profile.root_user) if profile.root_user else None,
        "users": [os_user(row, user) for user in profile.users or []],
        "groups": [os_group(row, group) for group in profile.groups or []],
        "nics": [nic(row, one) for one in profile.nics or []],
        "partition_table": partition_table(row),
    }
    return profile.model_copy(update=changes)


def os_user(row: tables.Appliance, user: OSUser) -> OSUser:
    """A user of an install profile, without the password."""
    uri = f"{install_profile_uri(row)}/users/{user.db_id}" if user.db_id else None
    return user.model_copy(update={"password": None, "encrypted": None, "uri": uri})


def os_group(row: tables.Appliance, group: OSGroup) -> OSGroup:
    """A group of an install profile."""
    uri = f"{install_profile_uri(row)}/groups/{group.db_id}"
    return group.model_copy(update={"password": None, "encrypted": None, "uri": uri})


def nic(row: tables.Appliance, one: Nic) -> Nic:
    """A network interface of an install profile."""
    base = install_profile_uri(row)
    return one.model_copy(update={"parent_uri": base, "uri": f"{base}/nics/{one.db_id}"})


def os_profile(row: tables.Appliance) -> LinuxProfile:
    """An appliance's OS profile; the caller makes sure that there is one."""
    profile = row.os_profile
    if profile is None:
        raise ValueError(f"appliance {row.id} has no OS profile")
    base = f"{appliance_uri(row)}/osprofile/{profile.id}"
    distribution = distribution_uri(row.distribution)
    return LinuxProfile(
        db_id=profile.id,
        created=profile.created,
        last_modified=profile.last_modified,
        active=True,
        appliance_uri=appliance_uri(row),
        arch=row.distribution.arch,
        description=profile.profile.description,
        distribution_uri=distribution,
        name=profile.profile.name,
        standard_profile_uri=f"{distribution}/profiles/{profile.profile_id}",
        uri=base,
        version=row.distribution.version,
        distribution_packages_uri=f"{distribution}/pkgs",
        packages_uri=f"{base}/pkgs",
        updates_uri=f"{base}/updates",
    )


def wanted_package(row: tables.OsProfilePackage) -> Pkg:
    """A package that an OS profile asks for."""
    return Pkg(
        name=row.name,
        full_name=row.name,
        epoch=row.epoch,
        version=row.version,
        release=row.release,
        arch=row.arch,
        sticky=row.sticky,
    )


def boot_script(row: tables.BootScript, owner: tables.Appliance) -> BootScript:
    """A boot script."""
    base = f"{appliance_uri(owner)}/bootscripts/{row.id}"
    binary = f"{base}/bin/{quote(row.file_name, safe='')}" if row.file_name else f"{base}/bin"
    return BootScript(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        md5sum=row.md5,
        sha256sum=row.sha256,
        size=row.size or 0,
        uploaded=row.sha256 is not None,
        uploaded_time=row.uploaded,
        uri=base,
        binary_uri=binary,
        parent_uri=appliance_uri(owner),
        name=row.name,
        orig_name=row.file_name,
        boot_order=row.boot_order,
        boot_type=row.boot_type,
    )
