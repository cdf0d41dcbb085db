"""Signed statements: the Dead Simple Signing Envelope, with Ed25519."""

import base64
import hashlib
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class WrongSignatureError(Exception):
    """An envelope is none, or was not signed with this key; the text says which."""


def sign(statement: bytes, key: Ed25519PrivateKey) -> bytes:
    """The envelope of a statement."""
    signature = key.sign(_signed_bytes(PAYLOAD_TYPE, statement))
    document = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(statement).decode("ascii"),
        "signatures": [{"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode("ascii")}],
    }
    return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def verify(envelope: bytes, key: Ed25519PublicKey) -> bytes:
    """The statement in an envelope, which this key has signed; raises WrongSignatureError."""
    try:
        document = json.loads(envelope)
        statement = base64.b64decode(document["payload"], validate=True)
        signed = _signed_bytes(document["payloadType"], statement)
        signatures = [base64.b64decode(signature["sig"], validate=True) for signature in document["signatures"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongSignatureError("This is no signed statement.") from error
    if not any(_is_by(key, signature, signed) for signature in signatures):
        raise WrongSignatureError(f"The statement was not signed with the key {key_id(key)}, or was changed since.")
    return statement


def public_pem(key: Ed25519PublicKey) -> bytes:
    """A public key as a PEM file."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_public_pem(content: bytes) -> Ed25519PublicKey:
    """The key in a PEM file; raises WrongSignatureError."""
    try:
        key = load_pem_public_key(content)
    except ValueError as error:
        raise WrongSignatureError("This is no public key in PEM form.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise WrongSignatureError("The key is of another kind than Ed25519.")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """What a key is called: the SHA-256 of its standard form."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _is_by(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _signed_bytes(payload_type: str, payload: bytes) -> bytes:
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
