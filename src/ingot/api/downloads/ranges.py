"""Byte ranges (RFC 9110, section 14)."""

import itertools
import re
from dataclasses import dataclass

#: More ranges than this are no resumed download; the answer is then the whole file.
MOST_RANGES = 8
#: Longer numbers than any file needs are ignored with their header, before they cost anything.
_SPEC = re.compile(r"([0-9]{1,19})-([0-9]{0,19})|-([0-9]{1,19})")


class UnsatisfiableRangeError(Exception):
    """No range of the request lies within the file."""


@dataclass(frozen=True)
class ByteRange:
    """A part of a file: bytes `start` up to but not including `end`."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start

    def content_range(self, size: int) -> str:
        """The Content-Range of this part of a file of `size` bytes."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


def parse(header: str | None, size: int) -> list[ByteRange] | None:
    """The ranges of a Range header, or None where it is to be ignored: absent, malformed, another unit, too many.

    Raises UnsatisfiableRangeError when the header is well-formed and nothing of it lies within the file.
    """
    if header is None:
        return None
    unit, separator, specs = header.partition("=")
    if not separator or unit.lower() != "bytes" or specs.count(",") >= 4 * MOST_RANGES:
        return None
    ranges, seen = [], 0
    for spec in specs.split(","):
        text = spec.strip(" \t")
        if not text:
            continue
        match = _SPEC.fullmatch(text)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            return None
        seen += 1
        if match[3] is not None:
            start, end = max(0, size - int(match[3])), size
        else:
            start, end = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
        if start < end:
            ranges.append(ByteRange(start, end))
    if seen == 0 or len(ranges) > MOST_RANGES or _overlap(ranges):
        return None
    if not ranges:
        raise UnsatisfiableRangeError
    return ranges


def _overlap(ranges: list[ByteRange]) -> bool:
    """Whether ranges repeat bytes: a sign of an attack, never of a client that resumes."""
    ordered = sorted(ranges, key=lambda one: one.start)
    return any(left.end > right.start for left, right in itertools.pairwise(ordered))
