"""Digests, entity tags and the conditions that requests make of them (RFC 9110, section 13)."""

import datetime as dt
import email.utils
import hashlib
import re
from collections.abc import Mapping

from ingot.messages import codec
from ingot.messages.base import Message, UForgeObject, UForgeObjects
from ingot.messages.table import table_of

_TAG = re.compile(r'[ \t,]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)')


def stamp(message: Message) -> str:
    """Give an object, or every object of a list, its digest; returns the digest of the whole."""
    if isinstance(message, UForgeObjects):
        for field in table_of(type(message)).fields:
            if field.is_list and field.message is not None:
                for item in getattr(message, field.attribute):
                    stamp(item)
    digest = hashlib.sha256(codec.to_json(message)).hexdigest()[:32]
    if isinstance(message, UForgeObject):
        message.digest = digest
    return digest


def matches(header: str, tag: str, *, weak: bool) -> bool:
    """Whether an If-Match (strong) or If-None-Match (weak) header names an entity tag; `*` names every one."""
    if header.strip() == "*":
        return True
    position = 0
    while found := _TAG.match(header, position):
        if found[2] == tag and (weak or not found[1]):
            return True
        position = found.end()
    return False


def is_unmodified(headers: Mapping[str, str], tag: str, last_modified: dt.datetime | None) -> bool:
    """Whether the client's copy is still good, so that the answer is 304."""
    if (if_none_match := headers.get("if-none-match")) is not None:
        return matches(if_none_match, tag, weak=True)
    since = http_date(headers.get("if-modified-since"))
    return since is not None and last_modified is not None and last_modified.replace(microsecond=0) <= since


def http_date(text: str | None) -> dt.datetime | None:
    """The time in a header, or None for what is no date: such a header is ignored."""
    if not text:
        return None
    try:
        value = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value


def format_date(value: dt.datetime) -> str:
    """A time as headers write it."""
    return email.utils.format_datetime(value.astimezone(dt.UTC), usegmt=True)
