"""The function of jobs, as Lambda sees it."""

from typing import Any
from uuid import UUID, uuid4

from shared.jobs.engine import Stepped
from shared.jobs.messages import encode
from shared.kit.deadline import Deadline
from shared.kit.errors import Unavailable
from shared.runtime.jobs import step_handler
from tests.unit.test_queue import Context

_JOB = uuid4()


def event(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": f"message-{place}", "body": body} for place, body in enumerate(bodies)]}


def again(*places: int) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": f"message-{place}"} for place in places]}


def test_a_message_begins_a_step_of_the_job_that_it_names_with_the_time_that_there_is() -> None:
    begun: list[tuple[UUID, float]] = []

    async def step(job: UUID, deadline: Deadline) -> Stepped:
        begun.append((job, deadline.left()))
        return Stepped(job)

    assert step_handler(step)(event(encode(_JOB)), Context(60_000)) == again()
    ((job, left),) = begun
    assert job == _JOB
    assert 50 < left <= 58


def test_a_message_whose_step_cannot_go_on_comes_again() -> None:
    async def step(job: UUID, deadline: Deadline) -> Stepped:
        raise Unavailable("The database does not answer.")

    assert step_handler(step)(event(encode(_JOB)), Context()) == again(0)


def test_a_message_that_is_none_of_ours_is_done_with_and_its_neighbour_is_done() -> None:
    begun: list[UUID] = []

    async def step(job: UUID, deadline: Deadline) -> Stepped:
        begun.append(job)
        return Stepped(job)

    handler = step_handler(step)
    assert handler(event("{", '{"job": "x"}', "[]", encode(_JOB)), Context()) == again()
    assert begun == [_JOB]
