"""Dead letters, and every edit of one.

Revision: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE dead_letters (
            id           uuid        NOT NULL PRIMARY KEY,
            tenant       text,
            topic        text        NOT NULL,
            "partition"  integer     NOT NULL,
            "offset"     bigint      NOT NULL,
            timestamp_ms bigint      NOT NULL,
            key          bytea,
            value        bytea,
            code         text        NOT NULL,
            reason       text        NOT NULL,
            attempts     integer     NOT NULL,
            traceparent  text,
            dead_at      timestamptz NOT NULL,
            buried_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
            event_id     text,
            source       text,
            type         text,
            subject      text,
            received_at  timestamptz,
            edits        integer     NOT NULL DEFAULT 0,
            state        text        NOT NULL DEFAULT 'dead' CHECK (state IN ('dead', 'redriven', 'discarded')),
            settled_at   timestamptz,
            settled_by   uuid
        )
    """)
    op.execute("CREATE INDEX dead_letters_tenant_dead_at_id ON dead_letters (tenant, dead_at, id)")
    # PostgreSQL does not see that rows of one index with `tenant IS NULL` are in the order of what follows.
    op.execute("CREATE INDEX dead_letters_orphans_dead_at_id ON dead_letters (dead_at, id) WHERE tenant IS NULL")
    op.execute("CREATE INDEX dead_letters_tenant_event_id ON dead_letters (tenant, event_id) WHERE state = 'dead'")
    # `before` is the subject that the letter had until then: what is looked for by a subject is found by all it had.
    op.execute("""
        CREATE TABLE dead_letter_edits (
            letter uuid        NOT NULL REFERENCES dead_letters ON DELETE CASCADE,
            number integer     NOT NULL,
            at     timestamptz NOT NULL,
            by     text        NOT NULL,
            why    text        NOT NULL,
            value  bytea       NOT NULL,
            before text,
            PRIMARY KEY (letter, number)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE dead_letter_edits")
    op.execute("DROP TABLE dead_letters")
