"""Lists: filter, order and page in the database."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Select, SQLColumnExpression, func, select
from sqlalchemy.orm import Session
from starlette.datastructures import QueryParams

from ingot.build.template import Time
from ingot.services.errors import InvalidError

#: What every list that can be filtered understands.
QUERY_PARAMETERS = ("count", "descending", "offset", "orderBy", "query")


@dataclass(frozen=True)
class Listing:
    """How a list can be asked for: the names that filters and orders may use, and its order otherwise.

    No answer has more than `most` rows, whatever is asked for: `offset` has the rest.
    """

    fields: Mapping[str, SQLColumnExpression[Any]]
    order: Sequence[SQLColumnExpression[Any]]
    contains: frozenset[str] = frozenset()
    most: int = 5000

    def page(self, session: Session, statement: Select[Any], query: QueryParams) -> tuple[list[Any], int]:
        """(The rows of the page that a query asks for, how many there are in all)."""
        statement = self._filtered(statement, query)
        return self._rows(session, statement, query), count(session, statement)

    def rows(self, session: Session, statement: Select[Any], query: QueryParams) -> list[Any]:
        """The rows of the page that a query asks for, where nobody wants to know how many there are in all."""
        return self._rows(session, self._filtered(statement, query), query)

    def _filtered(self, statement: Select[Any], query: QueryParams) -> Select[Any]:
        text = query.get("query")
        if not text:
            return statement
        from ingot.api.query import condition  # noqa: PLC0415 - few filter, and the parser takes a megabyte

        return statement.where(condition(text, self.fields, self.contains))

    def _rows(self, session: Session, statement: Select[Any], query: QueryParams) -> list[Any]:
        statement = statement.order_by(*self._order(query))
        offset, count = number(query, "offset"), number(query, "count")
        if offset:
            statement = statement.offset(offset)
        return list(session.scalars(statement.limit(min(count or self.most, self.most))).unique())

    def _order(self, query: QueryParams) -> Sequence[SQLColumnExpression[Any]]:
        name = query.get("orderBy")
        if not name:
            return self.order
        column = self.fields.get(name)
        if column is None:
            raise InvalidError(f"There is no order by {name}; possible are {', '.join(sorted(self.fields))}.", name)
        return [column.desc() if flag(query, "descending") else column.asc(), *self.order]


def count(session: Session, statement: Select[Any]) -> int:
    """How many rows a statement has in all."""
    return session.scalar(select(func.count()).select_from(statement.order_by(None).subquery())) or 0


def flag(query: QueryParams, name: str) -> bool:
    """A boolean parameter, as careless clients spell it."""
    return query.get(name, "").lower() in ("true", "1", "yes")


_TIME: TypeAdapter[dt.datetime] = TypeAdapter(Time)


def moment(query: QueryParams, name: str) -> dt.datetime | None:
    """A parameter that is a time, as template files write them, or in milliseconds since 1970."""
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        if text.isdecimal() and len(text) > 8:
            return dt.datetime.fromtimestamp(int(text) / 1000, dt.UTC)
        # A plus sign that was not escaped arrives as a space.
        return _TIME.validate_python(re.sub(r" (\d\d:?\d\d)$", r"+\1", text))
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidError(f"{name}={text[:80]} is no time: use one such as 2026-03-05T12:00:00Z.", name) from error


def number(query: QueryParams, name: str) -> int:
    """A parameter that is a number from 0 on, 0 when it is missing."""
    text = query.get(name, "0") or "0"
    if not text.isdecimal() or int(text) >= 2**31:
        raise InvalidError(f"{name}={text} is not possible: use a number from 0 on.", name)
    return int(text)
