"""What the server answers to conditions and ranges, against a model that is written from RFC 9110 alone."""

import base64
import datetime as dt
import email.utils
import http.client
import re
from dataclasses import dataclass
from email.parser import BytesParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import PASSWORD, Site

_SIZE = 61
_MOST_RANGES = 8


@dataclass(frozen=True)
class Representation:
    """The file as the RFC sees it."""

    content: bytes
    tag: str
    modified: dt.datetime


@dataclass(frozen=True)
class Expected:
    """An answer: its status, and the parts of the content in it as (first byte, content)."""

    status: int
    parts: tuple[tuple[int, bytes], ...] = ()


def model(method: str, headers: dict[str, str], file: Representation) -> Expected:
    """RFC 9110, section 13.2.2, step by step."""
    if "If-Match" in headers:
        if not _names(headers["If-Match"], file.tag, is_strong=True):
            return Expected(412)
    elif "If-Unmodified-Since" in headers:
        date = _date(headers["If-Unmodified-Since"])
        if date is not None and not file.modified <= date:
            return Expected(412)
    if "If-None-Match" in headers:
        if _names(headers["If-None-Match"], file.tag, is_strong=False):
            return Expected(304)
    elif "If-Modified-Since" in headers:
        date = _date(headers["If-Modified-Since"])
        if date is not None and file.modified <= date:
            return Expected(304)
    if method == "GET" and "Range" in headers and ("If-Range" not in headers or _same(headers["If-Range"], file)):
        return _ranges(headers["Range"], file.content)
    return Expected(200, ((0, file.content),))


def _names(header: str, tag: str, *, is_strong: bool) -> bool:
    if header.strip() == "*":
        return True
    members = [member.strip(" \t") for member in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', header)]
    wanted = {f'"{tag}"'} if is_strong else {f'"{tag}"', f'W/"{tag}"'}
    return any(member in wanted for member in members)


def _date(text: str) -> dt.datetime | None:
    for form in ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"):
        try:
            return dt.datetime.strptime(text.strip(), form).replace(tzinfo=dt.UTC)
        except ValueError:
            continue
    return None


def _same(header: str, file: Representation) -> bool:
    if '"' in header:
        return header.strip() == f'"{file.tag}"'
    return _date(header) == file.modified


def _ranges(header: str, content: bytes) -> Expected:
    whole = Expected(200, ((0, content),))
    if not header.lower().startswith("bytes="):
        return whole
    parts, asked = [], False
    for spec in header[6:].split(","):
        text = spec.strip(" \t")
        if not text:
            continue
        match = re.fullmatch(r"([0-9]*)-([0-9]*)", text)
        if not match or text == "-":
            return whole
        first, last = match.groups()
        if first and last and int(first) > int(last):
            return whole
        asked = True
        if first:
            places = [
                place for place in range(len(content)) if place >= int(first) and (not last or place <= int(last))
            ]
        else:
            places = list(range(len(content)))[-int(last) :] if int(last) else []
        if places:
            parts.append((places[0], content[places[0] : places[-1] + 1]))
    if not asked:
        return whole
    if not parts:
        return Expected(416)
    taken = [place for start, part in parts for place in range(start, start + len(part))]
    if len(parts) > _MOST_RANGES or len(taken) != len(set(taken)):
        return whole  # as the RFC allows for what only an attacker asks for
    return Expected(206, tuple(parts))


class Client:
    """One connection to the server, as long as it lasts."""

    def __init__(self, site: Site, image: dict[str, Any]) -> None:
        self._host = urlsplit(site.address).netloc
        self.target = f"/api/{image['uri']}/downloads"
        self._login = "Basic " + base64.b64encode(f"root:{PASSWORD}".encode()).decode()
        self._connection = http.client.HTTPConnection(self._host)

    def ask(self, method: str, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        """Send a request; returns the answer with its body."""
        self._connection.putrequest(method, self.target, skip_accept_encoding=True)
        self._connection.putheader("Authorization", self._login)
        for name, value in headers.items():
            self._connection.putheader(name, value)
        self._connection.endheaders()
        response = self._connection.getresponse()
        return response, response.read()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _observed(response: http.client.HTTPResponse, body: bytes) -> Expected:
    if response.status == 200:
        return Expected(200, ((0, body),))
    if response.status != 206:
        return Expected(response.status)
    media_type = response.headers["Content-Type"]
    if not media_type.startswith("multipart/byteranges"):
        return Expected(206, (_part(response.headers["Content-Range"], body),))
    message = BytesParser().parsebytes(b"Content-Type: " + media_type.encode() + b"\r\n\r\n" + body)
    parts = message.get_payload()
    assert isinstance(parts, list)
    # The parser of mail takes a line's end off each part; the lengths say how much there really is.
    boundary = b"--" + media_type.partition("boundary=")[2].encode()
    raw = [piece.partition(b"\r\n\r\n")[2][:-2] for piece in body.split(boundary)[1:-1]]
    return Expected(206, tuple(_part(part["Content-Range"], one) for part, one in zip(parts, raw, strict=True)))


def _part(content_range: str, body: bytes) -> tuple[int, bytes]:
    match = re.fullmatch(rf"bytes (\d+)-(\d+)/{_SIZE}", content_range)
    assert match
    assert int(match[2]) - int(match[1]) + 1 == len(body)
    return int(match[1]), body


def _requests(file: Representation) -> st.SearchStrategy[tuple[str, dict[str, str]]]:
    good = st.sampled_from([f'"{file.tag}"', f'W/"{file.tag}"', '"other"', 'W/"other"', '""', '"a,b"', ""])
    tags = st.one_of(good, st.sampled_from(["*", file.tag, ","]))
    tag_lists = st.one_of(tags, st.lists(good, min_size=2, max_size=3).map(", ".join))
    moments = [file.modified + dt.timedelta(seconds=seconds) for seconds in (-86400, -1, 0, 1, 86400)]
    dates = st.sampled_from(
        [
            *(email.utils.format_datetime(moment, usegmt=True) for moment in moments),
            moments[1].strftime("%A, %d-%b-%y %H:%M:%S GMT"),
            moments[2].strftime("%a %b %d %H:%M:%S %Y"),
            "yesterday",
            "",
        ]
    )
    place = st.integers(0, _SIZE + 5)
    spec = st.one_of(
        st.tuples(place, place).map(lambda pair: f"{min(pair)}-{max(pair)}"),
        st.tuples(place, place).map(lambda pair: f"{pair[0]}-{pair[1]}"),
        place.map(lambda start: f"{start}-"),
        place.map(lambda length: f"-{length}"),
        st.sampled_from(["", "x", "1-x", "-", " 7-9\t", "007-8", "99999999999999-", "-99999999999999"]),
    )
    unit = st.sampled_from(["bytes=", "bytes=", "bytes=", "Bytes=", "lines=", "bytes", "bytes ="])
    ranges = st.tuples(unit, st.lists(spec, min_size=1, max_size=4)).map(lambda pair: pair[0] + ",".join(pair[1]))
    headers = st.fixed_dictionaries(
        {},
        optional={
            "If-Match": tag_lists,
            "If-None-Match": tag_lists,
            "If-Modified-Since": dates,
            "If-Unmodified-Since": dates,
            "If-Range": st.one_of(tags, dates),
            "Range": ranges,
        },
    )
    return st.tuples(st.sampled_from(["GET", "GET", "GET", "HEAD"]), headers)


def test_answers_are_what_the_rfc_says(site: Site, small: dict[str, Any]) -> None:
    client = Client(site, small)
    first, content = client.ask("GET", {})
    modified = email.utils.parsedate_to_datetime(first.headers["Last-Modified"])
    file = Representation(content, small["sha256sum"], modified)
    assert len(content) == _SIZE

    @settings(max_examples=3000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(_requests(file))
    def compare(request: tuple[str, dict[str, str]]) -> None:
        method, headers = request
        expected = model(method, headers, file)
        response, body = client.ask(method, headers)
        if method == "HEAD":
            assert (response.status, body) == (expected.status, b"")
        else:
            assert _observed(response, body) == expected
        if response.status in (200, 206, 304):
            assert response.headers["ETag"] == f'"{file.tag}"'
        if response.status == 416:
            assert response.headers["Content-Range"] == f"bytes */{_SIZE}"
        if response.status in (200, 206) and method == "GET":
            assert int(response.headers["Content-Length"]) == len(body)
            assert response.headers["Repr-Digest"] == first.headers["Repr-Digest"]
        if method == "HEAD" and response.status == 200:
            assert response.headers["Content-Length"] == str(_SIZE)

    try:
        compare()
    finally:
        client.close()


@pytest.mark.parametrize(
    "headers",
    [
        [("If-None-Match", '"other"'), ("If-None-Match", '"{tag}"')],
        [("Range", "bytes=0-0"), ("Range", "bytes=2-2")],
    ],
)
def test_headers_on_several_lines_are_one_list(
    site: Site, small: dict[str, Any], headers: list[tuple[str, str]]
) -> None:
    client = Client(site, small)
    filled = [(name, value.format(tag=small["sha256sum"])) for name, value in headers]
    connection = client._connection
    connection.putrequest("GET", client.target, skip_accept_encoding=True)
    connection.putheader("Authorization", client._login)
    for name, value in filled:
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    response.read()
    client.close()
    assert response.status == (304 if headers[0][0] == "If-None-Match" else 200)
