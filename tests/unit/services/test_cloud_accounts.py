"""Cloud accounts, on both databases: what is secret is sealed, and stays with whom it was meant for."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ingot.messages.account import (
    Certificate,
    CredAccount,
    CredAccountAws,
    CredAccountCert,
    CredAccountGoogle,
    CredAccountOpenStack,
    CredAccountVSphere,
)
from ingot.messages.target import TargetPlatform
from ingot.publish.accounts import KINDS
from ingot.services import certificates, cloud_accounts, first_start
from ingot.services.errors import ConflictError, ForbiddenError, InvalidError
from ingot.services.secrets import LostSecretError, Vault
from ingot.store.database import Database
from ingot.store.tables import CloudAccount, User

_SECRET = "hush-hush-7261"
_SERVICE_ACCOUNT = b'{"client_email": "a@b.example", "private_key": "-----BEGIN PRIVATE KEY-----"}'


@pytest.fixture
def vault() -> Vault:
    return Vault(b"k" * 32)


def _vsphere(**fields: object) -> CredAccountVSphere:
    given = {"name": "vc", "hostname": "vc.example", "login": "me", "password": _SECRET, "port": 443}
    return CredAccountVSphere.model_validate({**given, **fields})


def _self_signed() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ingot")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, dt.datetime.now(), dt.datetime(2050, 1, 1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_seal_opens_for_its_purpose_and_key_alone(vault: Vault) -> None:
    sealed = vault.seal("account|1", b"secret")
    assert vault.open("account|1", sealed) == b"secret"
    assert vault.seal("account|1", b"secret") != sealed
    for other, purpose, content in (
        (vault, "account|2", sealed),
        (Vault(b"x" * 32), "account|1", sealed),
        (vault, "account|1", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (vault, "account|1", b""),
    ):
        with pytest.raises(LostSecretError):
            other.open(purpose, content)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_type_keeps_its_fields(session: Session, owner: User, vault: Vault, kind: cloud_accounts.Kind) -> None:
    numbers = {"port": 443, "proxy_port": 8080}
    fields = {name: numbers.get(name, f"{name} {_SECRET}") for name in (*kind.details, *kind.secrets)}
    row = cloud_accounts.create(session, vault, owner, kind.message.model_validate({"name": "a", **fields}))
    session.expire_all()
    revealed = cloud_accounts.revealed(vault, row)
    assert {name: getattr(revealed, name) for name in fields} == fields
    assert not set(row.details) & set(kind.secrets)
    assert (row.target_platform.type if row.target_platform else None) == kind.platform


def test_every_account_type_of_the_api_is_known() -> None:
    def concrete(message: type[CredAccount]) -> set[str]:
        inner = {name for subtype in message.__subclasses__() for name in concrete(subtype)}
        return inner if message.__dict__.get("ABSTRACT") else {message.__name__, *inner}

    assert concrete(CredAccount) == set(KINDS)


def test_the_database_holds_no_secret(session: Session, owner: User, vault: Vault) -> None:
    cloud_accounts.create(session, vault, owner, _vsphere())
    google = CredAccountGoogle(name="g", certificates=[Certificate(name="key.json", content=_SERVICE_ACCOUNT)])
    cloud_accounts.create(session, vault, owner, google)
    for table in ("cloud_account", "certificate"):
        stored = repr(
            [
                bytes(v) if isinstance(v, memoryview) else v
                for row in session.execute(
                    text(f"SELECT * FROM {table}")  # noqa: S608
                )
                for v in row
            ]
        )
        assert "vc" in stored or "key.json" in stored
        assert _SECRET not in stored
        assert "PRIVATE KEY" not in stored


def test_a_lost_key_leaves_an_account_that_says_so(session: Session, owner: User, vault: Vault) -> None:
    row = cloud_accounts.create(session, vault, owner, _vsphere())
    assert not cloud_accounts.secrets_are_missing(vault, row)
    other = Vault(b"x" * 32)
    assert cloud_accounts.secrets_are_missing(other, row)
    cloud_accounts.update(session, other, row, CredAccountVSphere(password="new"))
    assert not cloud_accounts.secrets_are_missing(other, row)


def test_an_account_without_its_secret_says_so(session: Session, owner: User, vault: Vault) -> None:
    row = cloud_accounts.create(session, vault, owner, _vsphere(password=None))
    assert cloud_accounts.secrets_are_missing(vault, row)
    google = cloud_accounts.create(session, vault, owner, CredAccountGoogle(name="g", certificates=[Certificate()]))
    assert cloud_accounts.secrets_are_missing(vault, google)


def test_an_update_keeps_what_it_does_not_name(session: Session, owner: User, vault: Vault) -> None:
    row = cloud_accounts.create(session, vault, owner, _vsphere())
    cloud_accounts.update(session, vault, row, CredAccountVSphere(login="you"))
    revealed = cloud_accounts.revealed(vault, row)
    assert isinstance(revealed, CredAccountVSphere)
    assert (revealed.login, revealed.password, revealed.hostname) == ("you", _SECRET, "vc.example")


def test_a_secret_does_not_move_to_another_host(session: Session, owner: User, vault: Vault) -> None:
    row = cloud_accounts.create(session, vault, owner, _vsphere())
    for field in ({"hostname": "evil.example"}, {"port": 1}, {"proxy_host": "evil.example"}):
        with pytest.raises(InvalidError, match="password"):
            cloud_accounts.update(session, vault, row, CredAccountVSphere.model_validate(field))
    cloud_accounts.update(session, vault, row, _vsphere(hostname="new.example", password="new"))
    revealed = cloud_accounts.revealed(vault, row)
    assert isinstance(revealed, CredAccountVSphere)
    assert (revealed.hostname, revealed.password) == ("new.example", "new")


def test_names_types_and_platforms_are_checked(session: Session, owner: User, vault: Vault) -> None:
    row = cloud_accounts.create(session, vault, owner, _vsphere())
    with pytest.raises(ConflictError, match="vc"):
        cloud_accounts.create(session, vault, owner, _vsphere())
    with pytest.raises(InvalidError, match="name of the account"):
        cloud_accounts.create(session, vault, owner, _vsphere(name=" "))
    with pytest.raises(InvalidError, match="99999"):
        cloud_accounts.create(session, vault, owner, _vsphere(name="b", port=99999))
    with pytest.raises(InvalidError, match="CredAccountVSphere"):
        cloud_accounts.update(session, vault, row, CredAccountOpenStack(login="x"))
    with pytest.raises(InvalidError, match="of type aws"):
        cloud_accounts.create(session, vault, owner, _vsphere(name="b", target_platform=TargetPlatform(name="Amazon")))
    with pytest.raises(InvalidError, match="VMware vCenter"):
        cloud_accounts.create(
            session, vault, owner, _vsphere(name="b", target_platform=TargetPlatform(name="Nowhere"))
        )


def test_certificates_are_checked_and_private_keys_stay(session: Session, owner: User, vault: Vault) -> None:
    row = cloud_accounts.create(session, vault, owner, CredAccountAws(name="a", secret_access_key_id=_SECRET))
    public = certificates.create(session, vault, row, Certificate(name="c.pem", type="x509", content=_self_signed()))
    assert certificates.public_content(vault, public).startswith(b"-----BEGIN CERTIFICATE")
    pem = b"-----BEGIN RSA PRIVATE KEY-----\n"
    private = certificates.create(session, vault, row, Certificate(name="k.pem", type="ec2PrivateKey", content=pem))
    with pytest.raises(ForbiddenError, match="never leaves"):
        certificates.public_content(vault, private)
    with pytest.raises(ConflictError, match="Delete it first"):
        certificates.create(session, vault, row, Certificate(name="other", type="x509"))
    for kind, content in (("x509", b"junk"), ("ec2PrivateKey", b"junk"), ("x509", b"")):
        with pytest.raises(InvalidError, match=r"new\.pem"):
            certificates.set_content(
                session, vault, row, next(c for c in row.certificates if c.type == kind), "new.pem", content
            )
    with pytest.raises(InvalidError, match="googleCertificate"):
        certificates.create(session, vault, row, Certificate(type="googleCertificate"))
    revealed = cloud_accounts.revealed(vault, row)
    assert isinstance(revealed, CredAccountCert)
    assert [entry.name for entry in revealed.certificates or []] == ["c.pem", "k.pem"]
    certificates.delete(session, row, private)
    cloud_accounts.delete(session, row)
    assert session.execute(text("SELECT COUNT(*) FROM certificate")).scalar_one() == 0


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"client_email": "a"}', b"[" * 100_000, b"\xff"])
def test_what_is_no_service_account_is_refused(session: Session, owner: User, vault: Vault, content: bytes) -> None:
    row = cloud_accounts.create(session, vault, owner, CredAccountGoogle(name="g"))
    certificate = certificates.create(session, vault, row, Certificate())
    with pytest.raises(InvalidError, match=r"key\.json"):
        certificates.set_content(session, vault, row, certificate, "key.json", content)


def test_of_accounts_with_one_name_made_at_once_one_is_kept(database: Database, vault: Vault) -> None:
    with database.transaction() as session:
        first_start.prepare(session, root_password="secret")

    def create(_: int) -> bool:
        try:
            with database.transaction() as session:
                cloud_accounts.create(session, vault, session.scalars(select(User)).one(), _vsphere())
        except (ConflictError, IntegrityError):
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(create, range(12))).count(True) == 1
    with database.transaction(read_only=True) as session:
        (row,) = session.scalars(select(CloudAccount))
        assert not cloud_accounts.secrets_are_missing(vault, row)
