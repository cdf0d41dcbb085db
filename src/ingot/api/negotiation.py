"""Which form an answer takes, and which one a body has: XML unless JSON is asked for."""

from typing import Literal

from ingot.messages import codec
from ingot.messages.base import Message
from ingot.services.errors import ServiceError

MediaType = Literal["application/xml", "application/json"]
XML: MediaType = "application/xml"
JSON: MediaType = "application/json"
_ALIASES: dict[str, MediaType] = {XML: XML, "text/xml": XML, JSON: JSON, "text/json": JSON}


class NotAcceptableError(ServiceError):
    """The client accepts no form that there is."""

    message_id = "ERROR.NOT_ACCEPTABLE"


def answer_type(accept: str | None) -> MediaType:
    """The form that an Accept header prefers (RFC 9110, section 12.5.1); raises NotAcceptableError."""
    if not accept or not accept.strip():
        return XML
    best: tuple[float, int, MediaType] | None = None
    for position, part in enumerate(accept.split(",")):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        quality = _quality(parameters)
        wanted = _ALIASES.get(name) or (XML if name in ("*/*", "application/*", "text/*", "*") else None)
        if wanted and quality > 0 and (best is None or (quality, -position) > best[:2]):
            best = (quality, -position, wanted)
    if best is None:
        raise NotAcceptableError(f"There is no answer in {accept[:200]}: ask for application/xml or application/json.")
    return best[2]


def body_type(content_type: str | None, content: bytes) -> MediaType:
    """The form of a body. Clients label what they send carelessly: its first character decides when in doubt."""
    named = _ALIASES.get((content_type or "").partition(";")[0].strip().lower())
    if named is not None:
        return named
    return JSON if content.lstrip()[:1] in (b"{", b"[") else XML


def encode(message: Message, media_type: MediaType, declared: type[Message] | None = None) -> bytes:
    """A message in the form asked for, as the type that it is declared to be."""
    return codec.to_json(message, declared) if media_type == JSON else codec.to_xml(message, declared)


def decode(content: bytes, message_type: type[Message], media_type: MediaType) -> Message:
    """A message from a body; raises codec.MalformedMessageError."""
    return codec.from_json(content, message_type) if media_type == JSON else codec.from_xml(content, message_type)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0
    return 1
