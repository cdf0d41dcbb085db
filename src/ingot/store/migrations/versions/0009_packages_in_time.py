"""Since when packages are known and which are the newest, milestones, distributions that users may not build"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _record() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
    ]


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE")


def upgrade() -> None:
    """Apply the migration."""
    with op.batch_alter_table("distribution") as batch_op:
        batch_op.add_column(sa.Column("packages_since", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("package") as batch_op:
        batch_op.add_column(sa.Column("suite", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("latest", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("package") as batch_op:
        batch_op.alter_column("suite", server_default=None)
        batch_op.alter_column("latest", server_default=None)
    op.create_index("ix_package_latest", "package", ["distribution_id", "latest", "name"])
    # The next refresh says which are the newest.
    op.execute("UPDATE distribution SET packages_refreshed = NULL")
    op.create_table(
        "milestone",
        sa.Column("distribution_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        *_record(),
        _reference("milestone", "distribution_id", "distribution"),
        _reference("milestone", "organisation_id", "organisation"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_milestone")),
    )
    op.create_index("ix_milestone_date", "milestone", ["distribution_id", "date"])
    op.create_table(
        "refused_distribution",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("distribution_id", sa.Integer(), nullable=False),
        *_record(),
        _reference("refused_distribution", "user_id", "user_account"),
        _reference("refused_distribution", "distribution_id", "distribution"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refused_distribution")),
        sa.UniqueConstraint(
            "user_id", "distribution_id", name=op.f("uq_refused_distribution_user_id_distribution_id")
        ),
    )


def downgrade() -> None:
    """Undo the migration."""
    for table in ("refused_distribution", "milestone"):
        op.drop_table(table)
    op.drop_index("ix_package_latest", "package")
    with op.batch_alter_table("package") as batch_op:
        batch_op.drop_column("latest")
        batch_op.drop_column("suite")
    with op.batch_alter_table("distribution") as batch_op:
        batch_op.drop_column("packages_since")
