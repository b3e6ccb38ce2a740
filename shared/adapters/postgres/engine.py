"""Connections to PostgreSQL. A reader is of another type than a writer, so one cannot be passed for the other."""

import logging
from collections.abc import Awaitable, Callable

from sqlalchemy import Connection, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.kit.errors import Unavailable

_LOG = logging.getLogger(__name__)

_CONNECT_SECONDS = 1.0
_WRITE_SECONDS = 5.0
# Twice, with 1 s to connect and the 2 s that SQLAlchemy gives a silent connection to close, this leaves the function
# that reads some of its 10 s.
_READ_SECONDS = 1.5
_ATTEMPTS = 2  # the second is for a connection that had died while nobody used it
_RETRY_AFTER_SECONDS = 2

# SQLSTATE classes (PostgreSQL, appendix A) in which what was given is at fault: data exception, integrity constraint
# violation, program limit exceeded. In all others it is the server or the deploy: shutting down, a deadlock, a password
# that was rotated, a table that is not there yet. Waiting mends those, and no record is to blame for them.
_REFUSED = ("22", "23", "54")

# Of these, what no record can be blamed for: no partition takes it, or the one that did is being replaced.
_NO_PARTITION = "23514"


def is_away(error: BaseException) -> bool:
    """Whether `error` says that the database is away or unwell, rather than that it refuses what it was given."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, OSError | TimeoutError | PoolTimeout)
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is None:
        return error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
    return sqlstate == _NO_PARTITION or not str(sqlstate).startswith(_REFUSED)


class _Quiet(PGDialect_asyncpg):
    """asyncpg's dialect, asking a new connection nothing.

    SQLAlchemy's own asks the first one for the version, the schema, the isolation level and how strings are escaped:
    round trips before the first statement, of which those to the catalog a proxy need not pool. Statements here are SQL
    as it stands, so nothing depends on the answers.
    """

    supports_statement_cache = True

    def initialize(self, connection: Connection) -> None:
        self.server_version_info = (16,)
        self.default_schema_name = "public"
        self.default_isolation_level = "READ COMMITTED"
        self._backslash_escapes = False


registry.register("postgresql.quiet", __name__, _Quiet.__name__)


class _Database:
    def __init__(self, url: str, *, application_name: str, isolation_level: str, command_seconds: float) -> None:
        self._engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+quiet"),
            isolation_level=isolation_level,
            hide_parameters=True,  # an error's words go into logs
            # One environment serves one request at a time. No named statements: a pooler in transaction mode, and
            # RDS Proxy, hand every transaction to whichever server connection is free.
            pool_size=1,
            max_overflow=0,
            pool_timeout=_CONNECT_SECONDS,
            connect_args={
                "statement_cache_size": 0,
                "prepared_statement_cache_size": 0,
                "timeout": _CONNECT_SECONDS,
                "command_timeout": command_seconds,
                "server_settings": {"application_name": application_name},
            },
        )

    async def transaction[T](self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work`, which can be repeated, in one transaction.

        Raises:
            Unavailable: the database is away, or did not answer in time, twice.
            DBAPIError: it refused what `work` asked.
        """
        for _ in range(_ATTEMPTS):
            try:
                async with self._engine.begin() as connection:
                    return await work(connection)
            except (DBAPIError, OSError, TimeoutError, PoolTimeout) as error:
                if not is_away(error):
                    raise
                # Its kind alone: a driver's words may hold parameters.
                kind = getattr(getattr(error, "orig", None), "sqlstate", None) or type(error).__name__
                _LOG.warning("database.away", extra={"kind": kind})
                await self._engine.dispose()
                cause = error
        raise Unavailable("The database does not answer.", retry_after_seconds=_RETRY_AFTER_SECONDS) from cause

    async def close(self) -> None:
        """Let go of the connection."""
        await self._engine.dispose()


class Writer(_Database):
    """The primary, through its pooler."""

    def __init__(self, url: str, *, application_name: str) -> None:
        super().__init__(
            url,
            application_name=application_name,
            isolation_level="READ COMMITTED",
            command_seconds=_WRITE_SECONDS,
        )


class Reader(_Database):
    """The replica, through its pooler. Single statements: without BEGIN and COMMIT each saves two round trips."""

    def __init__(self, url: str, *, application_name: str) -> None:
        super().__init__(
            url, application_name=application_name, isolation_level="AUTOCOMMIT", command_seconds=_READ_SECONDS
        )
