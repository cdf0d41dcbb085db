"""Byte ranges against a reference model that marks the bytes a header asks for."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingot.api.downloads.ranges import MOST_RANGES, UnsatisfiableRangeError, parse

_SPEC = st.one_of(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    st.integers(0, 40).map(lambda start: f"{start}-"),
    st.integers(0, 40).map(lambda length: f"-{length}"),
    st.sampled_from(["", "x", "1-x", "--1", "1", "-", " 2-3 "]),
)


def _model(header: str, size: int) -> list[list[int]] | str | None:
    """The bytes that each range asks for; "unsatisfiable"; or None for a header to ignore."""
    specs = [spec.strip(" \t") for spec in header.removeprefix("bytes=").split(",")]
    wanted: list[list[int]] = []
    asked = False
    for spec in specs:
        if not spec:
            continue
        match = re.fullmatch(r"(\d*)-(\d*)", spec)
        if not match or spec == "-":
            return None
        first, last = match.groups()
        if first and last and int(first) > int(last):
            return None
        asked = True
        if first:
            places = [n for n in range(size) if n >= int(first) and (not last or n <= int(last))]
        else:
            places = list(range(size))[-int(last) :] if int(last) else []
        if places:
            wanted.append(places)
    if not asked:
        return None
    flat = [place for places in wanted for place in places]
    if len(wanted) > MOST_RANGES or len(set(flat)) != len(flat):
        return None
    return wanted or "unsatisfiable"


@given(st.lists(_SPEC, min_size=1, max_size=MOST_RANGES + 3), st.integers(0, 30))
def test_ranges_are_what_the_model_says(specs: list[str], size: int) -> None:
    header = "bytes=" + ",".join(specs)
    expected = _model(header, size)
    try:
        found = parse(header, size)
    except UnsatisfiableRangeError:
        assert expected == "unsatisfiable"
        return
    assert expected == (None if found is None else [list(range(part.start, part.end)) for part in found])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "pages=1-2",
        "bytes=1-2;q=3",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 20_000, 2)),
        "bytes=" + "0-," * 100_000,
        "bytes=" + "9" * 100_000 + "-",
    ],
)
def test_what_is_no_sensible_range_is_ignored(header: str | None) -> None:
    assert parse(header, 1000) is None
