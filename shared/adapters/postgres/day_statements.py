"""What is said to PostgreSQL about days: statements whose names of tables and days are filled in."""

from sqlalchemy import text

# A table of another name is an operator's, whatever it looks like: a day that was detached, or put aside.
LEFTOVERS = text(r"""
SELECT to_date(right(relname, 8), 'YYYYMMDD') AS day FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND NOT relispartition
  AND relname ~ '^making_\d{8}$'
""")
# The index is asked for the next pair, again and again: as many descents as there are types, whatever the rows.
TYPES = """
WITH RECURSIVE kinds AS (
    (SELECT tenant, type FROM {name} ORDER BY tenant, type LIMIT 1)
    UNION ALL
    SELECT following.* FROM kinds, LATERAL (
        SELECT tenant, type FROM {name} WHERE (tenant, type) > (kinds.tenant, kinds.type) ORDER BY tenant, type LIMIT 1
    ) following
)
SELECT tenant, type FROM kinds
"""
# Of a day whose events lie in the default partition: those that are not copied yet, in the order of their keys.
COPY = """
INSERT INTO {name} SELECT * FROM events_default
WHERE received_day = '{day}' AND key > coalesce(
    (SELECT key FROM {name} WHERE received_day = '{day}' ORDER BY key DESC LIMIT 1),
    '00000000-0000-0000-0000-000000000000'
)
ORDER BY key LIMIT {limit}
"""
# What became of them meanwhile: removed or changed, or come behind the last one that was copied.
FORGET_COPIES = """
DELETE FROM {name} copy WHERE NOT EXISTS (
    SELECT FROM events_default stray
    WHERE stray.received_day = '{day}' AND stray.key = copy.key AND (stray.*) IS NOT DISTINCT FROM (copy.*)
)
"""
COPY_REST = """
INSERT INTO {name} SELECT * FROM events_default stray
WHERE received_day = '{day}' AND NOT EXISTS (SELECT FROM {name} copy WHERE copy.key = stray.key)
"""
COLUMNS = """
SELECT string_agg(format('%s %s', attname, atttypid), ',' ORDER BY attname) FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
"""
OF_TYPE = "FROM events WHERE received_day = '{day}' AND tenant = :tenant AND type = :type"
# Of the day, not of the table that was its place when somebody looked: an operator may have detached that.
REMOVE = f"""
DELETE FROM events WHERE received_day = '{{day}}' AND ctid = ANY(ARRAY(SELECT ctid {OF_TYPE} LIMIT :limit))
"""  # noqa: S608  # this module's own words
REMOVE_STRAYS = text("""
DELETE FROM events_default
WHERE ctid = ANY(ARRAY(SELECT ctid FROM events_default WHERE received_day < :before LIMIT :limit))
""")
# As the types above: a descent for each day that has counts.
COUNTED = text("""
WITH RECURSIVE counted AS (
    (SELECT minute FROM event_counts ORDER BY minute LIMIT 1)
    UNION ALL
    SELECT following.minute FROM counted, LATERAL (
        SELECT minute FROM event_counts
        WHERE minute >= (date_trunc('day', counted.minute AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC'
        ORDER BY minute LIMIT 1
    ) following
)
SELECT (minute AT TIME ZONE 'UTC')::date AS day FROM counted
""")
FORGET_COUNTS = """
DELETE FROM event_counts WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM event_counts WHERE minute >= :since AND minute < :until
      AND NOT EXISTS (SELECT FROM events WHERE received_day = '{day}') LIMIT :limit
))
"""
