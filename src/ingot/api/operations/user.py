"""The platform's status, users, and what is open to a user."""

from typing import Any

from sqlalchemy import Select, select

from ingot.api.addresses import id_in
from ingot.api.listing import QUERY_PARAMETERS, Listing
from ingot.api.operation import Call, Chapter
from ingot.api.representations import catalogue, users
from ingot.messages.access import Quotas
from ingot.messages.base import Message
from ingot.messages.common import ServiceStatus
from ingot.messages.distribution import Distributions
from ingot.messages.statistics import UserStats
from ingot.messages.target import ImageFormats, TargetFormats, TargetPlatforms
from ingot.messages.user import Orgs, User
from ingot.services import distribution_access, distributions, formats, platforms, quotas, user_statistics
from ingot.services.errors import InvalidError, NotFoundError
from ingot.services.users import require_entitlement, update
from ingot.store.tables import Distribution, TargetFormat, TargetPlatform

_platform = Chapter("uforgeplatform")
_user = Chapter("user")
_os = Chapter("useros")
_formats = Chapter("usertargetplatformsandformats")
_quotas = Chapter("userquotaandusage")
_FORMATS_ADMIN = ("org_formats_administrate",)
CHAPTERS = (_platform, _user, _os, _formats, _quotas)

_DISTRIBUTIONS = Listing(
    fields={
        "name": Distribution.name,
        "version": Distribution.version,
        "arch": Distribution.arch,
        "dbId": Distribution.id,
        "active": Distribution.active,
        "created": Distribution.created,
    },
    order=(Distribution.name, Distribution.version, Distribution.id),
)
_TARGET_FORMATS = Listing(
    fields={
        "name": TargetFormat.name,
        "format.name": TargetFormat.format,
        "category.name": TargetFormat.category,
        "type": TargetFormat.type,
        "dbId": TargetFormat.id,
    },
    order=(TargetFormat.name, TargetFormat.id),
)
_FORMATS = Listing(fields={"name": TargetFormat.format}, order=(TargetFormat.format,))
_TARGET_PLATFORMS = Listing(
    fields={"name": TargetPlatform.name, "type": TargetPlatform.type, "dbId": TargetPlatform.id},
    order=(TargetPlatform.name, TargetPlatform.id),
)


@_platform.operation("uforgeStatus_get", "GET", "/status", answer=ServiceStatus, authenticated=False)
def status(call: Call) -> Message:
    """Whether the server is up, and the API version it speaks."""
    return ServiceStatus(alive=True, version=call.server.settings.compatible_version, service_load=0)


@_user.operation("user_get", "GET", "/users/{uid}", answer=User)
def user_get(call: Call) -> Message:
    """A user."""
    return users.user(call.owner)


@_user.operation(
    "user_update",
    "PUT",
    "/users/{uid}",
    entitlements=("user_administrate", "user_profile_edit"),
    body=User,
    answer=User,
)
def user_update(call: Call) -> Message:
    """Change a user: the profile, the password; administrators also whether it is active and how many API keys."""
    update(call.session, call.user, call.owner, call.body(User))
    return users.user(call.owner)


@_user.operation("userOrg_getAll", "GET", "/users/{uid}/orgs", answer=Orgs, query=("name",))
def orgs_get_all(call: Call) -> Message:
    """The organisations of a user."""
    name = call.query.get("name")
    row = call.owner.organisation
    return Orgs(orgs=[users.org(row)] if name in (None, "", row.name) else [])


@_os.operation(
    "userOS_getAll",
    "GET",
    "/users/{uid}/distros",
    entitlements=("appliance_create",),
    answer=Distributions,
    query=QUERY_PARAMETERS,
)
def distributions_get_all(call: Call) -> Message:
    """The distributions that a user may build."""
    return _distributions(call)


@_os.operation(
    "userOS_update",
    "PUT",
    "/users/{uid}/distros",
    entitlements=("org_os_administrate",),
    body=Distributions,
    answer=Distributions,
    query=("org",),
)
def distributions_update(call: Call) -> Message:
    """Say of distributions whether a user may build them (`active`); those that are not named stay as they are."""
    organisation = call.owner.organisation
    if call.query.get("org") not in (None, "", organisation.name, str(organisation.id)):
        raise InvalidError(f"User {call.owner.login} is not in the organisation {call.query['org']}.", "org")
    for message in call.body(Distributions).distributions:
        distribution_id = message.db_id if message.db_id is not None else id_in(message.uri, "distribution")
        row = distributions.find(call.session, distribution_id)
        distribution_access.set_access(call.session, call.owner, row, allowed=message.active is not False)
    return _distributions(call)


def _distributions(call: Call) -> Message:
    statement = catalogue.nameable(
        select(Distribution).where(distribution_access.may_build(call.owner)), call.request.headers.get("accept")
    )
    rows, total = _DISTRIBUTIONS.page(call.session, statement, call.query)
    return Distributions(total=total, distributions=[catalogue.distribution(row) for row in rows])


@_formats.operation(
    "userTargetFormat_getAll",
    "GET",
    "/users/{uid}/targetformats",
    entitlements=("image_generate",),
    answer=TargetFormats,
    query=QUERY_PARAMETERS,
)
def target_formats_get_all(call: Call) -> Message:
    """The target formats that a user may generate."""
    rows, total = _TARGET_FORMATS.page(call.session, _target_formats(call), call.query)
    return TargetFormats(total=total, target_formats=[catalogue.target_format(row) for row in rows])


@_formats.operation(
    "userFormats_getAll",
    "GET",
    "/users/{uid}/formats",
    entitlements=("appliance_create",),
    answer=ImageFormats,
    query=QUERY_PARAMETERS,
)
def formats_get_all(call: Call) -> Message:
    """The image formats that the target formats of a user are made of."""
    statement = _target_formats(call).with_only_columns(TargetFormat.format).distinct()
    rows, total = _FORMATS.page(call.session, statement, call.query)
    return ImageFormats(total=total, image_formats=[catalogue.image_format(name) for name in rows])


@_formats.operation(
    "userTargetPlatforms_getAll",
    "GET",
    "/users/{uid}/targetplatforms",
    entitlements=("image_generate",),
    answer=TargetPlatforms,
    query=QUERY_PARAMETERS,
)
def target_platforms_get_all(call: Call) -> Message:
    """The platforms that a user may have accounts for."""
    rows, total = _TARGET_PLATFORMS.page(call.session, _target_platforms(call), call.query)
    return TargetPlatforms(total=total, target_platforms=[catalogue.target_platform(row) for row in rows])


@_formats.operation(
    "userTargetPlatformFormat_getAll",
    "GET",
    "/users/{uid}/targetplatforms/{tpid}/targetformats",
    entitlements=("image_generate",),
    answer=TargetFormats,
    query=QUERY_PARAMETERS,
)
def target_platform_formats_get_all(call: Call) -> Message:
    """The target formats that can be published to a platform."""
    number = call.number("tpid")
    platform = call.session.scalars(_target_platforms(call).where(TargetPlatform.id == number)).first()
    if platform is None:
        raise NotFoundError(f"There is no target platform {number}.", message_id="ERROR.TARGETPLATFORM.NOT_FOUND")
    statement = _target_formats(call).where(TargetFormat.platforms.any(TargetPlatform.id == platform.id))
    rows, total = _TARGET_FORMATS.page(call.session, statement, call.query)
    return TargetFormats(total=total, target_formats=[catalogue.target_format(row) for row in rows])


def _target_formats(call: Call) -> Select[Any]:
    return formats.usable(call.owner)


def _target_platforms(call: Call) -> Select[Any]:
    return platforms.usable(call.owner)


@_formats.operation(
    "userFormats_update",
    "PUT",
    "/users/{uid}/formats",
    entitlements=_FORMATS_ADMIN,
    body=ImageFormats,
    answer=ImageFormats,
    query=("org",),
)
def formats_update(call: Call) -> Message:
    """Say which image formats a user may use: all target formats made of them follow."""
    formats.set_user_primitive_access(call.session, call.owner, call.body(ImageFormats).image_formats)
    names = call.session.scalars(_target_formats(call).with_only_columns(TargetFormat.format).distinct())
    rows = [catalogue.image_format(name) for name in sorted(names)]
    return ImageFormats(total=len(rows), image_formats=rows)


@_formats.operation(
    "userTargetFormat_update",
    "PUT",
    "/users/{uid}/targetformats",
    entitlements=_FORMATS_ADMIN,
    body=TargetFormats,
    answer=TargetFormats,
    query=("org",),
)
def target_formats_update(call: Call) -> Message:
    """Say which target formats a user may use."""
    formats.set_user_access(call.session, call.owner, call.body(TargetFormats).target_formats)
    rows = call.session.scalars(_target_formats(call).order_by(TargetFormat.name)).all()
    return TargetFormats(total=len(rows), target_formats=[catalogue.target_format(row) for row in rows])


@_formats.operation(
    "userTargetPlatforms_update",
    "PUT",
    "/users/{uid}/targetplatforms",
    entitlements=_FORMATS_ADMIN,
    body=TargetPlatforms,
    answer=TargetPlatforms,
    query=("org",),
)
def target_platforms_update(call: Call) -> Message:
    """Say which target platforms a user may have accounts for."""
    platforms.set_user_access(call.session, call.owner, call.body(TargetPlatforms).target_platforms)
    rows = call.session.scalars(_target_platforms(call).order_by(TargetPlatform.name)).all()
    return TargetPlatforms(total=len(rows), target_platforms=[catalogue.target_platform(row) for row in rows])


@_quotas.operation("userQuotas_get", "GET", "/users/{uid}/quotas", answer=Quotas)
def quotas_get(call: Call) -> Message:
    """What a user has and may have."""
    return _quotas_of(call)


@_quotas.operation("userQuotas_update", "PUT", "/users/{uid}/quotas", body=Quotas, answer=Quotas)
def quotas_update(call: Call) -> Message:
    """Set what a user may have: an administrator's right, also for the own quotas."""
    require_entitlement(call.user, ("user_administrate",))
    quotas.change(call.session, call.owner, call.body(Quotas).quotas)
    return _quotas_of(call)


def _quotas_of(call: Call) -> Quotas:
    entries = [users.quota(call.owner, usage) for usage in quotas.of(call.session, call.owner)]
    return Quotas(total=len(entries), quotas=entries)


@_quotas.operation("userStats_get", "GET", "/users/{uid}/stats", answer=UserStats)
def stats_get(call: Call) -> Message:
    """What a user has of each kind, and of which distributions and formats."""
    return UserStats(stats=[users.statistic(entry) for entry in user_statistics.of(call.session, call.owner)])
