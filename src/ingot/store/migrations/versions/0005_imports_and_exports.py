"""Imports and exports of appliances, their logos, and the host names of their machines"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _record() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
    ]


def _key(table: str, column: str, target: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"), ondelete=ondelete)


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "appliance_import",
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=True),
        sa.Column("appliance_id", sa.Integer(), nullable=True),
        *(
            sa.Column(name, sa.Boolean(), nullable=False)
            for name in ("imported", "force", "reuse_bundles", "use_major")
        ),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("md5", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        *_record(),
        _key("appliance_import", "owner_id", "user_account", "CASCADE"),
        _key("appliance_import", "attempt_id", "attempt"),
        _key("appliance_import", "appliance_id", "appliance", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appliance_import")),
    )
    op.create_table(
        "appliance_export",
        sa.Column("appliance_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=True),
        sa.Column("output_format", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        *_record(),
        _key("appliance_export", "appliance_id", "appliance", "CASCADE"),
        _key("appliance_export", "attempt_id", "attempt"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appliance_export")),
    )
    for table, column in (
        ("appliance_import", "owner_id"),
        ("appliance_import", "appliance_id"),
        ("appliance_import", "sha256"),
        ("appliance_export", "appliance_id"),
        ("appliance_export", "sha256"),
    ):
        op.create_index(f"ix_{table}_{column}", table, [column])
    with op.batch_alter_table("appliance") as batch_op:
        batch_op.add_column(sa.Column("logo_name", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("logo_sha256", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("logo_size", sa.BigInteger(), nullable=True))
        batch_op.create_index("ix_appliance_logo_sha256", ["logo_sha256"])
    op.add_column("install_profile", sa.Column("hostname", sa.String(), nullable=True))


def downgrade() -> None:
    """Undo the migration."""
    op.drop_column("install_profile", "hostname")
    with op.batch_alter_table("appliance") as batch_op:
        batch_op.drop_index("ix_appliance_logo_sha256")
        for name in ("logo_size", "logo_sha256", "logo_name"):
            batch_op.drop_column(name)
    op.drop_table("appliance_export")
    op.drop_table("appliance_import")
