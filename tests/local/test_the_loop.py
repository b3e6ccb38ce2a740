"""An event goes in by the API Gateway URL, through Kafka into PostgreSQL, and comes back out of the same URL."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import httpx

from tests.fixtures.deployment import Ledger, read_back

SAMPLES = Path(__file__).parents[1] / "samples" / "github-webhooks.ndjson"


def test_an_event_is_read_back_as_it_was_sent_with_its_place_and_timeline(api: httpx.Client) -> None:
    event = {"type": "test.loop", "source": "urn:test", "id": str(uuid4()), "subject": "s", "data": {"a": [1, None]}}
    accepted = api.post("/v1/events", json=event)
    assert accepted.status_code == 202
    receipt = accepted.json()
    assert receipt["status"] == "accepted"
    found = read_back(api, receipt["id"])
    assert api.get(accepted.url.join(accepted.headers["location"])).json() == found
    assert {name: found[name] for name in event} == event
    assert (found["partition"], found["offset"]) == (receipt["partition"], receipt["offset"])
    states = [entry["state"] for entry in found["timeline"]]
    moments = [datetime.fromisoformat(entry["at"]) for entry in found["timeline"]]
    assert states == ["accepted", "stored"]
    assert moments == sorted(moments)


def test_a_structured_cloudevent_keeps_its_attributes(api: httpx.Client) -> None:
    event = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/sensors/7",
        "type": "test.cloudevent",
        "time": "2026-01-02T03:04:05Z",
        "datacontenttype": "application/octet-stream",
        "partitionkey": "seven",
        "sampled": True,
        "data_base64": "AAEC",
    }
    headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
    assert api.post("/v1/events", content=json.dumps(event), headers=headers).status_code == 202
    found = read_back(api, str(event["id"]))
    assert {name: found[name] for name in event if name != "specversion"} == {
        name: value for name, value in event.items() if name != "specversion"
    }


def test_real_webhooks_of_a_batch_come_back_equal(api: httpx.Client) -> None:
    webhooks = [json.loads(line) for line in SAMPLES.read_text().splitlines()[:20]]
    events = [{"type": f"com.github.{one['event']}", "id": str(uuid4()), "data": one["payload"]} for one in webhooks]
    response = api.post("/v1/events/batch", json={"events": events})
    assert response.status_code == 202
    answer = response.json()
    assert (answer["accepted"], answer["retry"], len(answer["results"])) == (20, 0, 20)
    for event, result in zip(events, answer["results"], strict=True):
        found = read_back(api, str(event["id"]))
        assert found["data"] == event["data"]
        assert (found["partition"], found["offset"]) == (result["partition"], result["offset"])


def test_events_of_one_key_lie_in_one_partition_in_the_order_sent(api: httpx.Client) -> None:
    key = str(uuid4())
    receipts = [api.post("/v1/events", json={"type": "t", "key": key, "data": n}).json() for n in range(5)]
    assert len({receipt["partition"] for receipt in receipts}) == 1
    offsets = [receipt["offset"] for receipt in receipts]
    assert offsets == sorted(set(offsets))


def test_an_event_sent_twice_is_one_row(api: httpx.Client, ledger: Ledger) -> None:
    first = ledger.post(api, id=f"twice-{uuid4()}", source="urn:test")
    assert first.status_code == 202
    again = api.post("/v1/events", json={"type": "t", "source": "urn:test", "id": first.json()["id"], "data": 2})
    assert again.status_code == 202
    # The later record of the same partition key lies behind the repeated one: once it is stored, both have been seen.
    ledger.post(api, key=first.json()["id"])
    ledger.assert_stored_once()
    assert read_back(api, first.json()["id"])["data"] == {"id": first.json()["id"]}


def test_pages_joined_by_their_links_hold_every_event_once(api: httpx.Client, url: str) -> None:
    type_ = f"test.pages.{uuid4()}"
    events = [{"type": type_, "id": str(uuid4()), "data": n} for n in range(7)]
    assert api.post("/v1/events/batch", json=events).status_code == 202
    for event in events:
        read_back(api, str(event["id"]))
    seen: list[str] = []
    path = f"/v1/events?type={type_}&limit=3&order=asc"
    while path:
        page = api.get(path)
        page.raise_for_status()
        seen += [event["id"] for event in page.json()["events"]]
        following = page.links.get("next", {}).get("url")
        path = str(page.url.join(following)) if following else ""
    assert sorted(seen) == sorted(str(event["id"]) for event in events)


def test_twenty_clients_at_once_are_all_served(api: httpx.Client, ledger: Ledger) -> None:
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: ledger.post(api).status_code, range(60)))
    assert statuses == [202] * 60
    ledger.assert_stored_once()


def test_the_health_of_the_log_is_told(api: httpx.Client) -> None:
    assert api.get("/health/live").json() == {"status": "live"}
    assert api.get("/health/ready").json() == {"status": "ready", "log": "ready"}


def test_another_tenant_s_door_stays_shut(url: str) -> None:
    token = os.environ["MILLRACE_TOKEN"]
    for authorization in (None, "Bearer", f"Bearer {token}x", f"Basic {token}", token):
        headers = {} if authorization is None else {"authorization": authorization}
        for method, path in (("POST", "/v1/events"), ("POST", "/v1/events/batch"), ("GET", "/v1/events")):
            response = httpx.request(method, url + path, headers=headers, json={"type": "t", "data": 1}, timeout=30)
            assert response.status_code == 401, (method, path)
            assert response.headers["www-authenticate"] == "Bearer"
            assert token not in response.text
