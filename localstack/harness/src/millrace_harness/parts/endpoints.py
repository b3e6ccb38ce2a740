"""Where a stack's parts are reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from millrace_harness.parts.postgres import DATABASE, USER


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Addresses, all on 127.0.0.1. The database URLs are `postgresql://user:password@host:port/database`."""

    kafka_bootstrap: str
    database_url: str
    """The primary, through its pooler."""
    database_read_url: str
    """The replica, through its pooler."""
    database_direct_url: str
    """The primary itself: for migrations, and for whatever a transaction pooler cannot carry."""
    redis_url: str

    @classmethod
    def of(cls, ports: Mapping[str, int], password: str, brokers: Sequence[str]) -> Self:
        """From the ports of the parts, by their names in the ledger; `brokers` are the names of Kafka's servers."""

        def database(server: str) -> str:
            return f"postgresql://{USER}:{password}@127.0.0.1:{ports[server]}/{DATABASE}"

        return cls(
            kafka_bootstrap=",".join(f"127.0.0.1:{ports[name]}" for name in brokers),
            database_url=database("writer"),
            database_read_url=database("reader"),
            database_direct_url=database("primary"),
            redis_url=f"redis://127.0.0.1:{ports['valkey']}/0",
        )
