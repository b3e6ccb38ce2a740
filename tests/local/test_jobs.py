"""Jobs of a deployed stack, begun and watched through the API."""

import time
from typing import Any
from urllib.parse import urljoin
from uuid import uuid4

import httpx

from shared.events.dead import encode
from shared.events.envelope import encode as envelope
from shared.kit.clock import SystemClock
from tests.fixtures.events import an_event
from tests.local.test_dead_letters import a_letter, produce, seen

_ENDED_SECONDS = 90.0  # a bound, not an expectation: a cold environment, and a machine that has other things to do
_PAUSE_SECONDS = 0.2
_OVER = ("done", "failed", "cancelled")


def begun(api: httpx.Client, path: str, **asked: Any) -> dict[str, Any]:
    response = api.post(path, json=asked)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    place = urljoin(str(response.request.url), response.headers["location"])
    assert api.get(place).json()["id"] == job["id"]
    return job


def ended(api: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + _ENDED_SECONDS
    while (found := api.get(f"/v1/jobs/{job['id']}").json())["state"] not in _OVER:
        assert time.monotonic() < deadline, found
        time.sleep(_PAUSE_SECONDS)
    return dict(found)


def read_back(api: httpx.Client, id_: str) -> dict[str, Any]:
    deadline = time.monotonic() + _ENDED_SECONDS
    while (response := api.get(f"/v1/events/{id_}")).status_code == 404:
        assert time.monotonic() < deadline, f"{id_} is not stored"
        time.sleep(_PAUSE_SECONDS)
    response.raise_for_status()
    return dict(response.json())


def test_a_dead_letter_is_redriven_and_read_back_and_another_is_discarded(api: httpx.Client) -> None:
    events = [an_event(str(uuid4()), tenant="demo", received_at=SystemClock().now()) for _ in range(2)]
    letters = [a_letter(envelope(event)) for event in events]
    produce(*map(encode, letters), partition=2)
    for letter in letters:
        seen(api, letter.id)
    counted = ended(api, begun(api, "/v1/dead-letters/redrive", ids=[str(letters[0].id)], dry_run=True))
    assert (counted["state"], counted["progress"]["done"]) == ("done", 1)
    assert seen(api, letters[0].id)["state"] == "dead"
    job = ended(api, begun(api, "/v1/dead-letters/redrive", ids=[str(letters[0].id)]))
    assert (job["state"], job["progress"]["done"], job["progress"]["failed"]) == ("done", 1, 0)
    assert seen(api, letters[0].id)["settled_by"] == job["id"]
    assert read_back(api, events[0].id)["data"] == {"made": True}
    gone = ended(api, begun(api, "/v1/dead-letters/discard", ids=[str(letters[1].id)]))
    assert (gone["state"], seen(api, letters[1].id)["state"]) == ("done", "discarded")
    assert api.get(f"/v1/events/{events[1].id}").status_code == 404


def test_a_replay_over_http_brings_an_event_to_the_log_again(api: httpx.Client) -> None:
    before = SystemClock().now().isoformat()
    type_ = f"t-{uuid4()}"
    sent = api.post("/v1/events", json={"type": type_, "data": {"number": 1}}, headers={"prefer": "wait=5"}).json()
    read_back(api, sent["id"])
    span = {"from": before, "to": SystemClock().now().isoformat(), "filter": {"type": type_}}
    found = ended(api, begun(api, "/v1/replays", **span))
    assert (found["state"], found["progress"]["done"], found["progress"]["skipped"]) == ("done", 0, 1)
    forced = ended(api, begun(api, "/v1/replays", **span, mode="force"))
    assert (forced["state"], forced["progress"]["done"], forced["result"]["sample"]) == ("done", 1, [sent["id"]])
    assert len(api.get("/v1/events", params={"type": type_}).json()["events"]) == 1


def test_a_job_is_paused_resumed_and_cancelled(api: httpx.Client) -> None:
    job = begun(api, "/v1/erasures", subject=f"nobody-{uuid4()}")  # it waits for what is on its way: there is time
    place = f"/v1/jobs/{job['id']}"
    assert api.post(f"{place}/pause").json()["state"] == "paused"
    assert api.post(f"{place}/resume").json()["state"] in ("queued", "running")
    assert api.post(f"{place}/cancel").json()["state"] == "cancelled"
    assert api.post(f"{place}/resume").status_code == 409
    assert api.get("/v1/jobs").json()["jobs"][0]["id"] == job["id"]
