"""Users, organisations and roles, for administrators."""

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from ingot.api.listing import QUERY_PARAMETERS, Listing, flag
from ingot.api.operation import Call, Chapter
from ingot.api.representations import users as representations
from ingot.messages.access import Entitlement, Entitlements, Role, Roles
from ingot.messages.base import Message
from ingot.messages.user import Org, Orgs, User, Users
from ingot.services import roles
from ingot.services.errors import NotFoundError
from ingot.services.users import create, require_entitlement
from ingot.store import tables

_users = Chapter("user")
_user_roles = Chapter("userrolesandentitlements")
_roles = Chapter("rolesandentitlements")
_organisations = Chapter("organization")
CHAPTERS = (_users, _user_roles, _roles, _organisations)
_ORGANISE = ("org_administrate",)
_ROLES = "/orgs/{oid}/roles"

_USERS = Listing(
    fields={
        "loginName": tables.User.login,
        "email": tables.User.email,
        "firstName": tables.User.first_name,
        "surname": tables.User.surname,
        "active": tables.User.active,
        "dbId": tables.User.id,
        "created": tables.User.created,
    },
    order=(tables.User.login,),
)


@_users.operation(
    "user_getAll",
    "GET",
    "/users",
    entitlements=("user_administrate",),
    answer=Users,
    query=(*QUERY_PARAMETERS, "active", "orgName"),
)
def user_get_all(call: Call) -> Message:
    """The users of the administrator's organisation, by login."""
    statement = (
        select(tables.User)
        .where(tables.User.organisation_id == call.user.organisation_id)
        .options(joinedload(tables.User.organisation))
    )
    if call.query.get("active"):
        statement = statement.where(tables.User.active == flag(call.query, "active"))
    if call.query.get("orgName") not in (None, "", call.user.organisation.name):
        return Users(total=0, users=[])
    rows, total = _USERS.page(call.session, statement, call.query)
    return Users(total=total, users=[representations.user(row) for row in rows])


@_users.operation(
    "user_create",
    "POST",
    "/users",
    body=User,
    answer=User,
    status=201,
    query=("admin", "autopasswd", "notify", "notifyAdmin", "org", "publisher"),
)
def user_create(call: Call) -> Message:
    """Add a user, with the password of the body or of `autopasswd`; nobody is notified."""
    require_entitlement(call.user, ("user_create",))
    message = call.body(User)
    row = create(
        call.session,
        call.user,
        message,
        password=message.password or call.query.get("autopasswd"),
        organisation=call.query.get("org"),
    )
    if flag(call.query, "admin"):
        roles.give(call.session, call.user, row, [*(role.name for role in row.roles), "admin"])
    return representations.user(row)


@_user_roles.operation("userRoles_getAll", "GET", "/users/{uid}/roles", answer=Roles)
def user_roles_get_all(call: Call) -> Message:
    """The roles of a user."""
    return _answer(call.owner.roles)


@_user_roles.operation(
    "userRoles_update", "PUT", "/users/{uid}/roles", entitlements=("user_create",), body=Roles, answer=Roles
)
def user_roles_update(call: Call) -> Message:
    """Make these the roles of a user, and no others."""
    roles.give(call.session, call.user, call.owner, [role.name for role in call.body(Roles).roles])
    return _answer(call.owner.roles)


@_roles.operation("entitlement_getAll", "GET", "/entitlements", entitlements=_ORGANISE, answer=Entitlements)
def entitlements_get_all(call: Call) -> Message:
    """Everything that roles can entitle to."""
    del call
    entries = [Entitlement(name=name, description=name.replace("_", " ")) for name in roles.ENTITLEMENTS]
    return Entitlements(total=len(entries), entitlements=entries)


@_roles.operation("role_getAll", "GET", _ROLES, entitlements=_ORGANISE, answer=Roles)
def roles_get_all(call: Call) -> Message:
    """The roles of an organisation."""
    _organisation(call)
    return _answer(list(call.session.scalars(select(tables.Role).order_by(tables.Role.name))))


@_roles.operation("role_create", "POST", _ROLES, entitlements=_ORGANISE, body=Role, answer=Role, status=201)
def role_create(call: Call) -> Message:
    """Make a role."""
    _organisation(call)
    message = call.body(Role)
    row = roles.create(call.session, call.user, message.name, message.description or "", _names(message) or [])
    return representations.role(row)


@_roles.operation("role_update", "PUT", _ROLES, entitlements=_ORGANISE, body=Role, answer=Role)
def role_update(call: Call) -> Message:
    """Change the role of the name in the body: its entitlements become those in the body."""
    _organisation(call)
    message = call.body(Role)
    row = roles.find(call.session, message.name)
    roles.change(call.session, call.user, row, message.description, _names(message))
    return representations.role(row)


@_roles.operation("role_delete", "DELETE", f"{_ROLES}/{{rolename}}", entitlements=_ORGANISE, status=204)
def role_delete(call: Call) -> None:
    """Delete a role that nobody has."""
    _organisation(call)
    roles.delete(call.session, roles.find(call.session, str(call.request.path_params["rolename"])))


@_organisations.operation("org_getAll", "GET", "/orgs", entitlements=_ORGANISE, answer=Orgs)
def organisations_get_all(call: Call) -> Message:
    """The organisations: the administrator's own."""
    return Orgs(total=1, orgs=[representations.org(call.user.organisation)])


@_organisations.operation("org_get", "GET", "/orgs/{oid}", entitlements=("appliance_create",), answer=Org)
def organisation_get(call: Call) -> Message:
    """An organisation; `default` is the default one."""
    if call.request.path_params["oid"] == "default" and call.user.organisation.is_default:
        return representations.org(call.user.organisation)
    return representations.org(_organisation(call))


def _organisation(call: Call) -> tables.Organisation:
    """The organisation in the path, which is the user's own."""
    if call.number("oid") != call.user.organisation_id:
        raise NotFoundError(f"There is no organisation {call.number('oid')}.", message_id="ERROR.ORG.NOT_FOUND")
    return call.user.organisation


def _answer(rows: list[tables.Role]) -> Roles:
    return Roles(total=len(rows), roles=[representations.role(row) for row in rows])


def _names(message: Role) -> list[str] | None:
    return None if message.entitlements is None else [entry.name or "" for entry in message.entitlements]
