"""How many events of each type were stored, by the minute of their received time.

Revision: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # One row a partition of the log, which one consumer writes at a time: batches never wait for one another's row.
    op.execute("""
        CREATE TABLE event_counts (
            minute      timestamptz NOT NULL,
            tenant      text        NOT NULL,
            type        text        NOT NULL,
            "partition" integer     NOT NULL,
            events      bigint      NOT NULL,
            PRIMARY KEY (minute, tenant, type, "partition")
        )
    """)
    op.execute("ALTER TABLE events ADD COLUMN redriven_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE events DROP COLUMN redriven_at")
    op.execute("DROP TABLE event_counts")
