"""Lists: filter, order and page in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, SQLColumnExpression, func, select
from sqlalchemy.orm import Session
from starlette.datastructures import QueryParams

from ingot.api.query import condition
from ingot.services.errors import InvalidError

#: What every list that can be filtered understands.
QUERY_PARAMETERS = ("count", "descending", "offset", "orderBy", "query")


@dataclass(frozen=True)
class Listing:
    """How a list can be asked for: the names that filters and orders may use, and its order otherwise."""

    fields: Mapping[str, SQLColumnExpression[Any]]
    order: Sequence[SQLColumnExpression[Any]]
    contains: frozenset[str] = frozenset()

    def page(self, session: Session, statement: Select[Any], query: QueryParams) -> tuple[list[Any], int]:
        """(The rows of the page that a query asks for, how many there are in all)."""
        if text := query.get("query"):
            statement = statement.where(condition(text, self.fields, self.contains))
        total = session.scalar(select(func.count()).select_from(statement.order_by(None).subquery())) or 0
        statement = statement.order_by(*self._order(query))
        offset, count = number(query, "offset"), number(query, "count")
        if offset:
            statement = statement.offset(offset)
        if count:
            statement = statement.limit(count)
        rows: list[Any] = list(session.scalars(statement).unique())
        return rows, total

    def _order(self, query: QueryParams) -> Sequence[SQLColumnExpression[Any]]:
        name = query.get("orderBy")
        if not name:
            return self.order
        column = self.fields.get(name)
        if column is None:
            raise InvalidError(f"There is no order by {name}; possible are {', '.join(sorted(self.fields))}.", name)
        return [column.desc() if flag(query, "descending") else column.asc(), *self.order]


def flag(query: QueryParams, name: str) -> bool:
    """A boolean parameter, as careless clients spell it."""
    return query.get(name, "").lower() in ("true", "1", "yes")


def number(query: QueryParams, name: str) -> int:
    """A parameter that is a number from 0 on, 0 when it is missing."""
    text = query.get(name, "0") or "0"
    if not text.isdecimal() or int(text) >= 2**31:
        raise InvalidError(f"{name}={text} is not possible: use a number from 0 on.", name)
    return int(text)
