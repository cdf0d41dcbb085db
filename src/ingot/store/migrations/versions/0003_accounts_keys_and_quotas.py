"""Cloud accounts and their platforms, API keys, SSH keys, quotas"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _record() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
    ]


def _owner(column: str, table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], ["user_account.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    """Apply the migration."""
    with op.batch_alter_table("user_account") as batch_op:
        batch_op.add_column(sa.Column("api_key_limit", sa.Integer(), nullable=False, server_default="10"))
    with op.batch_alter_table("user_account") as batch_op:
        batch_op.alter_column("api_key_limit", server_default=None)
    op.create_table(
        "target_platform",
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        *_record(),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_target_platform_organisation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_target_platform")),
        sa.UniqueConstraint("organisation_id", "name", name=op.f("uq_target_platform_organisation_id_name")),
    )
    op.create_table(
        "cloud_account",
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("target_platform_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        *_record(),
        _owner("owner_id", "cloud_account"),
        sa.ForeignKeyConstraint(
            ["target_platform_id"], ["target_platform.id"], name=op.f("fk_cloud_account_target_platform_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cloud_account")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_cloud_account_owner_id_name")),
    )
    op.create_table(
        "certificate",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("uploaded", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        *_record(),
        sa.ForeignKeyConstraint(
            ["account_id"], ["cloud_account.id"], name=op.f("fk_certificate_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate")),
    )
    op.create_index(op.f("ix_certificate_account_id"), "certificate", ["account_id"])
    op.create_table(
        "api_key",
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        *_record(),
        _owner("owner_id", "api_key"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("public_key", name=op.f("uq_api_key_public_key")),
    )
    op.create_index(op.f("ix_api_key_owner_id"), "api_key", ["owner_id"])
    op.create_table(
        "ssh_key",
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        *_record(),
        _owner("owner_id", "ssh_key"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssh_key")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_ssh_key_owner_id_name")),
    )
    op.create_table(
        "quota",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("limit", sa.BigInteger(), nullable=False),
        sa.Column("frequency", sa.String(), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.Column("period_began", sa.DateTime(timezone=True), nullable=True),
        *_record(),
        _owner("user_id", "quota"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quota")),
        sa.UniqueConstraint("user_id", "kind", name=op.f("uq_quota_user_id_kind")),
    )
    # What was generated so far counts: until now it was the images that there are.
    op.execute(
        'INSERT INTO quota (user_id, kind, "limit", frequency, counted, created, last_modified) '
        "SELECT owner_id, 'generation', -1, 'none', COUNT(*), CURRENT_TIMESTAMP, CURRENT_TIMESTAMP "
        "FROM image WHERE sha256 IS NOT NULL GROUP BY owner_id"
    )


def downgrade() -> None:
    """Undo the migration."""
    for table in ("quota", "ssh_key", "api_key", "certificate", "cloud_account", "target_platform"):
        op.drop_table(table)
    with op.batch_alter_table("user_account") as batch_op:
        batch_op.drop_column("api_key_limit")
