"""Straight to the writer, past its pooler: DDL and session locks pin a pooled connection."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from shared.kit.errors import Unavailable

_LOG = logging.getLogger(__name__)

_LOCK = 0x6D696C6C72616365  # "millrace" in ASCII: the advisory lock of whoever changes tables
_CONNECT_SECONDS = 5.0
# PostgreSQL, appendix A: lock_not_available, deadlock_detected, query_canceled.
_LOCK_NOT_AVAILABLE, _DEADLOCK, _CANCELED = "55P03", "40P01", "57014"
# Who holds a lock here may be stopped, frozen or cut off at any moment. The server ends such a session by itself, so
# that nobody waits for one that does not come back: one that keeps a transaction open, one that keeps nothing but the
# advisory lock, and one whose machine or network is gone.
_ENDED = {
    "idle_in_transaction_session_timeout": "5s",
    "idle_session_timeout": "30s",
    "client_connection_check_interval": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


class _Abrupt(asyncpg.Connection):
    """A connection that SQLAlchemy, when it gives one up, does not wait 2 s for: what is given up is silent mostly."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  # asyncpg's own signature
        if timeout is None:
            await super().close(timeout=_CONNECT_SECONDS)
        else:
            self.terminate()


@asynccontextmanager
async def connected(
    database_direct_url: str, *, application_name: str, command_seconds: float | None = None
) -> AsyncIterator[AsyncConnection]:
    """A connection of one's own, gone after the block. No command takes longer than `command_seconds`.

    The server ends it after 5 s in a transaction without a command, and after 30 s without one at all.

    Raises:
        Unavailable: the database does not answer.
    """
    engine = create_async_engine(
        database_direct_url.replace("postgresql://", "postgresql+asyncpg://", 1),
        poolclass=NullPool,
        connect_args={
            "timeout": _CONNECT_SECONDS,
            "command_timeout": command_seconds,
            "connection_class": _Abrupt,
            "server_settings": {"application_name": application_name} | _ENDED,
        },
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
    except BaseException:
        # Silent, perhaps, or cut off by a deadline: nothing is asked of it any more, and the lock goes with it.
        if not connection.invalidated:
            await connection.invalidate()
        raise
    await _let_go(connection)


async def patience(connection: AsyncConnection, seconds: float) -> None:
    """From now on wait no longer than `seconds` for a lock."""
    await connection.execute(text(f"SET lock_timeout = '{int(seconds * 1000)}ms'"))


def is_locked(error: DBAPIError) -> bool:
    """Whether `error` says that a lock was not given in time."""
    return getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE


def is_late(error: DBAPIError) -> bool:
    """Whether `error` says that a statement took longer than it may, or stood in another one's way."""
    return getattr(error.orig, "sqlstate", None) in {_CANCELED, _DEADLOCK}


async def _let_go(connection: AsyncConnection) -> None:
    try:
        await connection.rollback()
        await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
        await connection.commit()
    except (DBAPIError, OSError) as error:  # the connection is gone, and its lock with it
        _LOG.warning("database.unlock_failed", extra={"kind": type(error).__name__})
