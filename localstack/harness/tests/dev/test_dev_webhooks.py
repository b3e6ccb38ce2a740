"""Events out of recorded webhooks, and the figures and rows made of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from millrace_harness.dev.failed import Failed
from millrace_harness.dev.figures import init_ms, mebibytes, percentile, stored_after_ms
from millrace_harness.dev.tables import event_rows
from millrace_harness.dev.webhooks import SOURCE, event, parcels, read

SAMPLES = Path(__file__).resolve().parents[4] / "tests" / "samples" / "github-webhooks.ndjson"


def test_the_samples_are_fifty_events_of_many_types() -> None:
    events = read(SAMPLES, run="a1")
    assert len(events) == 50
    assert len({one["type"] for one in events}) >= 45
    assert max(len(json.dumps(one["data"])) for one in events) < 25_000


def test_every_run_has_ids_of_its_own() -> None:
    first = {one["id"] for one in read(SAMPLES, run="a1")}
    second = {one["id"] for one in read(SAMPLES, run="b2")}
    assert len(first) == len(second) == 50
    assert not first & second


def test_a_webhook_becomes_an_event_about_its_repository() -> None:
    payload = {"action": "opened", "repository": {"full_name": "octo/hello"}, "issue": {"number": 1}}
    assert event({"event": "issues", "example": "opened", "payload": payload}, id_="x") == {
        "type": "com.github.issues.opened",
        "source": SOURCE,
        "subject": "octo/hello",
        "id": "x",
        "data": payload,
    }


def test_a_webhook_without_action_or_repository_has_neither_in_its_event() -> None:
    made = event({"event": "ping", "example": "payload", "payload": {"zen": "Keep it simple."}}, id_="x")
    assert made["type"] == "com.github.ping"
    assert "subject" not in made


def test_samples_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.ndjson").write_text('{"event": "push"}\n')
    for name in ("missing.ndjson", "broken.ndjson"):
        with pytest.raises(Failed, match="restore the file"):
            read(tmp_path / name, run="a1")


def test_parcels_hold_every_event_once_in_order() -> None:
    events = [{"id": str(number)} for number in range(23)]
    sent = list(parcels(events, single=3, size=8))
    assert [len(parcel) for parcel in sent] == [1, 1, 1, 8, 8, 4]
    assert [one for parcel in sent for one in parcel] == events


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == expected


def test_the_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 0.5) == percentile([7.0], 0.99) == 7.0


def test_an_event_tells_how_long_it_took_to_be_stored() -> None:
    assert stored_after_ms(told("2026-11-25T10:00:00.100000Z", "2026-11-25T10:00:00.142Z")) == pytest.approx(42)


def test_an_event_that_is_not_stored_has_no_time_for_it() -> None:
    accepted = told("2026-11-25T10:00:00Z", "2026-11-25T10:00:01Z") | {
        "timeline": [{"state": "accepted", "at": "2026-11-25T10:00:00Z"}]
    }
    assert stored_after_ms(accepted) is None
    assert event_rows([accepted]) == [["x", "com.github.ping", "3", "7", "10:00:00.000", "", ""]]


def test_a_row_tells_where_an_event_lies_and_when_it_got_there() -> None:
    row = ["x", "com.github.ping", "3", "7", "10:00:00.100", "10:00:00.142", "42"]
    assert event_rows([told("2026-11-25T10:00:00.100Z", "2026-11-25T10:00:00.142Z")]) == [row]


def test_the_init_duration_is_found_in_both_of_lambdas_formats() -> None:
    text = "REPORT RequestId: 1\tDuration: 3.21 ms\tMemory Size: 512 MB\tInit Duration: 812.34 ms\t"
    report = {"time": "t", "type": "platform.report", "record": {"metrics": {"durationMs": 3, "initDurationMs": 640.5}}}
    assert init_ms([text, "REPORT RequestId: 2\tDuration: 1 ms\t"]) == 812.34
    assert init_ms([text, json.dumps(report)]) == 640.5


def test_a_function_that_was_never_started_has_no_init_duration() -> None:
    warm = json.dumps({"type": "platform.report", "record": {"metrics": {"durationMs": 3}}})
    assert init_ms([]) is None
    assert init_ms(["START RequestId: 1", warm, "said platform.report itself"]) is None


def test_memory_is_told_in_mebibytes() -> None:
    assert mebibytes(1536 * 2**20) == "1,536 MiB"


def told(accepted: str, stored: str) -> dict[str, Any]:
    return {
        "id": "x",
        "type": "com.github.ping",
        "partition": 3,
        "offset": 7,
        "timeline": [{"state": "accepted", "at": accepted}, {"state": "stored", "at": stored}],
    }
