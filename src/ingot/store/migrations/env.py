"""Alembic's entry: migrations run on the connection that `Database.migrate` holds."""

from alembic import context

from ingot.store.base import Base
from ingot.store.tables import Appliance  # noqa: F401 - makes every table known

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
