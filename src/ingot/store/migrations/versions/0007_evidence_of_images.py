"""Evidence of images, boot tests, how long stages take"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    with op.batch_alter_table("image") as batch_op:
        batch_op.add_column(sa.Column("boot_test", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("image") as batch_op:
        batch_op.alter_column("boot_test", server_default=None)
    op.create_table(
        "image_evidence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["image.id"], name=op.f("fk_image_evidence_image_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image_evidence")),
        sa.UniqueConstraint("image_id", "name", name=op.f("uq_image_evidence_image_id_name")),
    )
    op.create_index(op.f("ix_image_evidence_image_id"), "image_evidence", ["image_id"])
    op.create_index(op.f("ix_image_evidence_sha256"), "image_evidence", ["sha256"])
    op.create_table(
        "stage_timing",
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("stage", name=op.f("pk_stage_timing")),
    )


def downgrade() -> None:
    """Undo the migration."""
    for table in ("stage_timing", "image_evidence"):
        op.drop_table(table)
    with op.batch_alter_table("image") as batch_op:
        batch_op.drop_column("boot_test")
