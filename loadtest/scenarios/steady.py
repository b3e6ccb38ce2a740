"""Events at a steady rate through the deployed API, and how long each took from accepted to stored.

    eval "$(localstack/dev env)"
    .millrace/venvs/tests/bin/python -m loadtest.scenarios.steady --rate 20 --seconds 20

An open loop: a slow answer does not hold back the next request. Ends with code 1 when an acknowledged event is not
stored exactly once.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
import uuid
from collections import Counter
from datetime import datetime

import httpx

_SETTLE_SECONDS = 60.0


async def send(api: httpx.AsyncClient, type_: str, rate: float, seconds: float) -> tuple[list[str], list[float], int]:
    """Ids that were acknowledged, milliseconds of each answer, and how many requests were not acknowledged."""
    acknowledged: list[str] = []
    milliseconds: list[float] = []
    refused = 0

    async def one(number: int) -> None:
        nonlocal refused
        started = time.perf_counter()
        try:
            answer = await api.post("/v1/events", json={"type": type_, "data": {"number": number}})
        except httpx.TransportError:
            refused += 1
            return
        milliseconds.append((time.perf_counter() - started) * 1000)
        if answer.status_code == httpx.codes.ACCEPTED:
            acknowledged.append(answer.json()["id"])
        else:
            refused += 1

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            group.create_task(one(number))
    return acknowledged, milliseconds, refused


async def stored(api: httpx.AsyncClient, type_: str) -> list[tuple[str, float]]:
    """Every stored event of the run, as its id and the milliseconds from accepted to stored."""
    found: list[tuple[str, float]] = []
    path = f"/v1/events?type={type_}&limit=200&order=asc"
    while path:
        page = (await api.get(path)).raise_for_status()
        for event in page.json()["events"]:
            accepted, done = (datetime.fromisoformat(state["at"]) for state in event["timeline"])
            found.append((event["id"], (done - accepted).total_seconds() * 1000))
        following = page.links.get("next", {}).get("url")
        path = str(page.url.join(following)) if following else ""
    return found


async def scenario(rate: float, seconds: float) -> bool:
    """Run it, print the figures, and tell whether the ledger balances."""
    type_ = f"load.steady.{uuid.uuid4()}"
    headers = {"authorization": f"Bearer {os.environ['MILLRACE_TOKEN']}"}
    async with httpx.AsyncClient(base_url=os.environ["MILLRACE_URL"], headers=headers, timeout=30) as api:
        print(f"{rate:g} events a second for {seconds:g} s …", flush=True)
        acknowledged, answers, refused = await send(api, type_, rate, seconds)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while len(rows := await stored(api, type_)) < len(acknowledged) and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
    balanced = Counter(id_ for id_, _ in rows) == Counter(acknowledged)
    print(f"acknowledged {len(acknowledged)}, not acknowledged {refused}, stored {len(rows)}")
    for name, figures in (("answer", answers), ("accepted to stored", [ms for _, ms in rows])):
        if len(figures) > 1:
            cuts = statistics.quantiles(figures, n=100, method="inclusive")
            print(f"{name}: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, max {max(figures):.1f} ms")
    print("every acknowledged event is stored once" if balanced else "THE LEDGER DOES NOT BALANCE")
    return balanced


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.scenarios.steady", description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=20, help="events a second (default: 20)")
    parser.add_argument("--seconds", type=float, default=20, help="how long (default: 20)")
    arguments = parser.parse_args()
    missing = [name for name in ("MILLRACE_URL", "MILLRACE_TOKEN") if name not in os.environ]
    if missing:
        sys.exit(f'{", ".join(missing)} not set: run  eval "$(localstack/dev env)"  first')
    with asyncio.Runner() as runner:
        sys.exit(0 if runner.run(scenario(arguments.rate, arguments.seconds)) else 1)


if __name__ == "__main__":
    main()
