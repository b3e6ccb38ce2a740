"""Failures become problem documents (RFC 9457)."""

import json
from http import HTTPStatus

import pytest

from shared.kit import errors
from shared.kit.errors import Failure, Fault, Invalid, QuotaExceeded, Unauthenticated, Unavailable, Unprocessable
from shared.kit.trace import Trace
from shared.runtime.problems import MEDIA_TYPE, problem_response, status_of

TRACE = Trace("a" * 32, "b" * 16, "01")
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Failure)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in (Failure, Invalid)])
def test_every_failure_has_a_status_of_its_own(kind: type[Failure]) -> None:
    statuses = [status_of(other("")) for other in KINDS]
    assert statuses.count(status_of(kind(""))) == 1
    assert status_of(kind("")) is not HTTPStatus.INTERNAL_SERVER_ERROR


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_may_succeed_later_is_retryable(kind: type[Failure]) -> None:
    assert kind.retryable == (kind in (Unavailable, QuotaExceeded))


def test_every_code_is_used_once() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)


def test_a_failure_below_another_has_the_status_of_that() -> None:
    class Special(Unprocessable):
        code = "special"

    assert status_of(Special("")) is HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_problem_document_says_all_of_it() -> None:
    failure = Unprocessable("No.", faults=(Fault("/a", "nul", "Remove it."),), members={"results": [1]})
    response = problem_response(failure, TRACE)
    assert response.status_code == 422
    assert response.headers["content-type"] == MEDIA_TYPE
    assert json.loads(bytes(response.body)) == {
        "type": "urn:millrace:problem:unprocessable",
        "title": HTTPStatus.UNPROCESSABLE_ENTITY.phrase,
        "status": 422,
        "detail": "No.",
        "code": "unprocessable",
        "retryable": False,
        "trace_id": "a" * 32,
        "errors": [{"pointer": "/a", "code": "nul", "detail": "Remove it."}],
        "results": [1],
    }


@pytest.mark.parametrize(("seconds", "told"), [(None, "2"), (7, "7")])
def test_an_absent_part_says_when_to_come_again(seconds: int | None, told: str) -> None:
    assert problem_response(Unavailable("", retry_after_seconds=seconds), TRACE).headers["retry-after"] == told


def test_a_caller_without_credentials_is_told_the_scheme() -> None:
    assert problem_response(Unauthenticated(""), TRACE).headers["www-authenticate"] == "Bearer"


def test_a_list_of_faults_has_an_end() -> None:
    response = problem_response(Unprocessable("", faults=(Fault("", "x", "y"),) * 1000), TRACE)
    assert len(json.loads(bytes(response.body))["errors"]) == 100
