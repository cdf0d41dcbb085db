"""Recipes of images"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    op.add_column("image", sa.Column("recipe", sa.String(), nullable=True))
    op.add_column("image", sa.Column("lists", sa.JSON(none_as_null=True), nullable=True))
    op.create_index(op.f("ix_image_recipe"), "image", ["recipe"])


def downgrade() -> None:
    """Undo the migration."""
    op.drop_index(op.f("ix_image_recipe"), "image")
    with op.batch_alter_table("image") as table:
        table.drop_column("lists")
        table.drop_column("recipe")
