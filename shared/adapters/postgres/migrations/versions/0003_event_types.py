"""Event types, every version of each.

Revision: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # json, not jsonb: a schema is given back as it was written.
    op.execute("""
        CREATE TABLE event_types (
            tenant         text        NOT NULL,
            type           text        NOT NULL,
            version        integer     NOT NULL CHECK (version > 0),
            schema         json        NOT NULL,
            mode           text        NOT NULL,
            compatibility  text        NOT NULL,
            key_path       text,
            retention_days integer     NOT NULL,
            dedup_window   integer     NOT NULL,
            created_at     timestamptz NOT NULL,
            created_by     text        NOT NULL,
            PRIMARY KEY (tenant, type, version)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE event_types")
