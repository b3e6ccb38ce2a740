"""Work that outlives one Lambda, and which subjects were erased.

Revision: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # json, not jsonb: what was asked is shown as it was asked.
    op.execute("""
        CREATE TABLE jobs (
            id          uuid        NOT NULL PRIMARY KEY,
            tenant      text        NOT NULL,
            kind        text        NOT NULL,
            state       text        NOT NULL,
            spec        json        NOT NULL,
            progress    json        NOT NULL,
            created_at  timestamptz NOT NULL,
            created_by  text        NOT NULL,
            changed_at  timestamptz NOT NULL,
            lease       uuid,
            lease_until timestamptz,
            due_at      timestamptz NOT NULL,
            stalls      integer     NOT NULL DEFAULT 0
        )
    """)
    op.execute("CREATE INDEX jobs_tenant_id ON jobs (tenant, id)")
    op.execute("""
        CREATE TABLE erasures (
            tenant    text        NOT NULL,
            subject   text        NOT NULL,
            asked_at  timestamptz NOT NULL,
            job       uuid        NOT NULL,
            PRIMARY KEY (tenant, subject)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE erasures")
    op.execute("DROP TABLE jobs")
