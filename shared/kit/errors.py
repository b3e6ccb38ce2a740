"""Every way a request or a record can fail, as one tree.

Failure                       code, retryable, and a sentence that never repeats what was sent
├── Invalid                   the sender must change something; carries one Fault per place
│   ├── Malformed             the bytes are not what their content type says
│   ├── TooLarge              a limit was passed
│   ├── UnsupportedMedia      a content type or encoding we do not read
│   └── Unprocessable         well-formed, but breaks a rule
├── Unauthenticated           no principal, or one that cannot be verified
├── Forbidden                 a principal, but not one that may do this
├── NotFound                  nothing here for this tenant
├── Conflict                  more than one thing fits; the sender chooses
├── Changed                   it is not what the sender expects any more
├── QuotaExceeded             more than the tenant may send now
└── Unavailable               ours to mend; the same request may succeed later
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

MAX_FAULTS = 100
"""Faults of one failure. Beyond it a list helps nobody, and an answer must stay within Lambda's 6 MB."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at one place.

    `pointer` is a JSON Pointer (RFC 6901) into the request body ("" is the whole of it), `code` a stable word
    for programs, `detail` a sentence for people. None of them repeats the value that was sent.
    """

    pointer: str
    code: str
    detail: str


class Failure(Exception):
    """The root. `code` is stable and public; `retryable` says whether the same request may succeed later.

    At most `MAX_FAULTS` of `faults` are kept. `members` are told to the client beside the detail, for programs
    (RFC 9457, 3.2), and `headers` beside the document.
    """

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        detail: str,
        *,
        faults: tuple[Fault, ...] = (),
        retry_after_seconds: int | None = None,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = faults[:MAX_FAULTS]
        self.retry_after_seconds = retry_after_seconds
        self.members = members or {}
        self.headers = headers or {}


class Invalid(Failure):
    """The sender must change something before sending again."""

    code = "invalid"


class Malformed(Invalid):
    """The bytes are not what their content type says."""

    code = "malformed"


class TooLarge(Invalid):
    """A stated limit was passed."""

    code = "too_large"


class UnsupportedMedia(Invalid):
    """A content type or content encoding that is not read here."""

    code = "unsupported_media_type"


class Unprocessable(Invalid):
    """Well-formed, but a rule is broken; `faults` name each place."""

    code = "unprocessable"


class Unauthenticated(Failure):
    """No credentials, or credentials that cannot be verified."""

    code = "unauthenticated"


class Forbidden(Failure):
    """The principal may not do this at all, whatever it is done to."""

    code = "forbidden"


class NotFound(Failure):
    """Nothing here for this tenant; a foreign object looks the same as none."""

    code = "not_found"


class Conflict(Failure):
    """The request fits more than one thing, and only the sender can say which."""

    code = "conflict"


class Changed(Failure):
    """It has changed since the sender read it, so what was sent is not applied."""

    code = "changed"


class QuotaExceeded(Failure):
    """The tenant has sent more than it may. The same request may succeed after `retry_after_seconds`."""

    code = "quota_exceeded"
    retryable = True


class Unavailable(Failure):
    """A part we depend on is away. The same request may succeed after `retry_after_seconds`."""

    code = "unavailable"
    retryable = True
