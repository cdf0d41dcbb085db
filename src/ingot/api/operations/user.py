"""The platform's status, users, and what is open to a user."""

from sqlalchemy import func, select

from ingot.api.listing import QUERY_PARAMETERS, Listing
from ingot.api.operation import Call, Chapter
from ingot.api.representations import catalogue, users
from ingot.messages.access import Quotas
from ingot.messages.base import Message
from ingot.messages.common import ServiceStatus
from ingot.messages.distribution import Distributions
from ingot.messages.target import TargetFormats, TargetPlatforms
from ingot.messages.user import Orgs, User
from ingot.store.tables import Appliance, Distribution, Image, TargetFormat

_platform = Chapter("uforgeplatform")
_user = Chapter("user")
_os = Chapter("useros")
_formats = Chapter("usertargetplatformsandformats")
_quotas = Chapter("userquotaandusage")
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


@_platform.operation("uforgeStatus_get", "GET", "/status", answer=ServiceStatus, authenticated=False)
def status(call: Call) -> Message:
    """Whether the server is up, and the API version it speaks."""
    return ServiceStatus(alive=True, version=call.server.settings.compatible_version, service_load=0)


@_user.operation("user_get", "GET", "/users/{uid}", answer=User)
def user_get(call: Call) -> Message:
    """A user."""
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
    statement = select(Distribution).where(Distribution.active)
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
    statement = select(TargetFormat).where(
        TargetFormat.organisation_id == call.owner.organisation_id, TargetFormat.active
    )
    rows, total = _TARGET_FORMATS.page(call.session, statement, call.query)
    return TargetFormats(total=total, target_formats=[catalogue.target_format(row) for row in rows])


@_formats.operation(
    "userTargetPlatforms_getAll",
    "GET",
    "/users/{uid}/targetplatforms",
    entitlements=("image_generate",),
    answer=TargetPlatforms,
    query=QUERY_PARAMETERS,
)
def target_platforms_get_all(call: Call) -> Message:
    """The platforms that a user may publish to: none can be published to yet."""
    return TargetPlatforms(total=0, target_platforms=[])


@_quotas.operation("userQuotas_get", "GET", "/users/{uid}/quotas", answer=Quotas)
def quotas_get(call: Call) -> Message:
    """What a user has used; nothing is limited."""
    owner = call.owner
    appliances = call.session.scalar(select(func.count()).select_from(Appliance).where(Appliance.owner_id == owner.id))
    generations, size = call.session.execute(
        select(func.count(), func.coalesce(func.sum(Image.size), 0)).where(
            Image.owner_id == owner.id, Image.sha256.is_not(None)
        )
    ).one()
    used = {"appliance": appliances or 0, "generation": generations or 0, "scan": 0, "diskusage": int(size or 0)}
    return Quotas(total=len(used), quotas=[users.quota(owner, kind, number) for kind, number in used.items()])
