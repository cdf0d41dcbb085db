"""The lists' filter language: FIQL, compiled to SQL conditions."""

import datetime as dt
import difflib
import functools
import operator
import re
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput
from sqlalchemy import ColumnElement, SQLColumnExpression, and_, or_
from sqlalchemy.types import BigInteger, Boolean, Integer

from ingot.services.errors import InvalidError
from ingot.store.base import UtcDateTime
from ingot.store.database import LARGEST_ID

_LONGEST = 4096
_DEEPEST = 32
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "=lt=": operator.lt,
    "=le=": operator.le,
    "=gt=": operator.gt,
    "=ge=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def condition(
    text: str, fields: Mapping[str, SQLColumnExpression[Any]], contains: frozenset[str] = frozenset()
) -> ColumnElement[bool]:
    """The SQL condition of a filter such as `name=='web*';revision=gt=3`.

    `fields` maps the names that a filter may use to columns; in those of `contains`, a bare value without a
    wildcard matches anywhere. Raises InvalidError that shows where the filter is wrong.
    """
    if len(text) > _LONGEST:
        raise InvalidError(f"The query has {len(text)} characters; at most {_LONGEST} are possible.")
    if text.count("(") > _DEEPEST:
        raise InvalidError(f"The query has more than {_DEEPEST} parentheses.")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        place = max(0, getattr(error, "pos_in_stream", None) or 0)
        rest = text[place : place + 30] or "its end"
        raise InvalidError(
            f"The query {text!r} cannot be read at {rest!r}. A query looks like name=='web*';version=='1.0'.",
            message_id="ERROR.QUERY.MALFORMED",
        ) from error
    return _compile(tree, fields, contains)


@functools.cache
def _parser() -> Lark:
    grammar = resources.files("ingot.api").joinpath("query.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="earley", lexer="dynamic")


def _compile(
    tree: Tree[Token] | Token, fields: Mapping[str, SQLColumnExpression[Any]], contains: frozenset[str]
) -> ColumnElement[bool]:
    assert isinstance(tree, Tree)  # noqa: S101 - the grammar has no bare tokens above comparisons
    if tree.data == "comparison":
        field, symbol, value = tree.children
        return _comparison(str(field), str(symbol), value, fields, contains)
    parts = [_compile(child, fields, contains) for child in tree.children]
    return and_(*parts) if tree.data == "conjunction" else or_(*parts)


def _comparison(
    field: str, symbol: str, value: Any, fields: Mapping[str, SQLColumnExpression[Any]], contains: frozenset[str]
) -> ColumnElement[bool]:
    column: Any = fields.get(field)
    if column is None:
        near = difflib.get_close_matches(field, fields, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"possible are {', '.join(sorted(fields))}."
        raise InvalidError(f"The query's field {field} is not known; {hint}", field, message_id="ERROR.QUERY.FIELD")
    is_quoted = value.data == "quoted"
    text = str(value.children[0])
    text = re.sub(r"\\(.)", r"\1", text[1:-1]) if is_quoted else text.strip()
    if isinstance(column.type, Integer | Boolean | UtcDateTime):
        return _COMPARE[symbol](column, _typed(field, column, text))  # type: ignore[no-any-return]
    if symbol in ("==", "!="):
        anywhere = field in contains and not is_quoted and "*" not in text
        pattern = f"*{text}*" if anywhere else text
        if "*" in pattern:
            like = re.sub(r"([%_/])", r"/\1", pattern).replace("*", "%")
            matched: ColumnElement[bool] = column.like(like, escape="/")
            return matched if symbol == "==" else ~matched
    return _COMPARE[symbol](column, text)  # type: ignore[no-any-return]


def _typed(field: str, column: Any, text: str) -> int | bool | dt.datetime:
    try:
        if isinstance(column.type, Boolean):
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if isinstance(column.type, Integer):
            largest = 2**63 - 1 if isinstance(column.type, BigInteger) else LARGEST_ID
            return max(-largest, min(largest, int(text)))
        value = dt.datetime.fromisoformat(text)
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value
    except (KeyError, ValueError):
        kind = {Boolean: "true or false", Integer: "a number"}.get(type(column.type), "a time")
        raise InvalidError(f"The query's value {text!r} for {field} is not {kind}.", field) from None
