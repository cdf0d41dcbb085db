"""Cloud accounts: what is no secret in plain, what is one sealed."""

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.messages.account import CredAccount, CredAccountCert
from ingot.publish.accounts import KINDS, Kind
from ingot.services import certificates, platforms
from ingot.services.appliances import checked_text
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.services.secrets import LostSecretError, Vault
from ingot.store.base import now
from ingot.store.tables import Certificate, CloudAccount, TargetPlatform, User

_LONGEST = 20_000


def find(session: Session, owner: User, account_id: int) -> CloudAccount:
    """An account of a user."""
    account = session.get(CloudAccount, account_id)
    if account is None or account.owner_id != owner.id:
        raise NotFoundError(
            f"User {owner.login} has no cloud account {account_id}.",
            str(account_id),
            message_id="ERROR.ACCOUNT.NOT_FOUND",
        )
    return account


def create(session: Session, vault: Vault, owner: User, message: CredAccount) -> CloudAccount:
    """Keep an account with its certificates; its name is unique among the user's."""
    kind = _kind(message)
    name = checked_text("name of the account", message.name)
    _refuse_taken(session, owner, name, None)
    details, secrets = _checked(kind, message)
    account = CloudAccount(
        owner=owner,
        target_platform=_platform(session, owner, message, kind),
        name=name,
        kind=kind.name,
        details=details,
        certificates=[],
    )
    session.add(account)
    session.flush()
    _seal(vault, account, secrets)
    if isinstance(message, CredAccountCert):
        for certificate in message.certificates or []:
            certificates.create(session, vault, account, certificate)
    session.flush()
    return account


def update(session: Session, vault: Vault, account: CloudAccount, message: CredAccount) -> None:
    """Change what is given; what is absent stays. Certificates have operations of their own.

    A secret that is not given again is not carried to another destination: who may edit an account could otherwise
    send its secret to a machine of their own.
    """
    kind = _kind(message)
    if kind.name != account.kind:
        raise InvalidError(
            f"Account {account.name} is a {account.kind}, not a {kind.name}. Create another account.", kind.name
        )
    details, secrets = _checked(kind, message)
    moved = [name for name in kind.destinations if name in details and details[name] != account.details.get(name)]
    missing = [name for name in kind.secrets if name not in secrets]
    if moved and missing and account.sealed is not None:
        fields = kind.message.model_fields
        raise InvalidError(
            f"{fields[moved[0]].alias} changes: the secret is not sent to another place unless it is given again "
            f"({', '.join(str(fields[name].alias) for name in missing)}).",
            message_id="ERROR.ACCOUNT.SECRET_NEEDED",
        )
    if message.name is not None:
        name = checked_text("name of the account", message.name)
        _refuse_taken(session, account.owner, name, account.id)
        account.name = name
    if message.target_platform is not None:
        account.target_platform = _platform(session, account.owner, message, kind)
    account.details = {**account.details, **details}
    if secrets:
        _seal(vault, account, {**_opened(vault, account), **secrets})
    account.last_modified = now()
    session.flush()


def delete(session: Session, account: CloudAccount) -> None:
    """Forget an account and its certificates."""
    session.delete(account)
    session.flush()


def secrets_are_missing(vault: Vault, account: CloudAccount) -> bool:
    """Whether the account cannot be used: a secret was never given, or cannot be opened any more."""
    kind = KINDS[account.kind]
    secrets = _opened(vault, account)
    if account.sealed is not None and not secrets:
        return True
    if any(not secrets.get(name) for name in kind.secrets if name not in kind.optional_secrets):
        return True
    if kind.platform == "google" and not account.certificates:
        return True
    return any(not certificates.is_readable(vault, certificate) for certificate in account.certificates)


def revealed(vault: Vault, account: CloudAccount) -> CredAccount:
    """The account with its secrets and the content of its certificates, to log in with: never for an answer."""
    kind = KINDS[account.kind]
    message = kind.message(name=account.name, **account.details, **_opened(vault, account))
    if isinstance(message, CredAccountCert):
        message.certificates = [certificates.revealed(vault, row) for row in account.certificates]
    return message


def find_certificate(account: CloudAccount, certificate_id: int) -> Certificate:
    """A certificate of an account."""
    for certificate in account.certificates:
        if certificate.id == certificate_id:
            return certificate
    raise NotFoundError(
        f"Account {account.name} has no certificate {certificate_id}.", message_id="ERROR.CERTIFICATE.NOT_FOUND"
    )


def _platform(session: Session, owner: User, message: CredAccount, kind: Kind) -> TargetPlatform | None:
    if kind.platform is None:
        return None
    return platforms.resolve(session, owner, message.target_platform, kind.platform)


def _kind(message: CredAccount) -> Kind:
    kind = KINDS.get(type(message).__name__)
    if kind is None:
        raise InvalidError(
            f"A {type(message).__name__} is no account: its xsi:type says which of {', '.join(KINDS)} it is."
        )
    return kind


def _checked(kind: Kind, message: CredAccount) -> tuple[dict[str, Any], dict[str, str]]:
    """(The fields that are given and no secret, those that are)."""
    given = {name: getattr(message, name) for name in (*kind.details, *kind.secrets)}
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        alias = str(kind.message.model_fields[name].alias)
        if isinstance(value, str) and (len(value) > _LONGEST or "\0" in value):
            raise InvalidError(f"{alias} has a zero character or more than {_LONGEST} characters.", alias)
        if name in ("port", "proxy_port") and not 1 <= value <= 65535:
            raise InvalidError(f"{alias} {value} is no port: use a number from 1 to 65535.", alias)
    secrets = {name: value for name, value in given.items() if name in kind.secrets}
    return {name: value for name, value in given.items() if name not in secrets}, secrets


def _refuse_taken(session: Session, owner: User, name: str, own_id: int | None) -> None:
    query = select(CloudAccount.id).where(CloudAccount.owner_id == owner.id, CloudAccount.name == name)
    taken = session.scalars(query).first()
    if taken is not None and taken != own_id:
        raise ConflictError(
            f"User {owner.login} already has a cloud account {name}. Choose another name.",
            name,
            message_id="ERROR.ACCOUNT.EXISTS",
        )


def _purpose(account: CloudAccount) -> str:
    return f"account|{account.owner_id}|{account.id}"


def _seal(vault: Vault, account: CloudAccount, secrets: dict[str, str]) -> None:
    account.sealed = vault.seal(_purpose(account), json.dumps(secrets).encode()) if secrets else None


def _opened(vault: Vault, account: CloudAccount) -> dict[str, str]:
    """The secrets of an account; none when they were lost."""
    if account.sealed is None:
        return {}
    try:
        secrets: dict[str, str] = json.loads(vault.open(_purpose(account), account.sealed))
    except LostSecretError:
        return {}
    return secrets
