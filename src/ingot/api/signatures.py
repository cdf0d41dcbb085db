"""Requests that are signed with an API key.

The client adds `apiKey=PUBLIC` to the query, signs the whole target without the base address and its slashes
(HMAC-SHA1 of the secret key, in Base64), and adds `&signature=…` at the end. Method and body are not signed.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.requests import Request

_BASE = re.compile(r"/*(?:api|ufws)(?:/+|$)")
_LAST = "&signature="


@dataclass(frozen=True)
class Signed:
    """A signed request: who signed, and the signature (as sent) of which text."""

    public_key: str
    signature: bytes
    texts: tuple[str, ...]

    def is_by(self, secret_key: bytes) -> bool:
        """Whether the signature was made with this secret key; takes the same time whatever is wrong."""
        right = False
        for text in self.texts:
            digest = hmac.digest(secret_key, text.encode("latin-1"), "sha1")
            for form in (
                digest,
                digest.hex().encode(),
            ):  # the original's guide shows the one, its clients send the other
                right |= hmac.compare_digest(form, self.signature)
        return right


def read(request: Request) -> Signed | None:
    """What is signed in a request's target, as it came over the wire; None when it has no proper signature."""
    query = request.scope["query_string"].decode("latin-1")
    signed_query, separator, signature = query.rpartition(_LAST)
    # What came after the signature would be a parameter that nobody signed.
    if not separator or "&" in signature:
        return None
    keys = [value for name, value in parse_qsl(signed_query) if name == "apiKey"]
    try:
        # Base64 has no blank: it was a plus sign that a client did not escape.
        decoded = base64.b64decode(unquote_to_bytes(signature).replace(b" ", b"+"), validate=True)
    except binascii.Error:
        return None
    if len(keys) != 1 or not decoded:
        return None
    return Signed(keys[0], decoded, tuple(_texts(request, signed_query)))


def _texts(request: Request, query: str) -> Iterator[str]:
    path = request.scope.get("raw_path", request.scope["path"].encode()).decode("latin-1")
    yield f"{_BASE.sub('', path, count=1)}?{query}"
    # Clients that were given the host in capitals fail to cut off the base, and sign the whole address.
    for scheme in ("http", "https"):
        yield f"{scheme}://{request.headers.get('host', '')}{path}?{query}"
