"""Signed statements."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingot.build.evidence import dsse

KEY = Ed25519PrivateKey.generate()
STATEMENT = b'{"_type":"https://in-toto.io/Statement/v1"}'


def test_a_statement_is_signed_and_verified() -> None:
    envelope = dsse.sign(STATEMENT, KEY)
    assert dsse.verify(envelope, dsse.read_public_pem(dsse.public_pem(KEY.public_key()))) == STATEMENT
    document = json.loads(envelope)
    # As the envelope's specification has it, byte by byte.
    signed = b"DSSEv1 28 application/vnd.in-toto+json 43 " + STATEMENT
    KEY.public_key().verify(base64.b64decode(document["signatures"][0]["sig"]), signed)


def test_another_key_or_another_statement_is_noticed() -> None:
    envelope = dsse.sign(STATEMENT, KEY)
    with pytest.raises(dsse.WrongSignatureError, match="not signed with the key"):
        dsse.verify(envelope, Ed25519PrivateKey.generate().public_key())
    document = json.loads(envelope)
    document["payload"] = base64.b64encode(STATEMENT + b" ").decode()
    with pytest.raises(dsse.WrongSignatureError, match="changed since"):
        dsse.verify(json.dumps(document).encode(), KEY.public_key())


@pytest.mark.parametrize(
    "envelope", [b"", b"{}", b"[]", b"null", b'{"payload": "!", "payloadType": "", "signatures": []}']
)
def test_what_is_no_envelope_is_refused(envelope: bytes) -> None:
    with pytest.raises(dsse.WrongSignatureError):
        dsse.verify(envelope, KEY.public_key())


def test_a_key_of_another_kind_is_refused() -> None:
    with pytest.raises(dsse.WrongSignatureError, match="no public key"):
        dsse.read_public_pem(b"not a key")
