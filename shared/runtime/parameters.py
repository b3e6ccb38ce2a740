"""What a request asks for beside its body."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec
from fastapi import Request, Response

from shared.events.limits import YEARS
from shared.kit.errors import Fault, NotFound, Unprocessable
from shared.kit.pointer import escape

MAX_WAIT_SECONDS = 8
"""`Prefer: wait`. A function has 10 s, and needs some of them for itself."""

# RFC 7240: preferences are separated by commas, and one that is not understood is passed over.
_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?=$|[,;])', re.I)

# RFC 9110, 8.8.3 and 13.1.1: weak tags never match here.
_TAG = re.compile(r'(?:^|,)\s*"([\x21\x23-\x7e]*)"\s*(?=$|,)')

_TAGS_OF_ANY_KIND = re.compile(r'(?:^|,)\s*(?:W/)?("[\x21\x23-\x7e]*")\s*(?=$|,)')

_MOMENT = "Use an RFC 3339 date and time with an offset, between the years 2 and 9998."
_RULES = {
    "since": _MOMENT,
    "until": _MOMENT,
    "order": "Use asc or desc.",
    "limit": "Use a whole number from 1 to 200.",
}


def parameters[T: msgspec.Struct](
    request: Request, kind: type[T], *, whole: Collection[str] = ("limit",), rules: Mapping[str, str] | None = None
) -> T:
    """The query as a `kind`, whose fields are the parameters and all have defaults. Those in `whole` are numbers.

    `rules` say what is right for a parameter of which that is not known here.

    Raises:
        Unprocessable: a parameter that is not known, that was given twice, or that is not of its field's type.
    """
    texts = one_each(request, kind.__struct_fields__)
    given = {name: _typed(text, is_whole=name in whole) for name, text in texts.items()}
    faults = []
    for name, value in given.items():
        try:
            _require_year(getattr(msgspec.convert({name: value}, kind), name))
        except ValueError:
            rule = (_RULES | dict(rules or {})).get(name, "This value is not allowed here.")
            faults.append(Fault(f"/{name}", "parameter", rule))
    if faults:
        raise Unprocessable("The query cannot be answered.", faults=tuple(faults))
    return msgspec.convert(given, kind)


def one_each(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    """The query parameters, each known and given once: a typing error must not widen an answer in silence.

    Raises:
        Unprocessable: one is not.
    """
    faults = []
    for name in request.query_params:
        if name not in known:
            faults.append(Fault(f"/{escape(name)}", "unknown_parameter", f"Known here: {', '.join(known)}."))
        elif len(values := request.query_params.getlist(name)) > 1 or "\0" in values[0]:
            faults.append(Fault(f"/{name}", "parameter", "Give this parameter once, without U+0000."))
    if faults:
        raise Unprocessable("The query cannot be answered.", faults=tuple(faults))
    return dict(request.query_params)


def id_of(text: str, absent: str) -> UUID:
    """The id that a path names.

    Raises:
        NotFound: it is no id at all, and nothing has it; `absent` says so.
    """
    try:
        return msgspec.convert(text, UUID)
    except msgspec.ValidationError:
        raise NotFound(absent) from None


def link_to_next(request: Request, cursor: str | None) -> dict[str, str]:
    """The header that leads to the page that begins at `cursor` (RFC 8288), if there is one."""
    if cursor is None:
        return {}
    following = urlencode(dict(request.query_params) | {"cursor": cursor}, quote_via=quote)
    # Relative: a gateway's stage stands before our paths, and we are not told of it.
    return {"link": f'<?{following}>; rel="next"'}


def if_match(request: Request) -> list[str] | None:
    """The entity tags of `If-Match`, without their quotes, or `["*"]`; None where it was not sent."""
    given = request.headers.getlist("if-match")
    if not given or given == ["*"]:
        return given or None
    return _TAG.findall(",".join(given))


def is_known(request: Request, tag: str) -> bool:
    """Whether `If-None-Match` names the entity tag `tag`, which has its quotes (RFC 9110, 13.1.2: weak ones match)."""
    given = ",".join(request.headers.getlist("if-none-match"))
    return given.strip() == "*" or tag in _TAGS_OF_ANY_KIND.findall(given)


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


def _typed(text: str, *, is_whole: bool) -> str | int:
    # By hand: msgspec's own reading of texts takes "null" for no filter at all, and a bare number for a time.
    return int(text) if is_whole and re.fullmatch("[0-9]{1,9}", text) else text


def _require_year(value: object) -> None:
    if isinstance(value, datetime) and value.year not in YEARS:
        raise ValueError
