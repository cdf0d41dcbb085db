"""Categories of an organisation: what software and templates are sorted into."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.build.template_rules import near
from ingot.messages.common import Category as CategoryMessage
from ingot.services.appliances import checked_text
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.tables import Category, Organisation

#: What bundles are sorted into, and what there is at the first start.
SOFTWARE = "PROJECT"
DEFAULTS = (
    "Application servers",
    "Content management",
    "Databases",
    "Development tools",
    "Monitoring",
    "Networking",
    "Security",
    "Storage",
    "Web servers",
    "Other",
)


def find(session: Session, organisation: Organisation, category_id: int) -> Category:
    """A category of an organisation."""
    row = session.get(Category, category_id)
    if row is None or row.organisation_id != organisation.id:
        raise NotFoundError(
            f"{organisation.name} has no category {category_id}.",
            str(category_id),
            message_id="ERROR.CATEGORY.NOT_FOUND",
        )
    return row


def named(session: Session, organisation: Organisation, message: CategoryMessage) -> Category | None:
    """The category that a message means, by its URI, its id or its name; None for an empty one."""
    number = (message.uri or "").rstrip("/").rpartition("/")[2]
    if number.isdecimal() and len(number) < 10:
        return find(session, organisation, int(number))
    if message.db_id is not None:
        return find(session, organisation, message.db_id)
    if not (message.name or "").strip():
        return None
    query = select(Category).where(Category.organisation_id == organisation.id, Category.type == SOFTWARE)
    known = {row.name.lower(): row for row in session.scalars(query.order_by(Category.id.desc()))}
    row = known.get((message.name or "").strip().lower())
    if row is None:
        hint = near(message.name or "", sorted(row.name for row in known.values())) if known else "there are none"
        raise InvalidError(
            f"There is no category {message.name}; {hint}.", message.name or "", message_id="ERROR.CATEGORY.UNKNOWN"
        )
    return row


def create(
    session: Session, organisation: Organisation, *, name: str | None, kind: str | None, parent: Category | None = None
) -> Category:
    """Create a category; below a `parent` it is of the parent's type."""
    checked = checked_text("name of the category", name)
    type_ = parent.type if parent is not None else kind or SOFTWARE
    _refuse_taken(session, organisation, checked, type_, parent.id if parent else None, None)
    row = Category(organisation=organisation, name=checked, type=type_, parent_id=parent.id if parent else None)
    session.add(row)
    session.flush()
    return row


def change(session: Session, row: Category, name: str | None) -> None:
    """Change a category's name."""
    if name is not None:
        checked = checked_text("name of the category", name)
        _refuse_taken(session, row.organisation, checked, row.type, row.parent_id, row.id)
        row.name = checked
        session.flush()


def remove(session: Session, rows: Iterable[Category]) -> None:
    """Remove categories with those below them; what was in them is in none then."""
    for row in list(rows):
        session.delete(row)
    session.flush()


def below(session: Session, row: Category) -> list[Category]:
    """The categories below one."""
    return list(session.scalars(select(Category).where(Category.parent_id == row.id).order_by(Category.name)))


def _refuse_taken(
    session: Session, organisation: Organisation, name: str, kind: str, parent_id: int | None, own_id: int | None
) -> None:
    query = select(Category.id).where(
        Category.organisation_id == organisation.id,
        Category.type == kind,
        Category.name == name,
        Category.parent_id.is_(None) if parent_id is None else Category.parent_id == parent_id,
    )
    taken = session.scalars(query).first()
    if taken is not None and taken != own_id:
        raise ConflictError(
            f"{organisation.name} already has a category {name}.", name, message_id="ERROR.CATEGORY.EXISTS"
        )
