"""The queue of jobs: a message begins a step, and a step sends the message that begins the next."""

import aws_cdk as core
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.profiles import Profile
from functions.catalog import Steps

_KEPT_DAYS = 14
_AT_ONCE = 5  # steps of different jobs: together they share the log with what is new


class JobsQueue(Construct):
    """What is to be done stands in the database; a message only says that it is time.

    So no message goes to a dead letter queue, where it would wake nobody: one that cannot be done comes back, and jobs
    that nobody wakes are found every minute. What gets nowhere ends in the job's own state, after a bounded number of
    steps.
    """

    def __init__(self, scope: Construct, *, profile: Profile, trigger: Steps) -> None:
        super().__init__(scope, "JobsQueue")
        self.queue = sqs.Queue(
            self,
            "Queue",
            queue_name=f"{profile.name}-jobs",
            visibility_timeout=core.Duration.seconds(trigger.retry_seconds),
            retention_period=core.Duration.days(_KEPT_DAYS),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
        )

    def wake(self, function: lambda_.Function) -> None:
        """Let `function` begin steps, and do nothing else."""
        function.add_to_role_policy(iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.queue.queue_arn]))

    def step(self, function: lambda_.Function) -> None:
        """Begin `function` for every message."""
        function.add_event_source(
            sources.SqsEventSource(self.queue, batch_size=1, report_batch_item_failures=True, max_concurrency=_AT_ONCE)
        )
