"""Jobs as clients of `manage` begin, watch and stop them."""

import hashlib
from typing import Any
from urllib.parse import urljoin
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from shared.access.development_key import DevelopmentKey
from shared.access.model import Principal
from shared.jobs.letters import LettersSpec
from shared.jobs.model import Job, Progress, State, read
from shared.kit.errors import Unavailable
from tests.fixtures.doors import KEY, ManageDoor
from tests.fixtures.events import MOMENT
from tests.fixtures.jobs import a_job
from tests.fixtures.manage import faults, send

REDRIVE, DISCARD = "/v1/dead-letters/redrive", "/v1/dead-letters/discard"
REPLAYS, ERASURES = "/v1/replays", "/v1/erasures"
SPAN = {"from": "2026-03-04T00:00:00Z", "to": "2026-03-05T00:00:00Z"}
LETTER = str(uuid4())
_SENT = "s3nt"


@pytest.fixture
def door() -> ManageDoor:
    return ManageDoor()


class _NoOperator(DevelopmentKey):
    async def authenticate(self, authorization: str | None) -> Principal:
        principal = await super().authenticate(authorization)
        return Principal(principal.name, principal.tenant)


def kept(door: ManageDoor, id_: str) -> Job:
    return door.jobs.jobs[UUID(id_)]


BEGUN = [
    pytest.param(REDRIVE, {"ids": [LETTER]}, "redrive", {"ids": [LETTER], "rate": 1000, "dry_run": False}, id="ids"),
    pytest.param(
        DISCARD,
        {"filter": {"type": "t"}, "rate": 5.0, "dry_run": True},
        "discard",
        {"filter": {"type": "t"}, "rate": 5, "dry_run": True},
        id="filter",
    ),
    pytest.param(
        REPLAYS,
        SPAN | {"filter": {"source": "/s"}, "mode": "force"},
        "replay",
        SPAN | {"filter": {"source": "/s"}, "mode": "force", "rate": 1000, "dry_run": False},
        id="replay",
    ),
    pytest.param(ERASURES, {"subject": "somebody"}, "erasure", {"subject": "somebody"}, id="erasure"),
]


@pytest.mark.parametrize(("path", "body", "kind", "asked"), BEGUN)
async def test_a_job_is_begun_and_its_place_is_told(
    door: ManageDoor, path: str, body: Any, kind: str, asked: Any
) -> None:
    begun = await send(door, "POST", path, json=body)
    assert begun.status_code == 202, begun.text
    job = begun.json()
    assert (job["kind"], job["state"], "asked" in job) == (kind, "queued", False)
    assert (job["created_by"], job["progress"]["looked"], job["result"]) == ("development-key", 0, {})
    place = urljoin(f"http://host/stage{path}", begun.headers["location"])
    assert place == f"http://host/stage/v1/jobs/{job['id']}"
    assert (await send(door, "GET", f"/v1/jobs/{job['id']}")).json() == job | {"asked": asked}
    assert door.wake.woken == [(UUID(job["id"]), 0)]
    assert kept(door, job["id"]).tenant == "tests"


async def test_a_letter_that_is_named_twice_is_meant_once(door: ManageDoor) -> None:
    begun = await send(door, "POST", REDRIVE, json={"ids": [LETTER, LETTER.upper()]})
    assert kept(door, begun.json()["id"]).spec["ids"] == [LETTER]


async def test_the_number_of_a_partition_is_a_whole_one_for_whoever_does_the_job(door: ManageDoor) -> None:
    begun = await send(door, "POST", REDRIVE, content='{"filter": {"partition": 3.0}}')
    job = kept(door, begun.json()["id"])
    assert read(job.spec, LettersSpec).filter.partition == 3


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ERASURES, {"subject": _SENT}),
        (REDRIVE, {"filter": {"subject": _SENT}}),
        (REPLAYS, SPAN | {"filter": {"subject": _SENT}}),
    ],
)
async def test_the_answer_that_is_kept_for_an_idempotency_key_names_no_subject(
    door: ManageDoor, path: str, body: Any
) -> None:
    for replayed in (None, "true"):
        answer = await send(door, "POST", path, json=body, headers={"idempotency-key": "mine"})
        assert (answer.status_code, answer.headers.get("idempotency-replayed")) == (202, replayed)
        assert _SENT not in answer.text


async def test_operators_mean_letters_of_no_tenant_too_and_others_do_not(door: ManageDoor) -> None:
    first = await send(door, "POST", REDRIVE, json={"filter": {}})
    door.access = _NoOperator(hashlib.sha256(KEY.encode()).hexdigest(), tenant="tests")
    second = await send(door, "POST", REDRIVE, json={"filter": {}})
    assert [kept(door, each.json()["id"]).spec["orphans"] for each in (first, second)] == [True, False]


async def test_one_idempotency_key_begins_one_job(door: ManageDoor) -> None:
    headers = {"idempotency-key": "mine"}
    first = await send(door, "POST", REDRIVE, json={"filter": {}}, headers=headers)
    second = await send(door, "POST", REDRIVE, json={"filter": {}}, headers=headers)
    assert (second.status_code, second.json()) == (202, first.json())
    assert second.headers["location"] == first.headers["location"]
    assert len(door.jobs.jobs) == 1
    other = await send(door, "POST", DISCARD, json={"filter": {}}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_used")


async def test_a_job_of_which_the_store_said_nothing_is_not_begun_twice(door: ManageDoor) -> None:
    headers, create = {"idempotency-key": "mine"}, door.jobs.create

    async def silent(job: Job) -> None:
        await create(job)
        raise Unavailable("It is there, and nobody heard of it.")

    door.jobs.create = silent  # type: ignore[method-assign]
    first = await send(door, "POST", REDRIVE, json={"filter": {}}, headers=headers)
    door.jobs.create = create  # type: ignore[method-assign]
    second = await send(door, "POST", REDRIVE, json={"filter": {}}, headers=headers)
    assert (first.status_code, second.status_code) == (503, 202)
    assert [str(each) for each in door.jobs.jobs] == [second.json()["id"]]
    assert door.wake.woken == [(UUID(second.json()["id"]), 0)]
    other = await send(door, "POST", REDRIVE, json={"filter": {}}, headers={"idempotency-key": "another"})
    assert other.json()["id"] != second.json()["id"]
    assert len(door.jobs.jobs) == 2


async def test_a_job_that_nobody_can_be_told_of_is_begun_all_the_same(door: ManageDoor) -> None:
    door.wake.away = True
    begun = await send(door, "POST", ERASURES, json={"subject": "somebody"})
    assert begun.status_code == 202
    assert kept(door, begun.json()["id"]).state is State.QUEUED


async def test_where_the_store_is_away_no_job_is_begun(door: ManageDoor) -> None:
    door.jobs.away = True
    refused = await send(door, "POST", REDRIVE, json={"filter": {}})
    assert (refused.status_code, refused.json()["retryable"]) == (503, True)
    assert door.wake.woken == []


REFUSED: list[tuple[str, str, int, tuple[str, str]]] = [
    (REDRIVE, "{", 400, ("", "json")),
    (REDRIVE, '{"ids": ["s3nt"]}', 422, ("/ids/0", "value")),
    (REDRIVE, "{}", 422, ("", "ids_or_filter")),
    (REDRIVE, f'{{"ids": ["{LETTER}"], "filter": {{}}}}', 422, ("", "ids_or_filter")),
    (REDRIVE, '{"ids": []}', 422, ("/ids", "length")),
    (REDRIVE, f'{{"ids": [{",".join([f'"{LETTER}"'] * 1001)}]}}', 422, ("/ids", "length")),
    (DISCARD, '{"filter": {"s3nt": 1}}', 422, ("/filter/s3nt", "unknown_field")),
    (DISCARD, '{"filter": {"subject": "s3nt\\u0000"}}', 422, ("/filter/subject", "characters")),
    (DISCARD, '{"filter": {"since": "s3nt"}}', 422, ("/filter/since", "time")),
    (DISCARD, '{"filter": {"partition": 1.5}}', 422, ("/filter/partition", "value")),
    (DISCARD, '{"filter": {}, "rate": 0}', 422, ("/rate", "value")),
    (DISCARD, '{"filter": {}, "rate": 10001}', 422, ("/rate", "value")),
    (REPLAYS, '{"from": "2026-03-04T00:00:00Z"}', 422, ("/to", "required")),
    (REPLAYS, '{"from": "2026-03-04T00:00:00", "to": "2026-03-05T00:00:00Z"}', 422, ("/from", "time")),
    (REPLAYS, '{"from": "2026-03-05T00:00:00Z", "to": "2026-03-05T00:00:00Z"}', 422, ("/to", "range")),
    (REPLAYS, '{"from": "0001-03-05T00:00:00Z", "to": "2026-03-05T00:00:00Z"}', 422, ("/from", "time")),
    (
        REPLAYS,
        '{"from": "2026-03-04T00:00:00Z", "to": "2026-03-05T00:00:00Z", "mode": "s3nt"}',
        422,
        ("/mode", "value"),
    ),
    (ERASURES, "{}", 422, ("/subject", "required")),
    (ERASURES, '{"subject": ""}', 422, ("/subject", "length")),
    (ERASURES, '{"subject": "s3nt\\u0000"}', 422, ("/subject", "characters")),
]


@pytest.mark.parametrize(("path", "body", "status", "fault"), REFUSED)
async def test_what_is_wrong_is_named_and_begins_nothing(
    door: ManageDoor, path: str, body: str, status: int, fault: tuple[str, str]
) -> None:
    refused = await send(door, "POST", path, content=body)
    (found,) = faults(refused, status)
    assert found == fault
    assert _SENT not in refused.text.replace(f"/{_SENT}", "")
    assert door.jobs.jobs == {}


async def test_a_running_job_tells_how_far_it_is_and_how_long_it_will_take(door: ManageDoor) -> None:
    progress = Progress(
        total=100, looked=40, done=38, skipped=1, failed=1, seconds=4.0, cursor={"secret": 1}, result={"sample": ["a"]}
    )
    job = a_job(state=State.RUNNING, progress=progress)
    await door.jobs.create(job)
    shown = (await send(door, "GET", f"/v1/jobs/{job.id}")).json()
    assert shown["progress"] == {
        "total": 100,
        "looked": 40,
        "done": 38,
        "skipped": 1,
        "failed": 1,
        "per_second": 10.0,
        "seconds_left": 6.0,
        "message": None,
    }
    assert shown["result"] == {"sample": ["a"]}
    assert "cursor" not in str(shown)


@pytest.mark.parametrize(
    ("state", "stalls", "told"),
    [(State.RUNNING, 1, False), (State.RUNNING, 2, True), (State.QUEUED, 2, True), (State.PAUSED, 2, False)],
)
async def test_a_job_that_gets_nowhere_says_so(door: ManageDoor, state: State, stalls: int, told: bool) -> None:
    job = a_job(state=state, stalls=stalls)
    await door.jobs.create(job)
    message = (await send(door, "GET", f"/v1/jobs/{job.id}")).json()["progress"]["message"]
    assert ("does not answer" in (message or "")) == told


async def test_jobs_are_listed_page_by_page_the_newest_first(door: ManageDoor) -> None:
    jobs = [a_job() for _ in range(5)]
    for job in [*jobs, a_job(tenant="somebody-else")]:
        await door.jobs.create(job)
    first = (await send(door, "GET", "/v1/jobs?limit=3")).json()
    second = (await send(door, "GET", f"/v1/jobs?limit=3&before={first['next']}")).json()
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == [str(job.id) for job in reversed(jobs)]
    assert second["next"] is None


@pytest.mark.parametrize("query", ["before=x", "limit=0", "limit=201", "page=1"])
async def test_a_query_that_is_not_understood_is_refused(door: ManageDoor, query: str) -> None:
    faults(await send(door, "GET", f"/v1/jobs?{query}"), 422)


STEERED = [
    (State.QUEUED, "pause", State.PAUSED),
    (State.RUNNING, "pause", State.PAUSED),
    (State.PAUSED, "pause", State.PAUSED),
    (State.PAUSED, "resume", State.QUEUED),
    (State.FAILED, "resume", State.QUEUED),
    (State.RUNNING, "cancel", State.CANCELLED),
    (State.PAUSED, "cancel", State.CANCELLED),
    (State.CANCELLED, "cancel", State.CANCELLED),
]


@pytest.mark.parametrize(("state", "action", "then"), STEERED)
async def test_a_job_is_paused_resumed_and_cancelled(door: ManageDoor, state: State, action: str, then: State) -> None:
    job = a_job(state=state)
    await door.jobs.create(job)
    steered = await send(door, "POST", f"/v1/jobs/{job.id}/{action}")
    assert (steered.status_code, steered.json()["state"]) == (200, then)
    assert door.wake.woken == ([(job.id, 0)] if action == "resume" else [])


@pytest.mark.parametrize(
    ("state", "action"),
    [(State.DONE, "pause"), (State.DONE, "cancel"), (State.RUNNING, "resume"), (State.CANCELLED, "resume")],
)
async def test_a_job_that_cannot_go_there_says_where_it_is(door: ManageDoor, state: State, action: str) -> None:
    job = a_job(state=state)
    await door.jobs.create(job)
    refused = await send(door, "POST", f"/v1/jobs/{job.id}/{action}")
    assert (refused.status_code, refused.json()["code"], refused.json()["state"]) == (409, "not_now", state)
    assert kept(door, str(job.id)) == replace(job, changed_at=MOMENT)


@pytest.mark.parametrize("id_", ["nothing", str(uuid4())])
@pytest.mark.parametrize(
    ("method", "action"), [("GET", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/cancel")]
)
async def test_a_job_that_is_not_there_is_not_found(door: ManageDoor, id_: str, method: str, action: str) -> None:
    foreign = a_job(tenant="somebody-else")
    await door.jobs.create(foreign)
    for each in (id_, str(foreign.id)):
        faults(await send(door, "POST" if action else "GET", f"/v1/jobs/{each}{action}"), 404)
    assert kept(door, str(foreign.id)) == foreign


@pytest.mark.parametrize("path", [REDRIVE, DISCARD, REPLAYS, ERASURES])
async def test_nobody_begins_a_job_without_a_key(door: ManageDoor, path: str) -> None:
    faults(await send(door, "POST", path, json={}, headers={"authorization": "Bearer other"}), 401)
