"""The filter language, compiled to SQL, against a reference that evaluates the same filters in Python."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Boolean, Column, Engine, Integer, MetaData, String, Table, create_engine, insert, select

from ingot.api.query import condition
from ingot.services.errors import InvalidError

_TABLE = Table(
    "row",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("count", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
)
_FIELDS: dict[str, Any] = {
    "name": _TABLE.c.name,
    "target.count": _TABLE.c.count,
    "active": _TABLE.c.active,
}
_NAMES = ["nginx", "nginx-doc", "apt", "a b", "it's", 'say "x"', "100%", "under_score", "semi;colon", "(paren)", "ünï"]
_ROWS = [
    {"id": number, "name": name, "count": number % 4, "active": number % 2 == 0} for number, name in enumerate(_NAMES)
]


@dataclass(frozen=True)
class _Filter:
    text: str
    holds: Callable[[dict[str, Any]], bool]


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _matches(pattern: str) -> Callable[[str], bool]:
    body = pattern.strip("*").lower()
    starts, ends = pattern.startswith("*"), pattern.endswith("*")
    return {
        (True, True): lambda text: body in text.lower(),
        (True, False): lambda text: text.lower().endswith(body),
        (False, True): lambda text: text.lower().startswith(body),
        (False, False): lambda text: text == pattern,
    }[starts, ends]


@st.composite
def _comparison(draw: st.DrawFn) -> _Filter:
    kind = draw(st.sampled_from(["name", "pattern", "count", "active"]))
    if kind == "active":
        wanted = draw(st.booleans())
        return _Filter(f"active=={str(wanted).lower()}", lambda row: row["active"] == wanted)
    if kind == "count":
        number = draw(st.integers(-1, 4))
        symbol, compare = draw(
            st.sampled_from(
                [("==", operator.eq), ("!=", operator.ne), ("=lt=", operator.lt), ("=le=", operator.le),
                 ("=gt=", operator.gt), ("=ge=", operator.ge)]
            )
        )  # fmt: skip
        return _Filter(f"target.count{symbol}{number}", lambda row: bool(compare(row["count"], number)))
    name = draw(st.sampled_from(_NAMES))
    if kind == "pattern":
        part = name[: draw(st.integers(1, 3))]
        pattern = draw(st.sampled_from([f"{part}*", f"*{part}*", f"*{part}"]))
        is_match = _matches(pattern)
        return _Filter(f"name=={_quote(pattern)}", lambda row: is_match(row["name"]))
    negated = draw(st.booleans())
    symbol = "!=" if negated else "=="
    return _Filter(f"name{symbol}{_quote(name)}", lambda row: (row["name"] == name) != negated)


def _combined(parts: st.SearchStrategy[_Filter]) -> st.SearchStrategy[_Filter]:
    def join(pair: tuple[list[_Filter], bool]) -> _Filter:
        filters, both = pair
        text = (";" if both else ",").join(one.text for one in filters)
        every = all if both else any
        return _Filter(f"({text})", lambda row: every(one.holds(row) for one in filters))

    return st.tuples(st.lists(parts, min_size=1, max_size=3), st.booleans()).map(join)


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = create_engine("sqlite://")
    _TABLE.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(_TABLE), _ROWS)
    return engine


def _find(engine: Engine, text: str, contains: frozenset[str] = frozenset()) -> list[int]:
    with engine.connect() as connection:
        statement = select(_TABLE.c.id).where(condition(text, _FIELDS, contains)).order_by(_TABLE.c.id)
        return list(connection.scalars(statement))


@settings(max_examples=150, deadline=None)
@given(wanted=st.recursive(_comparison(), _combined, max_leaves=6))
def test_a_filter_finds_what_the_reference_finds(engine: Engine, wanted: _Filter) -> None:
    assert _find(engine, wanted.text) == [row["id"] for row in _ROWS if wanted.holds(row)]


def test_and_binds_tighter_than_or(engine: Engine) -> None:
    assert _find(engine, "name=='apt',name==nginx*;active==true") == [0, 2]


def test_a_bare_name_matches_anywhere_where_it_should(engine: Engine) -> None:
    names = frozenset({"name"})
    assert _find(engine, "name==ginx", names) == [0, 1]
    assert _find(engine, "name=='ginx'", names) == []
    assert _find(engine, "name==ginx") == []


def test_wildcards_of_sql_mean_themselves(engine: Engine) -> None:
    assert _find(engine, "name==*0%") == [6]
    assert _find(engine, "name==*r_s*") == [7]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read at 'its end'"),
        ("name", "cannot be read"),
        ("name==", "cannot be read"),
        ("name=='x", "cannot be read"),
        ("(name==x", "cannot be read"),
        ("name==x)", "cannot be read"),
        ("name=x", "cannot be read"),
        ("nmae==x", "did you mean name"),
        ("target.count==many", "is not a number"),
        ("active==perhaps", "true or false"),
        ("(" * 40 + "name==x" + ")" * 40, "parentheses"),
        ("name==" + "x" * 5000, "at most"),
    ],
)
def test_what_is_no_filter_says_why(text: str, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        condition(text, _FIELDS)
