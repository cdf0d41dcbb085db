"""Publications of images, and machines that were started from them"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
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
        "publication",
        sa.Column("owner_id", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=True)
            for name in ("appliance_id", "image_id", "account_id", "attempt_id")
        ),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("journal", sa.LargeBinary(), nullable=True),
        sa.Column("bytes_done", sa.BigInteger(), nullable=False),
        sa.Column("bytes_total", sa.BigInteger(), nullable=False),
        sa.Column("cloud_id", sa.String(), nullable=True),
        sa.Column("location", sa.String(), nullable=True),
        sa.Column("deleted", sa.DateTime(timezone=True), nullable=True),
        *_record(),
        _key("publication", "owner_id", "user_account", "CASCADE"),
        _key("publication", "appliance_id", "appliance", "SET NULL"),
        _key("publication", "image_id", "image", "SET NULL"),
        _key("publication", "account_id", "cloud_account", "SET NULL"),
        _key("publication", "attempt_id", "attempt"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publication")),
    )
    op.create_index("ix_publication_owner_id_deleted", "publication", ["owner_id", "deleted"])
    op.create_table(
        "deployment",
        sa.Column("owner_id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=True) for name in ("publication_id", "account_id", "attempt_id")),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("application_id", "name", "kind")),
        sa.Column("details", sa.JSON(), nullable=False),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("source_name", "source_version", "source_uri", "publication_kind", "cloud_id")
        ),
        sa.Column("publication_details", sa.JSON(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("machine_id", sa.String(), nullable=True),
        sa.Column("hostname", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        *_record(),
        _key("deployment", "owner_id", "user_account", "CASCADE"),
        _key("deployment", "publication_id", "publication", "SET NULL"),
        _key("deployment", "account_id", "cloud_account", "SET NULL"),
        _key("deployment", "attempt_id", "attempt"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployment")),
        sa.UniqueConstraint("application_id", name=op.f("uq_deployment_application_id")),
    )
    for table, columns in (
        ("publication", ("appliance_id", "image_id", "account_id")),
        ("deployment", ("owner_id", "publication_id", "account_id")),
    ):
        for column in columns:
            op.create_index(f"ix_{table}_{column}", table, [column])
    with op.batch_alter_table("cloud_account") as batch_op:
        batch_op.alter_column("target_platform_id", existing_type=sa.Integer(), nullable=True)


def downgrade() -> None:
    """Undo the migration."""
    op.execute("DELETE FROM cloud_account WHERE target_platform_id IS NULL")
    with op.batch_alter_table("cloud_account") as batch_op:
        batch_op.alter_column("target_platform_id", existing_type=sa.Integer(), nullable=False)
    op.drop_table("deployment")
    op.drop_table("publication")
