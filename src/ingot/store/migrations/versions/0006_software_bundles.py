"""Software bundles with their artifacts, categories, imports and exports of bundles"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "category",
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_category_organisation_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["category.id"], name=op.f("fk_category_parent_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category")),
        sa.UniqueConstraint(
            "organisation_id",
            "type",
            "parent_id",
            "name",
            name=op.f("uq_category_organisation_id_type_parent_id_name"),
        ),
    )
    with op.batch_alter_table("category", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_category_parent_id"), ["parent_id"], unique=False)

    op.create_table(
        "bundle",
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("category_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=True),
        sa.Column("maintainer", sa.String(), nullable=False),
        sa.Column("website", sa.String(), nullable=True),
        sa.Column("tag", sa.String(), nullable=True),
        sa.Column("short_tag", sa.String(), nullable=True),
        sa.Column("default_install_location", sa.String(), nullable=True),
        sa.Column("restriction_rule", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("imported", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"], ["category.id"], name=op.f("fk_bundle_category_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user_account.id"], name=op.f("fk_bundle_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundle")),
        sa.UniqueConstraint("owner_id", "name", "version", name=op.f("uq_bundle_owner_id_name_version")),
    )
    with op.batch_alter_table("bundle", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bundle_category_id"), ["category_id"], unique=False)

    op.create_table(
        "appliance_bundle",
        sa.Column("appliance_id", sa.Integer(), nullable=False),
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("install_location", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["appliance_id"], ["appliance.id"], name=op.f("fk_appliance_bundle_appliance_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundle.id"], name=op.f("fk_appliance_bundle_bundle_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("appliance_id", "bundle_id", name=op.f("pk_appliance_bundle")),
    )
    with op.batch_alter_table("appliance_bundle", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_appliance_bundle_bundle_id"), ["bundle_id"], unique=False)

    op.create_table(
        "bundle_artifact",
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("is_directory", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(), nullable=True),
        sa.Column("install_location", sa.String(), nullable=True),
        sa.Column("rights", sa.String(), nullable=True),
        sa.Column("owner_group", sa.String(), nullable=True),
        sa.Column("symlink", sa.String(), nullable=True),
        sa.Column("extract", sa.Boolean(), nullable=False),
        sa.Column("install", sa.Boolean(), nullable=False),
        sa.Column("params", sa.String(), nullable=True),
        sa.Column("boot_type", sa.String(), nullable=True),
        sa.Column("boot_order", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("cached", sa.Boolean(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=True),
        sa.Column("file_name", sa.String(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("md5", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("uploaded", sa.DateTime(timezone=True), nullable=True),
        sa.Column("full_name", sa.String(), nullable=True),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("release", sa.String(), nullable=True),
        sa.Column("arch", sa.String(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_bundle_artifact_attempt_id")),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundle.id"], name=op.f("fk_bundle_artifact_bundle_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["bundle_artifact.id"], name=op.f("fk_bundle_artifact_parent_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundle_artifact")),
    )
    with op.batch_alter_table("bundle_artifact", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bundle_artifact_parent_id"), ["parent_id"], unique=False)
        batch_op.create_index("ix_bundle_artifact_place", ["bundle_id", "parent_id", "name"], unique=False)
        batch_op.create_index(batch_op.f("ix_bundle_artifact_sha256"), ["sha256"], unique=False)

    op.create_table(
        "bundle_document",
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("md5", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("uploaded", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundle.id"], name=op.f("fk_bundle_document_bundle_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundle_document")),
        sa.UniqueConstraint("bundle_id", "kind", name=op.f("uq_bundle_document_bundle_id_kind")),
    )
    with op.batch_alter_table("bundle_document", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bundle_document_sha256"), ["sha256"], unique=False)

    op.create_table(
        "bundle_export",
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=True),
        sa.Column("output_format", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_bundle_export_attempt_id")),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundle.id"], name=op.f("fk_bundle_export_bundle_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundle_export")),
    )
    with op.batch_alter_table("bundle_export", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bundle_export_bundle_id"), ["bundle_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_bundle_export_sha256"), ["sha256"], unique=False)

    op.create_table(
        "bundle_import",
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=True),
        sa.Column("bundle_id", sa.Integer(), nullable=True),
        sa.Column("imported", sa.Boolean(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("md5", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_bundle_import_attempt_id")),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundle.id"], name=op.f("fk_bundle_import_bundle_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user_account.id"], name=op.f("fk_bundle_import_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundle_import")),
    )
    with op.batch_alter_table("bundle_import", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bundle_import_bundle_id"), ["bundle_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_bundle_import_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_bundle_import_sha256"), ["sha256"], unique=False)
