"""Bringing the schema up to date. Straight to the writer: DDL and advisory locks pin a pooled connection."""

from datetime import date, timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.kit.errors import Unavailable

_LOCK = 0x6D696C6C72616365  # "millrace" in ASCII: the advisory lock that serialises migrations
_LOCK_SECONDS = 60
_CONNECT_SECONDS = 5.0
_DAYS_BEHIND = 1  # events accepted before midnight and stored after it
_DAYS_AHEAD = 7


async def migrate(database_direct_url: str, *, today: date) -> str:
    """Upgrade to the newest revision, make the partitions around `today`, and name the revision.

    Two at once run one after the other. A revision that fails is rolled back, and the schema stays as it was.

    Raises:
        Unavailable: the database does not answer, or another migration held the lock for 60 s.
        DBAPIError: a revision failed.
    """
    url = database_direct_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    arguments = {"timeout": _CONNECT_SECONDS, "server_settings": {"application_name": "migrate"}}
    engine = create_async_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_upgrade, today)
    except (OSError, TimeoutError) as error:
        raise Unavailable("The database does not answer.") from error
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, today: date) -> str:
    connection.execute(text(f"SET lock_timeout = '{_LOCK_SECONDS}s'"))
    try:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
    except DBAPIError as error:
        raise Unavailable(f"Another migration has been running for {_LOCK_SECONDS} s.") from error
    connection.commit()
    try:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        _make_partitions(connection, today)
        revision: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.commit()
        return revision
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
        connection.commit()


def _make_partitions(connection: Connection, today: date) -> None:
    # A day that the default partition already holds events of stays there: PostgreSQL would refuse its own partition.
    kept = set(connection.execute(text("SELECT DISTINCT received_day FROM events_default")).scalars())
    days = [today + timedelta(days=distance) for distance in range(-_DAYS_BEHIND, _DAYS_AHEAD + 1)]
    for day in days:
        if day in kept:
            continue
        name = f"events_{day:%Y%m%d}"
        following = day + timedelta(days=1)
        connection.execute(
            text(f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF events FOR VALUES FROM ('{day}') TO ('{following}')")
        )
