"""The queue of jobs, and who may do what with it."""

from typing import Any

from functions.catalog import JOBS, Steps
from shared.jobs.engine import LEASE_SECONDS
from tests.stacks.template import Template, target

QUEUE = "AWS::SQS::Queue"


def queue_id(template: Template) -> str:
    (found,) = [each for each in template.ids(QUEUE) if template.properties(each).get("QueueName") == "local-jobs"]
    return found


def senders(template: Template) -> set[str]:
    """The functions whose role may send to the queue."""
    queue, found = queue_id(template), set()
    for name in ("ingest", "query", "manage", "persist", "bury", "drain", "jobs", "migrate", "maintain"):
        for statement in template.statements_of_role(target(template.function(f"local-{name}")["Role"])):
            actions: Any = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            if "sqs:SendMessage" in actions:
                assert target(statement["Resource"]) == queue
                found.add(name)
    return found


def test_a_message_begins_one_step(template: Template) -> None:
    mapping = template.mapping("local-jobs")
    assert target(mapping["EventSourceArn"]) == queue_id(template)
    assert mapping["BatchSize"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_message_comes_back_after_the_lease_and_the_lease_ends_after_the_function(template: Template) -> None:
    assert isinstance(JOBS.trigger, Steps)
    queue = template.properties(queue_id(template))
    assert queue["VisibilityTimeout"] == JOBS.trigger.retry_seconds > LEASE_SECONDS > JOBS.timeout_seconds
    assert "RedrivePolicy" not in queue


def test_only_those_who_begin_steps_may_send(template: Template) -> None:
    assert senders(template) == {"manage", "jobs", "maintain"}
    for name in ("manage", "jobs", "maintain"):
        variables = template.function(f"local-{name}")["Environment"]["Variables"]
        assert target(variables["JOBS_QUEUE_URL"]) == queue_id(template)
