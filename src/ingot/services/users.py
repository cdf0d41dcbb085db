"""Users and what they may do."""

import re

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.messages.user import User as UserMessage
from ingot.services.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from ingot.services.passwords import hash_login
from ingot.store.tables import Role, User

#: Who has these may act for others: nobody without them gets at the login of somebody who has.
_POWERS = frozenset({"org_administrate", "supervisor_access", "user_administrate"})
_LONGEST = 1000
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
#: What a new user may do: the own profile, and appliances with their images.
_FIRST_ROLES = ("designer", "user")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def find_user(session: Session, login: str) -> User | None:
    """The user of that login, or None."""
    return session.scalars(select(User).where(User.login == login)).first()


def create(
    session: Session, acting: User, message: UserMessage, *, password: str | None, organisation: str | None
) -> User:
    """Add a user to the acting one's organisation, with the roles `designer` and `user`; raises ServiceError."""
    if organisation not in (None, "", acting.organisation.name):
        raise NotFoundError(f"There is no organisation {organisation}.", message_id="ERROR.ORG.NOT_FOUND")
    login = (message.login_name or "").strip()
    if not _LOGIN.fullmatch(login):
        raise InvalidError(
            f"The login {login[:80]!r} is not possible: use up to 100 letters, digits and . _ @ + -, a letter "
            "or digit first.",
            login[:80],
        )
    if find_user(session, login) is not None:
        raise ConflictError(f"There is a user {login} already.", login, message_id="ERROR.USER.EXISTS")
    if not password:
        raise InvalidError(f"User {login} needs a password.", "password")
    user = User(
        login=login,
        email=_checked("email", (message.email or "").strip()),
        first_name=_checked("first name", (message.first_name or "").strip()),
        surname=_checked("surname", (message.surname or "").strip()),
        password_hash=hash_login(_checked("password", password)),
        active=message.active is not False,
        organisation=acting.organisation,
        roles=list(session.scalars(select(Role).where(Role.name.in_(_FIRST_ROLES)))),
    )
    session.add(user)
    session.flush()
    return user


def update(session: Session, acting: User, owner: User, message: UserMessage) -> None:
    """Change what is given of a user: the profile, the password, and, for administrators, the rest.

    Clients send whole objects back: what is as it was needs no right.
    """
    is_administrator = "user_administrate" in acting.entitlements
    reserved = {
        "active": message.active not in (None, owner.active),
        "apiKeysQuota": message.api_keys_quota not in (None, owner.api_key_limit),
    }
    for field, changes in reserved.items():
        if changes and not is_administrator:
            raise ForbiddenError(f"Only an administrator changes {field}.", field, message_id="ERROR.USER.RESERVED")
    powers = owner.entitlements & _POWERS - acting.entitlements
    if powers and (message.password or reserved["active"]):
        raise ForbiddenError(
            f"User {owner.login} has rights that you lack ({', '.join(sorted(powers))}): only who has them too "
            "changes the password or deactivates.",
            message_id="ERROR.USER.MORE_RIGHTS",
        )
    if message.active is False and owner.id == acting.id:
        raise ConflictError("You cannot deactivate yourself: another administrator can.", owner.login)
    if message.login_name not in (None, owner.login):
        raise InvalidError(f"The login {owner.login} cannot be changed.", owner.login)
    if message.api_keys_quota is not None and message.api_keys_quota < -1:
        raise InvalidError(
            f"{message.api_keys_quota} API keys are not possible: use a number from 0 on, or -1 for any."
        )
    if message.password:
        require_entitlement(acting, ("user_change_password", "user_administrate"))
        owner.password_hash = hash_login(_checked("password", message.password))
    for column, value in (
        ("email", message.email),
        ("first_name", message.first_name),
        ("surname", message.surname),
    ):
        if value is not None:
            setattr(owner, column, _checked(column, value.strip()))
    owner.active = owner.active if message.active is None else message.active
    owner.api_key_limit = owner.api_key_limit if message.api_keys_quota is None else message.api_keys_quota
    session.flush()


def _checked(what: str, text: str) -> str:
    if len(text) > _LONGEST or _CONTROL.search(text):
        raise InvalidError(f"The {what} has control characters or more than {_LONGEST} characters.", what)
    return text


def require_entitlement(user: User, entitlements: tuple[str, ...]) -> None:
    """Refuse a user who has none of the entitlements, naming them; no entitlement needed lets everybody pass."""
    if entitlements and not user.entitlements.intersection(entitlements):
        wanted = " or ".join(entitlements)
        raise ForbiddenError(
            f"User {user.login} lacks the entitlement {wanted}. An administrator can give a role that has it.",
            *entitlements,
            message_id="ERROR.ENTITLEMENT.MISSING",
        )


def owner_for(session: Session, acting: User, login: str) -> User:
    """The user in a path, whom `acting` must be or may administer; anybody else looks absent."""
    if login == acting.login:
        return acting
    owner = find_user(session, login) if "user_administrate" in acting.entitlements else None
    if owner is None or owner.organisation_id != acting.organisation_id:
        raise NotFoundError(f"There is no user {login}.", login, message_id="ERROR.USER.NOT_FOUND")
    return owner
