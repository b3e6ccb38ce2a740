"""One event as CloudEvents 1.0, structured."""

import json
from typing import Any

import pytest

from shared.events.limits import MAX_EXTENSIONS
from shared.events.media import STRUCTURED
from shared.events.model import NO_DATA, written
from shared.kit.errors import Unprocessable
from tests.fixtures.bodies import parse_event

REQUIRED = {"specversion": "1.0", "id": "order-1", "source": "/shop", "type": "order.placed"}


def body(**members: Any) -> bytes:
    return json.dumps(REQUIRED | members).encode()


def faults(**members: Any) -> list[tuple[str, str]]:
    with pytest.raises(Unprocessable) as failure:
        parse_event(body(**members), STRUCTURED)
    return [(fault.pointer, fault.code) for fault in failure.value.faults]


def test_the_four_required_attributes_are_enough() -> None:
    draft = parse_event(body(), STRUCTURED)
    assert (draft.id, draft.source, draft.type) == ("order-1", "/shop", "order.placed")
    assert written(draft.data) is None
    assert draft.extensions == {}


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_attribute_that_is_missing_is_named(name: str) -> None:
    content = json.dumps({known: value for known, value in REQUIRED.items() if known != name}).encode()
    with pytest.raises(Unprocessable) as failure:
        parse_event(content, STRUCTURED)
    assert [(fault.pointer, fault.code) for fault in failure.value.faults] == [(f"/{name}", "required")]


def test_optional_attributes_are_taken_over() -> None:
    draft = parse_event(
        body(
            subject="x", time="2026-01-02T03:04:05Z", datacontenttype="application/json", dataschema="/schema", data=[1]
        ),
        STRUCTURED,
    )
    assert (draft.subject, draft.datacontenttype, draft.dataschema) == ("x", "application/json", "/schema")
    assert draft.time is not None
    assert written(draft.data) == b"[1]"


def test_null_data_is_not_the_same_as_none() -> None:
    assert written(parse_event(body(data=None), STRUCTURED).data) == b"null"
    assert written(parse_event(body(), STRUCTURED).data) is None


def test_a_null_attribute_is_the_same_as_none() -> None:
    draft = parse_event(
        body(subject=None, time=None, datacontenttype=None, data_base64=None, anything=None), STRUCTURED
    )
    assert draft == parse_event(body(), STRUCTURED)


def test_data_base64_is_kept_as_it_was_sent() -> None:
    draft = parse_event(body(data_base64="aGk="), STRUCTURED)
    assert (draft.data_base64, draft.data) == ("aGk=", NO_DATA)


def test_null_data_beside_data_base64_counts_as_none() -> None:
    assert written(parse_event(body(data=None, data_base64="aGk="), STRUCTURED).data) is None


@pytest.mark.parametrize("text", ["a", "aGk", "aG k=", "aGk=\n", "aGk-", "é"])
def test_base64_that_is_none_is_refused(text: str) -> None:
    assert faults(data_base64=text) == [("/data_base64", "base64")]


def test_two_kinds_of_data_are_refused() -> None:
    assert faults(data=1, data_base64="aGk=") == [("/data_base64", "two_data")]


def test_extensions_keep_their_types() -> None:
    wanted = {"text": "x", "yes": True, "number": -(2**31), "most": 2**31 - 1, "empty": ""}
    extensions = parse_event(body(**wanted), STRUCTURED).extensions
    assert extensions == wanted
    assert extensions["yes"] is True


def test_partitionkey_decides_the_order_and_stays_an_extension() -> None:
    draft = parse_event(body(partitionkey="customer-1"), STRUCTURED)
    assert (draft.key, draft.extensions) == ("customer-1", {"partitionkey": "customer-1"})


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("Upper", 1, "unknown_field"),
        ("under_score", 1, "unknown_field"),
        ("a" * 21, 1, "unknown_field"),
        ("", 1, "unknown_field"),
        ("partition", 1, "unknown_field"),
        ("offset", 1, "unknown_field"),
        ("position", "0:1", "unknown_field"),
        ("timeline", 1, "unknown_field"),
        ("half", 0.5, "type"),
        ("list", [1], "type"),
        ("large", 2**31, "number"),
        ("larger", 2**70, "number"),
        ("nul", "a\0", "characters"),
        ("long", "x" * 1025, "length"),
    ],
)
def test_an_extension_that_breaks_a_rule_is_named(name: str, value: object, code: str) -> None:
    assert faults(**{name: value}) == [(f"/{name}", code)]


def test_extensions_are_counted() -> None:
    most: dict[str, Any] = {f"ext{number}": number for number in range(MAX_EXTENSIONS)}
    assert parse_event(body(**most), STRUCTURED).extensions == most
    assert faults(**most, another=1) == [("", "extensions")]


def test_faults_of_several_places_are_listed_together() -> None:
    found = faults(Upper=1, half=0.5, data="\0", time="0001-01-01T00:00:00Z")
    assert found == [("/Upper", "unknown_field"), ("/half", "type"), ("/data", "nul"), ("/time", "time")]


def test_another_version_of_cloudevents_is_refused() -> None:
    assert faults(specversion="0.3") == [("/specversion", "value")]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("partitionkey", "", "key"),
        ("partitionkey", 5, "key"),
        ("partitionkey", True, "key"),
        ("dataref", "", "uri"),
        ("dataref", 5, "uri"),
        ("dataref", "https://example.com/a b", "uri"),
        ("dataref", "https://example.com/<a>", "uri"),
        ("dataref", "https://example.com/%zz", "uri"),
        ("dataref", "/é", "uri"),
        ("expirytime", "tomorrow", "time"),
        ("expirytime", "2026-03-04T05:06:08", "time"),
        ("expirytime", 1_772_600_767, "time"),
        ("expirytime", "2026-03-04T05:06:07Z", "expired"),
        ("expirytime", "2026-03-04T06:06:06+01:00", "expired"),
        ("expirytime", "0001-01-01T00:00:00Z", "expired"),
    ],
)
def test_an_extension_that_means_something_here_must_mean_it(name: str, value: object, code: str) -> None:
    assert faults(**{name: value}) == [(f"/{name}", code)]


def test_extensions_that_mean_something_here_are_kept_like_all_others() -> None:
    wanted = {
        "expirytime": "2026-03-04T05:06:07.001+00:00",
        "dataref": "s3://bucket/a%20b?v=1#x",
        "traceparent": "not a trace",
        "tracestate": "a=b",
        "sequence": "0001",
    }
    draft = parse_event(body(**wanted), STRUCTURED)
    assert draft.extensions == wanted
    assert written(draft.data) is None


@pytest.mark.parametrize("name", ["tenant", "principal", "receivedat", "storedat", "key", "received_at", "spooled_at"])
def test_what_the_server_stamps_is_not_for_a_sender_to_say(name: str) -> None:
    assert faults(**{name: "other"}) == [(f"/{name}", "unknown_field")]


@pytest.mark.parametrize("text", ["a\u0085", "a\ufffe", "\ufdd0", "\U0001ffff"])
def test_no_attribute_holds_control_characters_or_noncharacters(text: str) -> None:
    assert faults(subject=text, region=text) == [("/region", "characters"), ("/subject", "characters")]


@pytest.mark.parametrize("text", ["\u00a0", "\u2028", "\ue000", "\u200d", "\ufffd"])
def test_characters_that_only_do_not_print_are_kept(text: str) -> None:
    draft = parse_event(body(subject=text, region=text), STRUCTURED)
    assert (draft.subject, draft.extensions) == (text, {"region": text})


@pytest.mark.parametrize("name", ["id", "region", "data"])
def test_a_member_that_was_sent_twice_is_refused(name: str) -> None:
    content = body(region="eu", data={"a": 1, "b": '"'})[:-1] + f', "{name}": "again"}}'.encode()
    with pytest.raises(Unprocessable) as failure:
        parse_event(content, STRUCTURED)
    assert [(fault.pointer, fault.code) for fault in failure.value.faults] == [(f"/{name}", "repeated")]
