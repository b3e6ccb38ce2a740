"""Straight to the writer, past its pooler: DDL and session locks pin a pooled connection."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from shared.kit.errors import Unavailable

_LOG = logging.getLogger(__name__)

_LOCK = 0x6D696C6C72616365  # "millrace" in ASCII: the advisory lock of whoever changes tables
_CONNECT_SECONDS = 5.0
_LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL, appendix A


@asynccontextmanager
async def connected(database_direct_url: str, *, application_name: str) -> AsyncIterator[AsyncConnection]:
    """A connection of one's own, gone after the block.

    Raises:
        Unavailable: the database does not answer.
    """
    engine = create_async_engine(
        database_direct_url.replace("postgresql://", "postgresql+asyncpg://", 1),
        poolclass=NullPool,
        connect_args={"timeout": _CONNECT_SECONDS, "server_settings": {"application_name": application_name}},
        hide_parameters=True,
    )
    try:
        async with engine.connect() as connection:
            yield connection
    except (OSError, TimeoutError) as error:
        raise Unavailable("The database does not answer.") from error
    finally:
        await engine.dispose()


@asynccontextmanager
async def alone(connection: AsyncConnection, *, wait_seconds: int) -> AsyncIterator[None]:
    """Nobody else changes tables inside the block: migrations and upkeep take turns.

    Raises:
        Unavailable: another one held the lock for `wait_seconds`.
    """
    try:
        await patience(connection, wait_seconds)
        await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
    except DBAPIError as error:
        if not is_locked(error):
            raise
        raise Unavailable(f"Another one has been changing tables for {wait_seconds} s.") from error
    await connection.commit()
    try:
        yield
    finally:
        await _let_go(connection)


async def patience(connection: AsyncConnection, seconds: float) -> None:
    """From now on wait no longer than `seconds` for a lock."""
    await connection.execute(text(f"SET lock_timeout = '{int(seconds * 1000)}ms'"))


def is_locked(error: DBAPIError) -> bool:
    """Whether `error` says that a lock was not given in time."""
    return getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE


async def _let_go(connection: AsyncConnection) -> None:
    try:
        await connection.rollback()
        await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
        await connection.commit()
    except (DBAPIError, OSError) as error:  # the connection is gone, and its lock with it
        _LOG.warning("database.unlock_failed %s", type(error).__name__)
