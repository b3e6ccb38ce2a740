"""How the JSON of an invocation is read.

Lambda's runtime for Python is awslambdaric, also in a function that is a zip file. It reads every event with simplejson
into dictionaries, of which records are made: 4 µs for one of 1 KB, where msgspec reads the records at once, base64 and
all, in 1.7. Headers, each byte of which is a number in JSON, would make the difference several times as large. The
runtime's client has the object that reads and writes JSON as a class attribute, for authors of functions to replace
(`BaseLambdaRuntimeClient.marshaller`).
"""

import sys
from collections.abc import Callable
from typing import Any

import msgspec

_CLIENT = "awslambdaric.lambda_runtime_client"


class Marshaller:
    """Reads events of one shape by `decode`, and leaves all else to the marshaller before it."""

    def __init__(self, decode: Callable[[bytes], object], before: Any) -> None:
        self._decode = decode
        self.before = before

    def unmarshal_request(self, request: bytes, content_type: str = "application/json") -> object:
        try:
            return self._decode(request)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self.before.unmarshal_request(request, content_type)

    def marshal_response(self, response: object) -> object:
        return self.before.marshal_response(response)


def read_by(decode: Callable[[bytes], object]) -> bool:
    """Have this environment's runtime read events by `decode`; whether it will.

    False where nothing runs under that runtime, as in tests, or where a later version of it has no such attribute: then
    handlers are given what they always were.
    """
    client = getattr(sys.modules.get(_CLIENT), "BaseLambdaRuntimeClient", None)
    before = getattr(client, "marshaller", None)
    if client is None or before is None:
        return False
    client.marshaller = Marshaller(decode, before.before if isinstance(before, Marshaller) else before)
    return True
