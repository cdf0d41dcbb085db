"""Options and files of images, target formats and platforms with logos, links and access"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _add_logo(table: str, *infos: str) -> None:
    with op.batch_alter_table(table) as batch_op:
        for name in (*infos, "logo_name", "logo_sha256"):
            batch_op.add_column(sa.Column(name, sa.String(), nullable=True))
        batch_op.add_column(sa.Column("logo_size", sa.BigInteger(), nullable=True))
        batch_op.create_index(f"ix_{table}_logo_sha256", ["logo_sha256"])


def _remove_logo(table: str, *infos: str) -> None:
    with op.batch_alter_table(table) as batch_op:
        batch_op.drop_index(f"ix_{table}_logo_sha256")
        for name in ("logo_size", "logo_sha256", "logo_name", *infos):
            batch_op.drop_column(name)


def _pair(table: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    op.create_table(
        table,
        sa.Column(one[0], sa.Integer(), nullable=False),
        sa.Column(other[0], sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint([one[0]], [f"{one[1]}.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint([other[0]], [f"{other[1]}.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(one[0], other[0]),
    )
    op.create_index(f"ix_{table}_{other[0]}", table, [other[0]])


def upgrade() -> None:
    """Apply the migration."""
    with op.batch_alter_table("image") as batch_op:
        batch_op.add_column(sa.Column("options", sa.JSON(), nullable=False, server_default="{}"))
        batch_op.add_column(sa.Column("ebs_volume_size", sa.Integer(), nullable=True))
    op.create_table(
        "image_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("image_id", "name"),
    )
    op.create_index("ix_image_file_sha256", "image_file", ["sha256"])
    _add_logo("target_format", "account_infos", "image_infos", "publish_infos")
    _add_logo("target_platform", "account_infos")
    formats, platforms = ("target_format_id", "target_format"), ("target_platform_id", "target_platform")
    users = ("user_id", "user_account")
    _pair("target_format_platform", formats, platforms)
    _pair("target_format_denial", users, formats)
    _pair("target_platform_denial", users, platforms)
    op.execute(
        "INSERT INTO target_format_platform (target_format_id, target_platform_id) "
        "SELECT f.id, p.id FROM target_format f JOIN target_platform p "
        "ON p.organisation_id = f.organisation_id AND p.type = f.account_type"
    )


def downgrade() -> None:
    """Undo the migration."""
    for table in ("target_platform_denial", "target_format_denial", "target_format_platform", "image_file"):
        op.drop_table(table)
    _remove_logo("target_platform", "account_infos")
    _remove_logo("target_format", "account_infos", "image_infos", "publish_infos")
    with op.batch_alter_table("image") as batch_op:
        batch_op.drop_column("ebs_volume_size")
        batch_op.drop_column("options")
