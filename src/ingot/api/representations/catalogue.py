"""Distributions, profiles, packages and target formats."""

from urllib.parse import quote

from sqlalchemy import Select

from ingot.api.negotiation import JSON, answer_type
from ingot.build.packages.repository import join_version
from ingot.messages.base import UriList
from ingot.messages.common import Category, Logo
from ingot.messages.distribution import LATER_WORDS, Distribution, LinuxProfile, Milestone
from ingot.messages.package import Pkg
from ingot.messages.target import ImageFormat, TargetFormat, TargetPlatform
from ingot.store import tables


def distribution_uri(row: tables.Distribution) -> str:
    """The address of a distribution."""
    return f"distributions/{row.id}"


def nameable(statement: Select[tables.Distribution], accept: str | None) -> Select[tables.Distribution]:
    """Only distributions that the reader has words for: the original's clients speak XML, and refuse a whole list
    that has a name or an architecture they do not know."""
    if answer_type(accept) == JSON:
        return statement
    return statement.where(tables.Distribution.arch.not_in(LATER_WORDS), tables.Distribution.name.not_in(LATER_WORDS))


def distribution(row: tables.Distribution) -> Distribution:
    """A distribution."""
    base = distribution_uri(row)
    return Distribution(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        active=row.active,
        arch=row.arch,
        base_milestones_uri=f"{base}/milestones",
        base_pkgs_uri=f"{base}/pkgs",
        base_profiles_uri=f"{base}/profiles",
        description=row.description,
        family="linux",
        name=row.name,
        pkg_type=row.package_type,
        preselected=True,
        profile_uris=UriList(uri=[f"{base}/profiles/{profile.id}" for profile in row.profiles]),
        release_date=row.release_date,
        uri=base,
        version=row.version,
        visible=True,
    )


def profile(row: tables.DistributionProfile, distribution_row: tables.Distribution) -> LinuxProfile:
    """A profile that a distribution offers."""
    base = distribution_uri(distribution_row)
    return LinuxProfile(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        active=True,
        arch=distribution_row.arch,
        description=row.description,
        distribution_uri=base,
        name=row.name,
        uri=f"{base}/profiles/{row.id}",
        version=distribution_row.version,
        distribution_packages_uri=f"{base}/pkgs",
        packages_uri=f"{base}/profiles/{row.id}/pkgs",
    )


def package(row: tables.Package) -> Pkg:
    """A package of a distribution; its size is that of the package file in bytes."""
    version = join_version(row.epoch, row.version, row.release)
    return Pkg(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        sha256sum=row.sha256,
        size=row.size,
        arch=row.arch,
        full_name=f"{row.name}_{version}_{row.arch}",
        name=row.name,
        parent_uri=f"distributions/{row.distribution_id}",
        pkg_build_date=row.created,
        release=row.release,
        repository_name=row.suite or None,
        sticky=False,
        type="deb",
        uri=f"distributions/{row.distribution_id}/pkgs/{row.id}",
        version=row.version,
        epoch=row.epoch,
    )


def milestone(row: tables.Milestone) -> Milestone:
    """A date in the life of a distribution."""
    return Milestone(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        date=row.date,
        description=row.description,
        name=row.name,
        source=row.source,
        uri=f"distributions/{row.distribution_id}/milestones/{row.id}",
    )


def target_format(row: tables.TargetFormat) -> TargetFormat:
    """A target format with the image format underneath."""
    base = f"orgs/{row.organisation_id}"
    return TargetFormat(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        name=row.name,
        logo=logo(row, f"{base}/targetformats/{row.id}"),
        format=image_format(row.format),
        category=Category(name=row.category, type="IMAGEFORMAT", org_uri=base),
        type=row.type,
        cred_account_type=row.account_type,
        target_platforms_uri=f"{base}/targetformats/{row.id}/targetplatforms",
        cred_infos=row.account_infos,
        image_infos=row.image_infos,
        publish_infos=row.publish_infos,
        access=row.active,
        active=row.active,
        preselected=True,
        uri=f"{base}/targetformats/{row.id}",
    )


def logo(row: tables.TargetFormat | tables.TargetPlatform, parent: str) -> Logo:
    """The logo of a target format or platform: where one can be uploaded while there is none."""
    base, name = f"{parent}/logo/{row.id}", row.logo_name
    return Logo(
        db_id=row.id,
        sha256sum=row.logo_sha256,
        size=row.logo_size or 0,
        uploaded=row.logo_sha256 is not None,
        name=name,
        parent_uri=parent,
        uri=f"{base}/{quote(name)}" if name else base,
    )


def image_format(name: str, *, active: bool = True) -> ImageFormat:
    """An image format that can be generated."""
    return ImageFormat(name=name, access=active, active=active)


def target_platform(row: tables.TargetPlatform) -> TargetPlatform:
    """A platform that there can be accounts for."""
    base = f"orgs/{row.organisation_id}/targetplatforms/{row.id}"
    return TargetPlatform(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        name=row.name,
        logo=logo(row, base),
        type=row.type,
        account_infos=row.account_infos,
        target_formats_uri=f"{base}/targetformats",
        access=True,
        active=row.active,
        uri=base,
    )
