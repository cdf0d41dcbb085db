"""What is answered to a request for a file: all of it, parts of it, or why not, as its conditions say (RFC 9110)."""

import base64
import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from ingot.api import conditional
from ingot.api.downloads.ranges import ByteRange, UnsatisfiableRangeError, parse
from ingot.api.errors import PreconditionFailedError, uforge_error
from ingot.store.artifacts import ArtifactStore

#: The header by which an nginx in front says that it can send files.
ACCELERATOR = "x-ingot-accelerator"


@dataclass(frozen=True)
class Downloadable:
    """A file that can be downloaded. Its content never changes: the SHA-256 is its entity tag.

    `kind` and `object_id` say of which object it is; `owner_id` is the user that it belongs to.
    """

    kind: str
    object_id: int
    owner_id: int
    file_name: str
    artifacts: ArtifactStore
    size: int
    sha256: str
    last_modified: dt.datetime

    @cached_property
    def path(self) -> Path:
        """The file of the content, where it is one of this machine."""
        return self.artifacts.file(self.sha256)

    @property
    def tag(self) -> str:
        """The entity tag, without its quotes."""
        return self.sha256

    @cached_property
    def headers(self) -> dict[str, str]:
        """The headers of every answer about the file."""
        return {
            "ETag": f'"{self.tag}"',
            "Last-Modified": conditional.format_date(self.last_modified),
            "Accept-Ranges": "bytes",
            "Cache-Control": "private, no-transform",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    @cached_property
    def content_headers(self) -> dict[str, str]:
        """The headers of answers that have content of the file, except those of the content itself."""
        digest = base64.b64encode(bytes.fromhex(self.sha256)).decode()
        return {
            **self.headers,
            "Content-Disposition": content_disposition(self.file_name),
            "Repr-Digest": f"sha-256=:{digest}:",
        }

    @cached_property
    def head(self) -> bytes:
        """The headers of the answer that has all of the file, as they go over the line, up to its content."""
        return b"%bcontent-length: %d\r\n\r\n" % (self._shared_head, self.size)

    def head_of(self, part: ByteRange) -> bytes:
        """The headers of the answer that has one part of the file."""
        content_range = part.content_range(self.size).encode()
        return b"%bcontent-length: %d\r\ncontent-range: %b\r\n\r\n" % (self._shared_head, part.size, content_range)

    @cached_property
    def _shared_head(self) -> bytes:
        headers = {**self.content_headers, "Content-Type": "application/octet-stream"}
        return "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items()).encode("latin-1")


@dataclass(frozen=True)
class Plan:
    """What to answer: 200 with all, 206 with `ranges`, 304, or 416."""

    status: int
    ranges: tuple[ByteRange, ...] = ()

    @property
    def has_content(self) -> bool:
        """Whether bytes of the file leave the server, unless the request is HEAD."""
        return self.status in (200, 206)

    def reaches_end_of(self, file: Downloadable) -> bool:
        """Whether the file's last byte is among what is sent."""
        return self.status == 200 or any(part.end == file.size for part in self.ranges)


def plan(method: str, headers: Headers, file: Downloadable) -> Plan:
    """Evaluate a request's conditions in RFC 9110's order; raises PreconditionFailedError."""
    modified = file.last_modified.replace(microsecond=0)
    if (if_match := _whole(headers, "if-match")) is not None:
        if not conditional.matches(if_match, file.tag, weak=False):
            raise PreconditionFailedError("The file is not the one that If-Match names.")
    elif (since := conditional.http_date(_whole(headers, "if-unmodified-since"))) is not None and modified > since:
        raise PreconditionFailedError("The file is newer than If-Unmodified-Since.")
    if (if_none_match := _whole(headers, "if-none-match")) is not None:
        if conditional.matches(if_none_match, file.tag, weak=True):
            return Plan(304)
    elif (since := conditional.http_date(_whole(headers, "if-modified-since"))) is not None and modified <= since:
        return Plan(304)
    if method == "HEAD" or not _if_range_holds(headers, file):
        return Plan(200)
    try:
        ranges = parse(_whole(headers, "range"), file.size)
    except UnsatisfiableRangeError:
        return Plan(416)
    return Plan(200) if ranges is None else Plan(206, tuple(ranges))


def resumes(headers: Headers, file: Downloadable) -> bool:
    """Whether a request goes on with a broken download: a Range that is bound to the file by its entity tag."""
    return "range" in headers and headers.get("if-range", "").strip(" \t") == f'"{file.tag}"'


def without_content(request: Request, file: Downloadable, planned: Plan) -> Response:
    """The answer of a plan to HEAD, and of one that has no content."""
    if planned.status == 304:
        return Response(status_code=304, headers=file.headers)
    if planned.status == 416:
        size = str(file.size)
        return uforge_error(
            request,
            416,
            f"The range lies outside the file of {size} bytes.",
            "ERROR.RANGE",
            (size,),
            {**file.headers, "Content-Range": f"bytes */{size}"},
        )
    headers = {**file.content_headers, "Content-Length": str(file.size)}
    return Response(status_code=planned.status, headers=headers, media_type="application/octet-stream")


def content_disposition(name: str) -> str:
    """The header that offers a file name of any characters (RFC 6266)."""
    safe = "".join("_" if char < " " or char in "/\\\x7f" else char for char in name)
    plain = "".join(char if " " <= char <= "~" and char not in '"%;' else "_" for char in safe)
    extended = "" if plain == safe else f"; filename*=UTF-8''{quote(safe, safe='', errors='replace')}"
    return f'attachment; filename="{plain}"{extended}'


def _if_range_holds(headers: Headers, file: Downloadable) -> bool:
    """Whether a Range may be served: there is no If-Range, or it names this very file."""
    text = _whole(headers, "if-range")
    if text is None:
        return True
    text = text.strip(" \t")
    if '"' in text:
        return text == f'"{file.tag}"'
    return conditional.http_date(text) == file.last_modified.replace(microsecond=0)


def _whole(headers: Headers, name: str) -> str | None:
    """A header's value; lines of the same name are one list."""
    values = headers.getlist(name)
    return ", ".join(values) if values else None
