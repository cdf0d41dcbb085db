"""Categories of an organisation: everybody reads them, administrators keep them."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.api.listing import QUERY_PARAMETERS, Listing
from ingot.api.operation import Call, Chapter
from ingot.api.representations import software as representations
from ingot.messages.base import Message
from ingot.messages.common import Categories, Category
from ingot.services import categories
from ingot.services.errors import NotFoundError
from ingot.store import tables

_chapter = Chapter("categories")
CHAPTERS = (_chapter,)
_WRITE = ("categories_administrate",)
_ALL = "/orgs/{oid}/categories"
_ONE = f"{_ALL}/{{cid}}"

_CATEGORIES = Listing(
    fields={
        "name": tables.Category.name,
        "dbId": tables.Category.id,
        "type": tables.Category.type,
        "created": tables.Category.created,
    },
    order=(tables.Category.name, tables.Category.id),
)


def _organisation(session: Session, call: Call) -> tables.Organisation:
    """The organisation in the path; of a user who is logged in it has to be the own one."""
    row = session.get(tables.Organisation, call.number("oid"))
    if row is None or (call.login is not None and row.id != call.user.organisation_id):
        raise NotFoundError(f"There is no organisation {call.number('oid')}.", message_id="ERROR.ORG.NOT_FOUND")
    return row


def _category(call: Call) -> tables.Category:
    return categories.find(call.session, _organisation(call.session, call), call.number("cid"))


@contextmanager
def _reading(call: Call) -> Iterator[tuple[Session, tables.Organisation]]:
    """A transaction for who need not log in."""
    with call.server.database.transaction(read_only=True) as session:
        yield session, _organisation(session, call)


@_chapter.operation("category_getAll", "GET", _ALL, answer=Categories, query=QUERY_PARAMETERS, authenticated=False)
def get_all(call: Call) -> Message:
    """The categories of an organisation, by name."""
    with _reading(call) as (session, organisation):
        statement = select(tables.Category).where(tables.Category.organisation_id == organisation.id)
        rows, total = _CATEGORIES.page(session, statement, call.query)
        return Categories(total=total, categories=[representations.category(row) for row in rows])


@_chapter.operation("category_get", "GET", _ONE, answer=Category, authenticated=False)
def get(call: Call) -> Message:
    """A category with those below it."""
    with _reading(call) as (session, organisation):
        row = categories.find(session, organisation, call.number("cid"))
        below = [representations.category(child) for child in categories.below(session, row)]
        return representations.category(row, below)


@_chapter.operation("category_create", "POST", _ALL, entitlements=_WRITE, body=Category, answer=Category, status=201)
def create(call: Call) -> Message:
    """Create a category; without a type it is one for software."""
    organisation, message = _organisation(call.session, call), call.body(Category)
    return representations.category(
        categories.create(call.session, organisation, name=message.name, kind=message.type)
    )


@_chapter.operation(
    "categoryChild_create", "POST", f"{_ONE}/subcategories", entitlements=_WRITE, body=Category, answer=Category,
    status=201,
)  # fmt: skip
def create_child(call: Call) -> Message:
    """Create a category below another one, of whose type it is."""
    parent, message = _category(call), call.body(Category)
    row = categories.create(call.session, parent.organisation, name=message.name, kind=None, parent=parent)
    return representations.category(row)


@_chapter.operation("category_update", "PUT", _ONE, entitlements=_WRITE, body=Category, answer=Category)
def update(call: Call) -> Message:
    """Change a category's name."""
    row = _category(call)
    categories.change(call.session, row, call.body(Category).name)
    return representations.category(row)


@_chapter.operation("category_delete", "DELETE", _ONE, entitlements=_WRITE, status=204)
def delete(call: Call) -> None:
    """Delete a category with those below it; what was in them is in none then."""
    categories.remove(call.session, [_category(call)])


@_chapter.operation("category_deleteAll", "DELETE", _ALL, entitlements=_WRITE, status=204, query=("id",))
def delete_all(call: Call) -> None:
    """Delete the categories of these ids, or all of an organisation."""
    organisation = _organisation(call.session, call)
    statement = select(tables.Category).where(tables.Category.organisation_id == organisation.id)
    if wanted := call.query.getlist("id"):
        numbers = [int(text) for text in wanted if text.isdecimal() and len(text) < 10]
        statement = statement.where(tables.Category.id.in_(numbers))
    categories.remove(call.session, call.session.scalars(statement))
