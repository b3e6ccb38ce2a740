"""Bringing the schema up to date, straight to the writer."""

import asyncio
from datetime import date
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.days import LOCK_SECONDS, PostgresDays
from shared.adapters.postgres.direct import alone, connected, is_locked, patience
from shared.events.days import DayRefused, days_around
from shared.kit.errors import Unavailable

_TURN_SECONDS = 60
# What waits for a table's lock makes all wait that come after it. So a revision waits shortly, and comes again: a
# batch that holds the table is done in a fraction of it, and what waits behind is not noticed by anybody.
_REVISION_SECONDS = 2
_ATTEMPTS = 4
_PAUSE_SECONDS = 1.0


async def migrate(database_direct_url: str, *, today: date, to: str = "head") -> str:
    """Upgrade to the newest revision (or `to`), make the partitions around `today`, and name the revision.

    Two at once run one after the other. A revision that fails is rolled back, and the schema stays as it was. One that
    does not get a table's lock within 2 s is rolled back and tried again, 4 times in all. A partition whose lock is
    not to be had, or that is refused, is left to `maintain`: what comes meanwhile waits in the default partition.

    Raises:
        Unavailable: the database does not answer, another migration held the lock for 60 s, or a table was locked.
        DBAPIError: a revision failed.
    """
    async with (
        connected(database_direct_url, application_name="migrate") as connection,
        alone(connection, wait_seconds=_TURN_SECONDS),
    ):
        await _upgrade(connection, to)
        await patience(connection, LOCK_SECONDS)
        await connection.commit()
        days = PostgresDays(connection)
        for day in days_around(today):
            try:
                await days.make(day)
            except DayRefused:
                continue
            except Unavailable:
                break
        revision: str = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
        await connection.commit()
        return revision


async def _upgrade(connection: AsyncConnection, revision: str) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        await patience(connection, _REVISION_SECONDS)
        await connection.commit()
        try:
            await connection.run_sync(_run, revision)
        except DBAPIError as error:
            if not is_locked(error):
                raise
            await connection.rollback()
            if attempt == _ATTEMPTS:
                raise Unavailable(f"A table was locked, {_ATTEMPTS} times for {_REVISION_SECONDS} s.") from error
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            await connection.commit()
            return


def _run(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
