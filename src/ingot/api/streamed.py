"""Lists of any length, written while they are read: for operations whose clients know of no pages and want it all."""

from collections.abc import Iterator

from starlette.responses import Response, StreamingResponse

from ingot.api import conditional, negotiation
from ingot.api.dispatch import COMMON_HEADERS
from ingot.api.operation import Call
from ingot.messages.base import Message

#: How many rows are in memory at a time, and up to how many a list is an ordinary answer with an entity tag.
BATCH = 500


def streamed(call: Call, empty: Message, item: str, parts: Iterator[Message]) -> Response:
    """An answer that is `empty`, a list without items (each an `item`), with those of all `parts` in it.

    The parts are lists of the same type, of which only the items are written, and are asked for one after the other in
    threads: each opens its own transaction.
    """
    media_type = negotiation.answer_type(call.request.headers.get("accept"))
    head, tail = _around(empty, item, media_type)

    def content() -> Iterator[bytes]:
        yield head
        separator = b""
        for part in parts:
            conditional.stamp(part)
            before, after = _around(type(part)(), item, media_type)
            document = negotiation.encode(part, media_type)
            items = document[len(before) : len(document) - len(after)]
            if items:
                yield separator + items
                separator = b"," if media_type == negotiation.JSON else b""
        yield tail

    return StreamingResponse(content(), headers=COMMON_HEADERS, media_type=media_type)


def _around(empty: Message, item: str, media_type: negotiation.MediaType) -> tuple[bytes, bytes]:
    """What stands before and after the items in the document of a list without any."""
    document = negotiation.encode(empty, media_type)
    if media_type == negotiation.JSON:
        place = document.index(b"[", document.index(f'"{item}"'.encode())) + 1
    else:
        # The innermost element, which wraps the items, is empty.
        place = document.index(b"></") + 1
    return document[:place], document[place:]
