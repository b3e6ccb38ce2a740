"""The events table, one partition a day of the received time.

Revision: 0001
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE events (
            received_day    date        NOT NULL,
            key             uuid        NOT NULL,
            tenant          text        NOT NULL,
            principal       text        NOT NULL,
            id              text        NOT NULL,
            source          text        NOT NULL,
            type            text        NOT NULL,
            partition_key   text        NOT NULL,
            received_at     timestamptz NOT NULL,
            subject         text,
            "time"          timestamptz,
            datacontenttype text,
            dataschema      text,
            data            jsonb,
            data_base64     text,
            extensions      jsonb       NOT NULL,
            traceparent     text,
            "partition"     integer     NOT NULL,
            "offset"        bigint      NOT NULL,
            stored_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (received_day, key)
        ) PARTITION BY RANGE (received_day)
    """)
    op.execute("CREATE INDEX events_tenant_type_received_at_key ON events (tenant, type, received_at, key)")
    op.execute("CREATE INDEX events_tenant_received_at_key ON events (tenant, received_at, key)")
    op.execute("CREATE INDEX events_tenant_id ON events (tenant, id)")
    # A day whose partition is missing must not lose an event: it waits here until its partition is made.
    op.execute("CREATE TABLE events_default PARTITION OF events DEFAULT")


def downgrade() -> None:
    op.execute("DROP TABLE events")
