"""Addresses of objects as bodies name them."""

import re

from ingot.services.errors import InvalidError
from ingot.store.database import LARGEST_ID


def id_in(uri: str | None, what: str) -> int:
    """The id that an address ends with."""
    match = re.search(r"(?:^|/)(\d{1,18})/?$", uri or "")
    if match is None or int(match[1]) > LARGEST_ID:
        raise InvalidError(f"The {what} {uri!r} is no address such as {what}s/12.", what)
    return int(match[1])
