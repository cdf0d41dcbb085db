"""Certificates and keys of cloud accounts: they come in, and only what is public goes out again."""

import json

from sqlalchemy.orm import Session

from ingot.messages.account import Certificate as CertificateMessage
from ingot.services.appliances import checked_text
from ingot.services.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from ingot.services.secrets import LostSecretError, Vault
from ingot.store.base import now
from ingot.store.tables import Certificate, CloudAccount

#: Bytes that a certificate may have.
LARGEST = 1_000_000
_TYPES = {
    "CredAccountAws": ("x509", "ec2PrivateKey", "ec2KeyPairPrivateKey", "uForgeCertificate"),
    "CredAccountGoogle": ("googleCertificate",),
}
_PUBLIC = ("x509", "uForgeCertificate")


def create(session: Session, vault: Vault, account: CloudAccount, message: CertificateMessage) -> Certificate:
    """Add a certificate, one of each type; its content may come now or with an upload."""
    possible = _TYPES.get(account.kind, ())
    if not possible:
        takers = ", ".join(_TYPES)
        raise InvalidError(f"A {account.kind} has no certificates: only {takers} have.", account.kind)
    kind = message.type or possible[0]
    if kind not in possible:
        raise InvalidError(
            f"A {account.kind} has no certificate of type {kind}; possible are {', '.join(possible)}.", kind
        )
    if any(row.type == kind for row in account.certificates):
        raise ConflictError(
            f"Account {account.name} already has a certificate of type {kind}. Delete it first, or upload to it.",
            kind,
            message_id="ERROR.CERTIFICATE.EXISTS",
        )
    certificate = Certificate(name=checked_text("name of the certificate", message.name or kind), type=kind)
    account.certificates.append(certificate)
    account.last_modified = now()
    session.flush()
    if message.content:
        set_content(session, vault, account, certificate, certificate.name, message.content)
    return certificate


def set_content(
    session: Session, vault: Vault, account: CloudAccount, certificate: Certificate, name: str, content: bytes
) -> None:
    """Keep a certificate's content, sealed; one before is replaced."""
    _require_sound(certificate.type, name, content)
    certificate.name = checked_text("name of the certificate", name)
    certificate.sealed = vault.seal(_purpose(certificate), content)
    certificate.size, certificate.uploaded = len(content), now()
    account.last_modified = now()
    session.flush()


def delete(session: Session, account: CloudAccount, certificate: Certificate) -> None:
    """Forget a certificate."""
    account.certificates.remove(certificate)
    account.last_modified = now()
    session.flush()


def is_readable(vault: Vault, certificate: Certificate) -> bool:
    """Whether the content is there and can be opened."""
    return _opened(vault, certificate) is not None


def revealed(vault: Vault, certificate: Certificate) -> CertificateMessage:
    """A certificate with its content, to log in with: never for an answer."""
    content = _opened(vault, certificate)
    return CertificateMessage.model_validate({"name": certificate.name, "type": certificate.type, "content": content})


def public_content(vault: Vault, certificate: Certificate) -> bytes:
    """The content of a certificate that is no secret."""
    if certificate.type not in _PUBLIC:
        raise ForbiddenError(
            f"Certificate {certificate.name} is a private key ({certificate.type}): it never leaves the server.",
            message_id="ERROR.CERTIFICATE.SECRET",
        )
    content = _opened(vault, certificate)
    if content is None:
        raise NotFoundError(f"Certificate {certificate.name} has no content: upload it (again).")
    return content


def _require_sound(kind: str, name: str, content: bytes) -> None:
    if not content or len(content) > LARGEST:
        raise InvalidError(f"Certificate {name} has {len(content)} bytes; possible are 1 to {LARGEST}.", name)
    if kind in _PUBLIC:
        from cryptography import x509  # noqa: PLC0415 - 8 MB that only accounts at Amazon need

        try:
            x509.load_pem_x509_certificate(content)
        except ValueError:
            raise InvalidError(
                f"{name} is no X.509 certificate in PEM: such a file begins with -----BEGIN CERTIFICATE-----.", name
            ) from None
    elif kind == "googleCertificate":
        _require_service_account(name, content)
    elif b"PRIVATE KEY-----" not in content:
        raise InvalidError(f"{name} is no private key in PEM: such a file has -----BEGIN … PRIVATE KEY-----.", name)


def _require_service_account(name: str, content: bytes) -> None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not {"client_email", "private_key"} <= document.keys():
        raise InvalidError(
            f"{name} is no key of a Google service account: the JSON file that the console gives, with client_email "
            "and private_key.",
            name,
        )


def _purpose(certificate: Certificate) -> str:
    return f"certificate|{certificate.account_id}|{certificate.id}"


def _opened(vault: Vault, certificate: Certificate) -> bytes | None:
    if certificate.sealed is None:
        return None
    try:
        return vault.open(_purpose(certificate), certificate.sealed)
    except LostSecretError:
        return None
