"""What `ingest` costs, beside the code most teams would write: CPU, start, memory and size, against one real broker.

    .millrace/venvs/tests/bin/python -m loadtest.cpu --quick

Both are built and unpacked as they are deployed, run in one process each that is kept, and take turns; every figure is
the best round and, in brackets, the median. CPU is user and system time of the whole process. Kafka and Valkey are real
and on this machine. Ends with code 1 when one of the two did not do its work; a goal that is missed is told.
"""

import argparse
import asyncio
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import redis

from cdk.parts.bundling import BundlingError
from loadtest.cpu.contestants import ROOT, Contestant, contestants
from loadtest.cpu.environment import BenchmarkFailed, Environment, Round
from loadtest.cpu.figures import HEAD, Figure
from loadtest.cpu.payloads import Payloads
from millrace_harness.dev.failed import Failed
from millrace_harness.parts.endpoints import Endpoints
from millrace_harness.parts.errors import PartFailed
from millrace_harness.parts.paths import Paths
from millrace_harness.parts.supervisor import Stack
from shared.adapters.kafka.topics import create_topics
from shared.adapters.postgres.migrate import migrate
from shared.events.topics import TOPICS

BATCH = 500
SINGLES, BATCHES = 500, 10  # of a round: within the quota's burst of 10,000 events, which is filled up before each
WARM_UP = 3
GROWING = 1000  # requests between two looks at the memory
_TRIES = 5
_RECOVERY_SECONDS = 6.0

type Pair = tuple[Environment, Environment]
type Rounds = tuple[list[Round], list[Round]]


@contextmanager
def parts(state: Path | None) -> Iterator[Endpoints]:
    """Real parts of the benchmark's own, or those that stand already under `state`."""
    stack = Stack(Paths.of(ROOT, state or "benchmark"))
    if state is not None:
        yield stack.endpoints
        return
    try:
        yield stack.up(say)
    finally:
        stack.down()


def say(line: str) -> None:
    """Progress, beside the table."""
    print(line, file=sys.stderr, flush=True)


def starts(both: tuple[Contestant, Contestant], rounds: int) -> Iterator[Figure]:
    """What a cold start costs."""
    found: tuple[list[float], list[float]] = ([], [])
    whole: tuple[list[float], list[float]] = ([], [])
    memory: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        say(f"starting both, {number + 1} of {rounds} …")
        for contestant, init, all_, rss in zip(both, found, whole, memory, strict=True):
            with Environment(contestant) as environment:
                start = environment.start
            init.append(start.init_seconds * 1000)
            all_.append((start.init_seconds + start.bare_seconds) * 1000)
            rss.append(start.rss_mb)
    yield Figure("INIT: the handler's import, CPU", "ms", *found, times=2)
    yield Figure("INIT with interpreter and runtime, CPU", "ms", *whole)
    yield Figure("memory after INIT", "MB", *memory)


def turns(pair: Pair, rounds: int, what: str, requests: Callable[[], tuple[Iterator[bytes], int]]) -> Rounds:
    """Rounds of both, taking turns."""
    found: Rounds = ([], [])
    for number in range(rounds):
        say(f"{what}, {number + 1} of {rounds} …")
        for environment, kept in zip(pair, found, strict=True):
            kept.append(whole_round(environment, requests))
    return found


def whole_round(environment: Environment, requests: Callable[[], tuple[Iterator[bytes], int]]) -> Round:
    """A round in which nothing was left out: on a busy machine Redis is late at times, and is then left alone a while.

    Raises:
        BenchmarkFailed: there was none.
    """
    for _ in range(_TRIES):
        found = environment.run(*requests())
        if not found.degraded:
            return found
        say(f"  {found.degraded} answers were degraded, once more …")
        time.sleep(_RECOVERY_SECONDS)
    raise BenchmarkFailed(f"{environment.contestant.name} left out a part of its work {_TRIES} times")


def speeds(pair: Pair, rounds: int, refill: Callable[[], None]) -> Iterator[Figure]:
    """What a request costs once everything is warm."""
    payloads = Payloads()

    def singles() -> tuple[Iterator[bytes], int]:
        refill()
        return payloads.singles(SINGLES), SINGLES

    def batches() -> tuple[Iterator[bytes], int]:
        refill()
        return payloads.batches(BATCHES, BATCH), BATCHES

    say("warming both up …")
    for environment in pair:
        for _ in range(WARM_UP):
            whole_round(environment, singles)
        whole_round(environment, batches)
    one = turns(pair, rounds, f"{SINGLES} requests of one event", singles)
    many = turns(pair, rounds, f"{BATCHES} requests of {BATCH} events", batches)
    yield Figure("one event of 1 KB, CPU", "µs", *cpu(one, 1e6 / SINGLES), times=3, below=300)
    yield Figure("  the runtime's JSON beside it, CPU", "µs", *json(one, 1e6 / SINGLES))
    yield Figure(f"{BATCH} events of 1 KB, CPU", "ms", *cpu(many, 1e3 / BATCHES), times=5, below=4)
    yield Figure("  the runtime's JSON beside it, CPU", "ms", *json(many, 1e3 / BATCHES))
    yield Figure(f"one event of {BATCH}, CPU", "µs", *cpu(many, 1e6 / BATCHES / BATCH))
    yield Figure("one event of 1 KB, from call to answer", "µs", *wall(one, 1e6 / SINGLES))
    yield Figure(f"{BATCH} events of 1 KB, from call to answer", "ms", *wall(many, 1e3 / BATCHES))


type Sides = tuple[list[float], list[float]]


def cpu(rounds: Rounds, scale: float) -> Sides:
    """The handler's CPU in each round."""
    ours, naive = ([each.handler_seconds * scale for each in side] for side in rounds)
    return ours, naive


def json(rounds: Rounds, scale: float) -> Sides:
    """The CPU in each round for what the runtime does around a handler: reading the event, writing the answer."""
    ours, naive = ([each.json_seconds * scale for each in side] for side in rounds)
    return ours, naive


def wall(rounds: Rounds, scale: float) -> Sides:
    """The time in each round from a handler's call to its answer."""
    ours, naive = ([each.wall_seconds * scale for each in side] for side in rounds)
    return ours, naive


def growth(pair: Pair, requests: int, refill: Callable[[], None]) -> Iterator[Figure]:
    """What memory becomes of over `requests` requests."""
    payloads = Payloads(seed=2)
    held: tuple[list[float], list[float]] = ([], [])
    peaks, degraded = [0.0, 0.0], 0
    for done in range(0, requests, GROWING):
        if done % (10 * GROWING) == 0:
            say(f"{requests} requests of one event to each, {done} done …")
        for index, environment in enumerate(pair):
            refill()
            found = environment.run(payloads.singles(GROWING), GROWING)
            held[index].append(found.rss_mb)
            peaks[index], degraded = found.peak_mb, degraded + found.degraded
    yield Figure(f"memory after {requests:,} more requests", "MB", held[0][-1:], held[1][-1:], below=120)
    yield Figure("the most memory ever", "MB", peaks[:1], peaks[1:])
    say(f"{degraded} of them were degraded")
    say(
        f"memory, first to last of them: ours {held[0][0]:.1f} to {held[0][-1]:.1f} MB, "
        f"naive {held[1][0]:.1f} to {held[1][-1]:.1f} MB"
    )


def sizes(ours: Contestant, naive: Contestant) -> Iterator[Figure]:
    """What is uploaded, and what it becomes."""
    yield Figure("package, zipped", "MB", [ours.zip_bytes / 1e6], [naive.zip_bytes / 1e6])
    yield Figure("package, unpacked", "MB", [ours.unpacked_bytes / 1e6], [naive.unpacked_bytes / 1e6])


def benchmark(endpoints: Endpoints, *, rounds: int, requests: int) -> list[Figure]:
    """All figures, in the order of the table."""
    with asyncio.Runner() as runner:
        runner.run(create_topics(endpoints.kafka_bootstrap, TOPICS, replication=1))
        runner.run(migrate(endpoints.database_direct_url, today=datetime.now(UTC).date()))  # event types are asked for
    say("building both packages …")
    both = contestants(endpoints, ROOT / ".millrace" / "benchmark-code", f"{platform.machine()}-manylinux_2_28")
    figures = list(starts(both, rounds))
    with ExitStack() as stack:
        quota = stack.enter_context(redis.Redis.from_url(endpoints.redis_url))
        ours, naive = (stack.enter_context(Environment(contestant)) for contestant in both)
        pair = (ours, naive)

        def refill() -> None:
            quota.delete("quota:{demo}")

        figures += speeds(pair, rounds, refill)
        figures += growth(pair, requests, refill)
    return [*figures, *sizes(*both)]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.cpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each measurement (default: 15)")
    parser.add_argument("--requests", type=int, default=50_000, help="requests for the memory (default: 50,000)")
    parser.add_argument("--quick", action="store_true", help="5 rounds and 2,000 requests: about a minute")
    parser.add_argument("--state", type=Path, help="a state folder whose parts are up (default: parts of its own)")
    arguments = parser.parse_args()
    rounds, requests = (5, 2_000) if arguments.quick else (arguments.rounds, arguments.requests)
    began = time.monotonic()
    try:
        with parts(arguments.state) as endpoints:
            figures = benchmark(endpoints, rounds=rounds, requests=requests)
    except (BenchmarkFailed, BundlingError, Failed, PartFailed) as error:
        sys.exit(f"loadtest.cpu: {error}")
    print(HEAD, *(figure.line for figure in figures), sep="\n")
    missed = [line for figure in figures for line in figure.missed]
    print("\nEvery goal is met." if not missed else "\nGoals missed:\n" + "\n".join(f"- {line}" for line in missed))
    say(f"done in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
