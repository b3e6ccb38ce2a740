"""What `persist` costs, beside the consumer most teams would write: CPU, time and memory, against one real PostgreSQL.

    .millrace/venvs/tests/bin/python -m loadtest.persist --quick

Both are built, unpacked, started and measured as `loadtest.cpu` does it, and take turns. CPU is user and system time of
the whole process from the JSON of Lambda's event to the JSON of the answer: what the runtime reads, what the handler
decodes, stores and counts. The database's own is not in it. Ends with code 1 when one of the two did not do its work.
"""

import argparse
import asyncio
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from cdk.parts.bundling import BundlingError
from loadtest.cpu.__main__ import parts, say
from loadtest.cpu.contestants import ROOT, Contestant, Pair, contestants
from loadtest.cpu.environment import BenchmarkFailed, Environment, Round
from loadtest.cpu.figures import HEAD, Figure
from loadtest.persist.payloads import Records
from millrace_harness.dev.failed import Failed
from millrace_harness.parts.endpoints import Endpoints
from millrace_harness.parts.errors import PartFailed
from shared.adapters.kafka.topics import create_topics
from shared.adapters.postgres.migrate import migrate
from shared.events.topics import TOPICS
from shared.runtime.settings import PersistSettings

PERSIST = Pair("persist", PersistSettings, ROOT / "loadtest/naive/persist", ("DATABASE_URL",))

SMALL, LARGE, LARGEST = 500, 5_000, 10_000  # records of a batch
BATCHES = {SMALL: 30, LARGE: 3}  # of a round
WARM_UP = 5
MICROSECONDS = 25.0  # 40,000 events a second of CPU

_TABLE = """
CREATE TABLE IF NOT EXISTS naive_events (
    key uuid PRIMARY KEY, tenant text NOT NULL, principal text NOT NULL, id text NOT NULL, source text NOT NULL,
    type text NOT NULL, subject text, "time" timestamptz, received_at timestamptz NOT NULL, data jsonb NOT NULL,
    "partition" integer NOT NULL, "offset" integer NOT NULL
);
CREATE INDEX IF NOT EXISTS naive_1 ON naive_events (tenant, type, received_at, key);
CREATE INDEX IF NOT EXISTS naive_2 ON naive_events (tenant, received_at, key);
CREATE INDEX IF NOT EXISTS naive_3 ON naive_events (tenant, id);
"""

type Both = tuple[Contestant, Contestant]
type Rounds = tuple[list[Round], list[Round]]
type Empty = Callable[[], int]


def made(records: Records, side: int, count: int, size: int) -> list[bytes]:
    """The batches of a round, made before it: what they cost must not fall into it."""
    return records.naive_batches(count, size) if side else records.batches(count, size)


def turns(pair: tuple[Environment, Environment], rounds: int, size: int, empty: Empty) -> Rounds:
    """Rounds of both, taking turns, in tables that are emptied before each."""
    found: Rounds = ([], [])
    records, count = Records(), BATCHES[size]
    for number in range(rounds):
        say(f"{count} batches of {size} records, {number + 1} of {rounds} …")
        for side, environment in enumerate(pair):
            batches = made(records, side, count, size)
            empty()
            found[side].append(environment.run(batches, count, expected=0))
            if (stored := empty()) != count * size:
                raise BenchmarkFailed(f"{environment.contestant.name} stored {stored} of {count * size} events")
    return found


def starts(both: Both, rounds: int) -> Iterator[Figure]:
    """What a cold start costs."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        say(f"starting both, {number + 1} of {rounds} …")
        for contestant, init in zip(both, found, strict=True):
            with Environment(contestant) as environment:
                init.append(environment.start.init_seconds * 1000)
    yield Figure("INIT: the handler's import, CPU", "ms", *found)


def speeds(pair: tuple[Environment, Environment], rounds: int, empty: Empty) -> Iterator[Figure]:
    """What a record costs once everything is warm, and how long a batch takes."""
    records = Records(seed=5)
    for side, environment in enumerate(pair):
        environment.run(made(records, side, WARM_UP, SMALL), WARM_UP, expected=0)
    for size in BATCHES:
        found = turns(pair, rounds, size, empty)
        record, batch = 1e6 / size / BATCHES[size], 1e3 / BATCHES[size]
        cpu = sides(found, record, lambda round_: round_.handler_seconds + round_.json_seconds)
        json = sides(found, record, lambda round_: round_.json_seconds)
        wall = sides(found, batch, lambda round_: round_.wall_seconds)
        yield Figure(f"a record of {size:,}, CPU", "µs", *cpu, times=2.5, below=MICROSECONDS)
        yield Figure("  of which reading Lambda's JSON", "µs", *json)
        yield Figure(f"a batch of {size:,}, from call to answer", "ms", *wall)
        slow = [slowest(side, BATCHES[size]) for side in found]
        yield Figure("  the slowest in a hundred", "ms", slow[:1], slow[1:], below=100 if size == SMALL else None)


def sides(rounds: Rounds, scale: float, figure: Callable[[Round], float]) -> tuple[list[float], list[float]]:
    """A figure of each round of both, times `scale`."""
    ours, naive = ([figure(round_) * scale for round_ in side] for side in rounds)
    return ours, naive


def slowest(rounds: list[Round], calls: int) -> float:
    """The 99th percentile of all calls, in ms: of n the one that a hundredth of n are slower than."""
    every = sorted(seconds for each in rounds for seconds in each.slowest_seconds)
    return every[-1 - calls * len(rounds) // 100] * 1e3


def memory(both: Both, empty: Empty) -> Iterator[Figure]:
    """The most that new environments ever hold: each does a small batch first, as they do, and then large ones."""
    for what, calls in ((LARGE, 2), (LARGEST, 2)):
        say(f"{calls} batches of {what} records …")
        peaks: tuple[list[float], list[float]] = ([], [])
        for side, contestant in enumerate(both):
            records = Records(seed=what)
            with Environment(contestant) as environment:
                environment.run(made(records, side, 1, SMALL), 1, expected=0)
                peaks[side].append(environment.run(made(records, side, calls, what), calls, expected=0).peak_mb)
            empty()
        yield Figure(f"the most memory, batches of {what:,}", "MB", *peaks, below=256 if what == LARGEST else None)


def benchmark(endpoints: Endpoints, *, rounds: int) -> list[Figure]:
    """All figures, in the order of the table."""
    with asyncio.Runner() as runner:
        runner.run(create_topics(endpoints.kafka_bootstrap, TOPICS, replication=1))
        runner.run(migrate(endpoints.database_direct_url, today=datetime.now(UTC).date()))
        say("building both packages …")
        folder = ROOT / ".millrace" / "benchmark-persist"
        both = contestants(endpoints, folder, f"{platform.machine()}-manylinux_2_28", PERSIST)
        database = runner.run(asyncpg.connect(endpoints.database_direct_url, timeout=5))
        runner.run(database.execute(_TABLE))

        def empty() -> int:
            """Empty both tables; how many rows there were."""
            held = runner.run(database.fetchval("SELECT (SELECT count(*) FROM events) + count(*) FROM naive_events"))
            runner.run(database.execute("TRUNCATE events, event_counts, naive_events"))
            return int(held)

        try:
            figures = list(starts(both, rounds))
            with ExitStack() as stack:
                ours, naive = (stack.enter_context(Environment(contestant)) for contestant in both)
                figures += speeds((ours, naive), rounds, empty)
            return [*figures, *memory(both, empty)]
        finally:
            runner.run(database.execute("DROP TABLE naive_events"))
            runner.run(database.close())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.persist", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each measurement (default: 15)")
    parser.add_argument("--quick", action="store_true", help="4 rounds: about a minute")
    parser.add_argument(
        "--state", type=Path, help="a state folder whose parts are up, and whose events may go (default: its own)"
    )
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        with parts(arguments.state) as endpoints:
            figures = benchmark(endpoints, rounds=4 if arguments.quick else arguments.rounds)
    except (BenchmarkFailed, BundlingError, Failed, PartFailed) as error:
        sys.exit(f"loadtest.persist: {error}")
    print(HEAD, *(figure.line for figure in figures), sep="\n")
    missed = [line for figure in figures for line in figure.missed]
    print("\nEvery goal is met." if not missed else "\nGoals missed:\n" + "\n".join(f"- {line}" for line in missed))
    say(f"done in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
