"""Public SSH keys: what a line of an authorized_keys file may be."""

import base64
import re

_TYPES = (
    "ssh-rsa",
    "ssh-dss",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def why_no_public_key(text: str) -> str | None:
    """What is wrong with a text that should be one line of a public key file, whole; None when nothing is."""
    if "PRIVATE KEY" in text:
        return "is a private key: give the one in the .pub file"
    if not _is_public_key(text.strip()):
        return f"({text.strip()[:40]}…) is no public key such as ssh-ed25519 AAAA…"
    return None


def _is_public_key(text: str) -> bool:
    words = text.split(None, 2)
    if len(words) < 2 or words[0] not in _TYPES or _CONTROL.search(text):
        return False
    try:
        fields = _fields(base64.b64decode(words[1], validate=True))
    except ValueError:
        return False
    return len(fields) > 1 and fields[0] == words[0].encode()


def _fields(blob: bytes) -> list[bytes]:
    """The length-prefixed fields of a key; raises ValueError when it is cut off."""
    fields = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            raise ValueError("a field is cut off")
        fields.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return fields
