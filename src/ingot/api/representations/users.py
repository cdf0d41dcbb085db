"""Users and their surroundings."""

from typing import cast

from ingot.messages.access import APIKeyPair, Entitlement, Quota, Role, SSHKey
from ingot.messages.base import UriList
from ingot.messages.statistics import StatDataPoint, UserStat, UserStatType
from ingot.messages.user import Org, User
from ingot.services.quotas import Usage
from ingot.services.user_statistics import Statistic
from ingot.store import tables


def user_uri(user: tables.User) -> str:
    """The address of a user."""
    return f"users/{user.login}"


def org_uri(organisation: tables.Organisation) -> str:
    """The address of an organisation."""
    return f"orgs/{organisation.id}"


def role(row: tables.Role) -> Role:
    """A role with its entitlements."""
    return Role(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        name=row.name,
        description=row.description,
        entitlements=[Entitlement(name=entry.entitlement) for entry in row.entitlements],
    )


def user(row: tables.User) -> User:
    """A user; the password is never part of it."""
    base = user_uri(row)
    return User(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        login_name=row.login,
        active=row.active,
        email=row.email,
        first_name=row.first_name,
        surname=row.surname,
        name=" ".join(part for part in (row.first_name, row.surname) if part) or row.login,
        admin="org_administrate" in row.entitlements,
        base_appliances_uri=f"{base}/appliances",
        base_distributions_uri=f"{base}/distros",
        base_images_uri=f"{base}/images",
        base_target_formats_uri=f"{base}/targetformats",
        base_target_platforms_uri=f"{base}/targetplatforms",
        base_publish_images_uri=f"{base}/pimages",
        base_orgs_uri=f"{base}/orgs",
        api_keys_quota=row.api_key_limit,
        base_api_keys_uri=f"{base}/apikeys",
        base_cred_accounts_uri=f"{base}/accounts",
        org_uris=UriList(uri=[org_uri(row.organisation)]),
        quotas_uri=f"{base}/quotas",
        roles=[role(entry) for entry in row.roles],
        ssh_keys_uri=f"{base}/sshkeys",
        uri=base,
    )


def org(row: tables.Organisation) -> Org:
    """An organisation."""
    base = org_uri(row)
    return Org(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        name=row.name,
        default_org=row.is_default,
        activate_new_users=True,
        categories_uri=f"{base}/categories",
        distributions_uri=f"{base}/distributions",
        members_uri=f"{base}/members",
        target_formats_uri=f"{base}/targetformats",
        uri=base,
    )


def quota(user_row: tables.User, usage: Usage) -> Quota:
    """A quota, with what is used of it."""
    return Quota(
        db_id=user_row.id,
        frequency=usage.frequency,
        limit=usage.limit,
        nb=usage.used,
        renewal_date=usage.renews,
        type=usage.kind,
        uri=f"{user_uri(user_row)}/quotas",
    )


def statistic(found: Statistic) -> UserStat:
    """How many there are of a kind, with a data point for each distribution or format."""
    points = [
        StatDataPoint(
            name=share.name,
            distrib_name=share.name if share.version else None,
            distrib_version=share.version,
            distrib_arch=share.arch,
            nb=share.number,
            total=found.number,
            percentage=100 * share.number / found.number,
        )
        for share in found.shares
    ]
    return UserStat(type=cast("UserStatType", found.kind), curr_nb=found.number, data_points=points)


def api_key(row: tables.ApiKey, secret_key: str | None = None) -> APIKeyPair:
    """An API key; its secret key only where it was just made."""
    return APIKeyPair(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        name=row.name,
        description=row.description,
        public_key=row.public_key,
        secret_key=secret_key,
        uri=f"{user_uri(row.owner)}/apikeys/{row.id}",
    )


def ssh_key(row: tables.SshKey, owner: tables.User) -> SSHKey:
    """A public SSH key of a user."""
    return SSHKey(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        name=row.name,
        public_key=row.public_key,
        uri=f"{user_uri(owner)}/sshkeys/{row.id}",
    )
