"""When an event was spooled, for its timeline.

Revision: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE events ADD COLUMN spooled_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE events DROP COLUMN spooled_at")
