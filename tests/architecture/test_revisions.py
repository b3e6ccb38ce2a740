"""Expand and contract: no revision takes away what the version before it reads, or locks it out."""

import pytest

from tests.architecture.revisions import FOLDER, REVISIONS, Revision, faults, revision_of

ORDER = [revision.number for revision in REVISIONS]


def revision(sql: str, contracts: dict[str, str] | None = None) -> Revision:
    """One after "0003" that executes `sql`."""
    return revision_of(f"""
revision = "0004"
down_revision = "0003"
CONTRACTS = {contracts or {}!r}

def upgrade():
    op.execute({sql!r})

def downgrade():
    op.execute("DROP TABLE everything")
""")


def found(sql: str, contracts: dict[str, str] | None = None) -> list[str]:
    return faults(revision(sql, contracts), ["0001", "0002", "0003", "0004"])


def test_the_revisions_are_one_chain_in_the_order_of_their_names() -> None:
    assert sorted(ORDER) == ORDER
    assert [path.name[:4] for path in sorted(FOLDER.glob("[0-9]*.py"))] == ORDER


@pytest.mark.parametrize("each", REVISIONS, ids=ORDER)
def test_a_revision_expands(each: Revision) -> None:
    assert each.sql, "nothing was found to look at"
    assert faults(each, ORDER) == []


@pytest.mark.parametrize(
    ("sql", "taken"),
    [
        ("DROP TABLE IF EXISTS event_counts", "event_counts"),
        ("drop index concurrently events_tenant_id", "events_tenant_id"),
        ("TRUNCATE jobs", "jobs"),
        ("ALTER TABLE events DROP COLUMN subject", "events.subject"),
        ("ALTER TABLE ONLY events ADD COLUMN a text, DROP COLUMN IF EXISTS subject", "events.subject"),
        ("ALTER TABLE events RENAME TO happenings", "events"),
        ('ALTER TABLE events RENAME "time" TO at', "events.time"),
        ("ALTER TABLE events RENAME COLUMN id TO name", "events.id"),
        ("ALTER TABLE events ALTER COLUMN id TYPE uuid USING id::uuid", "events.id"),
        ('ALTER TABLE events ALTER "offset" SET DATA TYPE int', "events.offset"),
        ("ALTER TABLE events ALTER COLUMN data SET NOT NULL", "events.data"),
        ("ALTER TABLE events ADD COLUMN needed text NOT NULL", "events.needed"),
    ],
)
def test_what_the_version_before_may_read_cannot_be_taken_away(sql: str, taken: str) -> None:
    assert found(sql) == [f"takes away {taken}, which the version before may read"]
    assert found(sql, {taken: "0002"}) == []
    assert found(sql, {taken: "0003"}) == [f"takes away {taken} before a version was deployed that does not read it"]
    assert found(sql, {taken: "0009"}) != []


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE events ADD COLUMN spooled_at timestamptz",
        "ALTER TABLE events ADD COLUMN attempts int NOT NULL DEFAULT 0",
        "CREATE TABLE dropped (renamed text, PRIMARY KEY (renamed))",
        "CREATE TABLE t (a int); CREATE INDEX t_a ON t (a)",
        "CREATE INDEX CONCURRENTLY events_20260304_a ON events_20260304 (a)",
        "CREATE INDEX events_a ON ONLY events (a)",
        "SELECT 1 -- DROP TABLE events",
    ],
)
def test_what_is_added_hurts_nobody(sql: str) -> None:
    assert found(sql) == []


def test_an_index_on_a_table_that_is_written_to_is_not_built_under_its_lock() -> None:
    assert "locks writers out" in found("CREATE UNIQUE INDEX events_a ON events (a)")[0]


def test_a_permission_that_is_not_used_is_a_fault() -> None:
    assert found("SELECT 1", {"events.subject": "0001"}) == ["CONTRACTS names events.subject, which stays"]


def test_only_sql_is_looked_at_so_only_sql_is_written() -> None:
    source = 'revision = "2"\ndown_revision = "1"\n\ndef upgrade():\n    op.drop_column("events", "subject")\n'
    assert faults(revision_of(source), ["1", "2"]) == ["op.drop_column: write it as SQL, which is looked at"]
