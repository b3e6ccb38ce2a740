"""Waking jobs through SQS, as moto has it."""

from collections.abc import Iterator
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from shared.adapters.aws.wake import SqsWake
from shared.jobs.messages import decode
from shared.kit.errors import Unavailable


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]


async def test_a_message_names_the_job_at_once(queue: str) -> None:
    job = uuid4()
    await SqsWake(queue).wake(job, after=0)
    (message,) = boto3.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert decode(message["Body"]) == job


@pytest.mark.parametrize("after", [0.1, 30, 5000])
async def test_a_message_is_seen_after_a_while_and_sqs_is_never_asked_for_more_than_it_can(
    queue: str, after: float
) -> None:
    await SqsWake(queue).wake(uuid4(), after=after)
    assert "Messages" not in boto3.client("sqs").receive_message(QueueUrl=queue)
    attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesDelayed"] == "1"


async def test_where_there_is_no_queue_nobody_is_told(queue: str) -> None:
    with pytest.raises(Unavailable):
        await SqsWake(f"{queue}-other").wake(uuid4(), after=0)
