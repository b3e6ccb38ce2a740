"""What storage would refuse, found in suspects without an object for each of their numbers."""

import tracemalloc

import pytest

from shared.events.content import faults_in
from shared.events.limits import MAX_EVENT_BYTES


def found(data: str) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in faults_in(data.encode(), "")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('[1,"1e999",1e999,[],{},-1e-999,"\\"1e999",1e11]', ["/2", "/5"]),
        ('{"1e999":1e11,"a":{"b":[true,-1E+400]},"a":1}', ["/a/b/1"]),
        ("1e999", [""]),
        ("[" + "9" * 310 + "," + "9" * 308 + "," + "1." + "1" * 398 + "," + "1." + "1" * 399 + "]", ["/0", "/3"]),
        ("[" + "9" * 299 + "e9," + "9" * 299 + "e10,-" + "9" * 299 + "E+10]", ["/1", "/2"]),
        ("[0e999,0.0e-350,0e400,5e-324,1e-330,1e00010]", ["/0", "/4"]),
        ("[" + "9" * 5000 + ',"' + "9" * 5000 + '"]', ["/0"]),
    ],
)
def test_numbers_out_of_range_are_named_by_their_places(data: str, expected: list[str]) -> None:
    assert found(data) == [(place, "number") for place in expected]


def test_characters_and_numbers_are_named_together() -> None:
    data = r'{"a":["\u0000","\\u0000",1e999],"\u0000":[[[1e999]]]}'
    assert found(data) == [("/a/0", "nul"), ("/a/2", "number"), ("", "nul"), ("/?/0/0/0", "number")]


def test_numbers_together_are_as_long_as_they_are_written_out() -> None:
    # 1e300 has 305 bytes written out, as it is counted: its text and its power.
    within, left = divmod(MAX_EVENT_BYTES, 305)
    words = ',true,false,null,"1e300","e",' * 20
    fits = "[" + "1e300," * within + words.strip(",").replace(",,", ",") + "," + "1" * left + "]"
    assert found(fits) == []
    assert found(fits.replace("]", ",1]")) == [("", "number")]


@pytest.mark.parametrize("first", ["1e11", "1e999", '"\\u0000"'])
def test_a_second_look_takes_no_object_for_each_number(first: str) -> None:
    data = ("[" + first + ",1" * 130_000 + "]").encode()
    tracemalloc.start()
    try:
        faults_in(data, "")
        assert tracemalloc.get_traced_memory()[1] < 12 * len(data)
    finally:
        tracemalloc.stop()
