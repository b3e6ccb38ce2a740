"""What a request asks for beside its body."""

import re

from fastapi import Request, Response

from shared.kit.errors import Fault, Unprocessable
from shared.kit.pointer import escape

MAX_WAIT_SECONDS = 8
"""`Prefer: wait`. A function has 10 s, and needs some of them for itself."""

# RFC 7240: preferences are separated by commas, and one that is not understood is passed over.
_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?=$|[,;])', re.I)


def wait_seconds(request: Request) -> int:
    """The seconds of `Prefer: wait=N`, at most 8; 0 without it."""
    match = _WAIT.search(",".join(request.headers.getlist("prefer")))
    return min(int(match[1]), MAX_WAIT_SECONDS) if match else 0


def applied(response: Response, wait: int) -> Response:
    """The answer, saying that the request's preference was followed (RFC 7240, section 3)."""
    if wait:
        response.headers["preference-applied"] = f"wait={wait}"
    return response


def only_errors(request: Request) -> bool:
    """Whether `?results=errors` asks for the events that were not taken only.

    Raises:
        Unprocessable: another parameter, or another value: a typing error must not change an answer in silence.
    """
    faults = [
        Fault(f"/{escape(name)}", "unknown_parameter", "Known here: results.")
        for name in request.query_params
        if name != "results"
    ]
    given = request.query_params.getlist("results")
    if len(given) > 1 or (given and given[0] not in ("all", "errors")):
        faults.append(Fault("/results", "parameter", "Use all or errors, once."))
    if faults:
        raise Unprocessable("The query is not understood.", faults=tuple(faults))
    return given == ["errors"]
