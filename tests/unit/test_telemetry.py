"""W3C Trace Context, level 1."""

import json
import logging

import pytest

from shared.kit.trace import Trace
from shared.runtime.telemetry import Lines

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_trace_is_continued_in_a_span_of_its_own() -> None:
    trace = Trace.continued(GIVEN)
    assert (trace.trace_id, trace.flags) == ("4bf92f3577b34da6a3ce929d0e0e4736", "01")
    assert trace.span_id != "00f067aa0ba902b7"


def test_a_trace_that_is_not_sampled_stays_so() -> None:
    assert str(Trace.continued(GIVEN[:-2] + "00")).endswith("-00")


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "junk",
        GIVEN.upper(),
        GIVEN + "-00",
        "ff" + GIVEN[2:],
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        GIVEN + "\n",
    ],
)
def test_what_cannot_be_read_begins_a_new_trace(given: str | None) -> None:
    trace = Trace.continued(given)
    assert trace.trace_id != "4bf92f3577b34da6a3ce929d0e0e4736"
    assert Trace.continued(str(trace)).trace_id == trace.trace_id


def test_what_an_adapter_logs_is_a_json_line_as_well() -> None:
    record = logging.getLogger("shared.adapters.some").makeRecord(
        "shared.adapters.some", logging.WARNING, "file", 1, "database.away", (), None, extra={"kind": "57P01"}
    )
    # Beside the handler of Powertools there are those by which pytest listens.
    (formatter,) = {
        handler.formatter for handler in logging.getLogger("shared").handlers if isinstance(handler.formatter, Lines)
    }
    line = json.loads(formatter.format(record))
    assert (line["level"], line["message"], line["kind"]) == ("WARNING", "database.away", "57P01")
