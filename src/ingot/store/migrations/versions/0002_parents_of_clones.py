"""Parents of cloned appliances; on PostgreSQL, images refer to attempts that exist"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    with op.batch_alter_table("appliance") as batch_op:
        batch_op.add_column(sa.Column("parent_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key("fk_appliance_parent_id", "appliance", ["parent_id"], ["id"], ondelete="SET NULL")
        batch_op.create_index("ix_appliance_parent_id", ["parent_id"])
    if op.get_bind().dialect.name != "sqlite":  # SQLite has it since the first tables
        op.create_foreign_key("fk_image_attempt_id", "image", "attempt", ["attempt_id"], ["id"])


def downgrade() -> None:
    """Undo the migration."""
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint("fk_image_attempt_id", "image", type_="foreignkey")
    with op.batch_alter_table("appliance") as batch_op:
        batch_op.drop_index("ix_appliance_parent_id")
        batch_op.drop_constraint("fk_appliance_parent_id", type_="foreignkey")
        batch_op.drop_column("parent_id")
