"""What a server needs before anybody can use it; done at every start, it adds what is missing.

Servers that start at once take turns: the caller holds the migrations' lock (`Database.exclude_others`).
"""

import datetime as dt
import secrets
from typing import get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.build.distributions import Distribution as BuildDistribution
from ingot.build.distributions import known_distributions
from ingot.build.packages.sources import has_mirror
from ingot.messages.distribution import DistributionArch, DistributionName
from ingot.services import categories, formats, platforms
from ingot.services.passwords import hash_login
from ingot.store.tables import (
    Category,
    Distribution,
    DistributionProfile,
    Organisation,
    Role,
    RoleEntitlement,
    User,
)

ADMINISTRATOR = "root"
_ADMINISTRATION = (
    "org_administrate",
    "org_formats_administrate",
    "org_members_administrate",
    "org_os_administrate",
    "org_os_profiles_administrate",
    "org_projects_administrate",
    "categories_administrate",
    "user_administrate",
    "user_create",
)
_PROFILE = ("user_change_password", "user_profile_edit", "user_profile_access")
_DESIGN = (
    "appliance_create",
    "software_upload",
    "image_generate",
    "image_publish",
    "cloud_account_access",
    "cloud_account_create",
    "cloud_account_edit",
    "cloud_account_delete",
)
_MIGRATION = ("migration_access", "migration_publish")
ROLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "admin": ("Administers the organisation", _ADMINISTRATION),
    "apiuser": ("Uses API keys", ("api_key_access",)),
    "designer": ("Makes appliances and images", _DESIGN),
    "migrator": ("Migrates machines", (*_MIGRATION, "image_generate", *_DESIGN[4:])),
    "root": (
        "May do everything",
        (
            *_ADMINISTRATION,
            *_PROFILE,
            *_DESIGN,
            *_MIGRATION,
            "api_key_access",
            "deployments_access",
            "supervisor_access",
            "user_group_administrate",
            "workspace_create",
        ),
    ),
    "user": ("Sees and edits the own profile", _PROFILE),
}


def prepare(session: Session, *, root_password: str | None, organisation: str = "Default") -> str | None:
    """Create the organisation, the administrator, roles, formats and distributions that are missing.

    Returns the administrator's password when it was made up here: it is shown once and kept nowhere.
    """
    org = session.scalars(select(Organisation).where(Organisation.is_default)).first()
    if org is None:
        org = Organisation(name=organisation, is_default=True)
        session.add(org)
    roles = _add_roles(session)
    made_up = _add_administrator(session, org, roles, root_password)
    session.flush()
    _add_categories(session, org)
    platforms.add_missing(session, org.id)
    session.flush()
    formats.add_missing(session, org.id)
    _add_distributions(session)
    return made_up


def _add_roles(session: Session) -> dict[str, Role]:
    roles = {role.name: role for role in session.scalars(select(Role))}
    for name, (description, entitlements) in ROLES.items():
        if name not in roles:
            entries = [RoleEntitlement(entitlement=entitlement) for entitlement in sorted(set(entitlements))]
            roles[name] = Role(name=name, description=description, entitlements=entries)
            session.add(roles[name])
    # Other roles are the administrators' to change; root may do everything, also what a later version brings.
    missing = set(ROLES[ADMINISTRATOR][1]) - {entry.entitlement for entry in roles[ADMINISTRATOR].entitlements}
    roles[ADMINISTRATOR].entitlements += [RoleEntitlement(entitlement=name) for name in sorted(missing)]
    return roles


def _add_administrator(
    session: Session, org: Organisation, roles: dict[str, Role], password: str | None
) -> str | None:
    if session.scalars(select(User).where(User.login == ADMINISTRATOR)).first():
        return None
    chosen = password or secrets.token_urlsafe(15)
    session.add(
        User(
            login=ADMINISTRATOR,
            email="root@localhost",
            surname="Administrator",
            password_hash=hash_login(chosen),
            organisation=org,
            roles=[roles["root"], roles["admin"]],
        )
    )
    return None if password else chosen


def _add_categories(session: Session, org: Organisation) -> None:
    """What software can be sorted into, where nobody has decided that yet."""
    if session.scalars(select(Category.id).where(Category.organisation_id == org.id).limit(1)).first() is None:
        for name in categories.DEFAULTS:
            categories.create(session, org, name=name, kind=categories.SOFTWARE)


def _is_offered(distribution: BuildDistribution) -> bool:
    """Whether the API has words for a distribution, and its packages can be had: Debian's are where Ingot is at home.

    What a server does not offer, `ingot build` may build all the same.
    """
    if distribution.arch not in get_args(DistributionArch) or distribution.name not in get_args(DistributionName):
        return False
    return distribution.name == "Debian" or has_mirror(distribution)


def _add_distributions(session: Session) -> None:
    known = {(row.name, row.version, row.arch): row for row in session.scalars(select(Distribution))}
    for distribution in known_distributions():
        if not _is_offered(distribution):
            continue
        row = known.get((distribution.name, distribution.version, distribution.arch))
        if row is None:
            row = Distribution(
                name=distribution.name,
                version=distribution.version,
                arch=distribution.arch,
                description=distribution.description,
                package_type=distribution.package_type,
                release_date=dt.datetime.fromisoformat(distribution.release_date).replace(tzinfo=dt.UTC),
                profiles=[],
            )
            session.add(row)
        # A profile is what the engine of this version installs for its name.
        profiles = {profile.name: profile for profile in row.profiles}
        for profile in distribution.profiles:
            entry = profiles.get(profile.name)
            if entry is None:
                entry = DistributionProfile(name=profile.name)
                row.profiles.append(entry)
            entry.description, entry.package_names = profile.description, sorted(profile.packages)
