"""Which texts are public SSH keys."""

import base64
import struct

import pytest

from ingot.build.public_key import why_no_public_key


def _key(kind: str, *fields: bytes) -> str:
    blob = b"".join(struct.pack(">I", len(field)) + field for field in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()}"


_ED25519 = _key("ssh-ed25519", bytes(32))
_ECDSA = _key("ecdsa-sha2-nistp256", b"nistp256", bytes(65))
_RSA = _key("ssh-rsa", b"\1\0\1", bytes(257))


@pytest.mark.parametrize(
    "text",
    [
        _ED25519,
        _ECDSA,
        _RSA,
        f"{_ED25519} eve@example.org",
        f"{_ED25519} a comment of words\n",
        f"\n  {_ED25519}\r\n\n",
        _key("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:"),
    ],
)
def test_public_keys_are_known(text: str) -> None:
    assert why_no_public_key(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 !!!!",
        _ED25519[:-8],
        _ED25519.replace("ssh-ed25519 ", "ssh-rsa "),
        f"{_ED25519}\n{_RSA}",
        f"{_ED25519} \x07",
        f'command="reboot" {_ED25519}',
        "ssh-unknown AAAAC3NzaC1lZDI1NTE5",
    ],
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    assert why_no_public_key(text)
