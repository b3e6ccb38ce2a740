"""The spool: a bucket, and a queue that hears of every object put into it."""

import aws_cdk as core
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.profiles import Profile
from functions.catalog import Objects
from shared.events.objects import PREFIX, UNREADABLE

_WOKEN_FOR_DAYS = 14  # the longest that SQS keeps a message: so long an outage may last
_AT_ONCE = 2  # one would do, and a mapping takes no less; two do each other no harm
_SET_ASIDE_DAYS = 90  # long enough for people to see them, and no store of events that never ends


class Spool(Construct):
    """Where events lie while Kafka is away.

    A message is a wake-up and nothing more: the bucket's list says what is to be done. So no message goes to a dead
    letter queue, where it would wake nobody; it comes back until the spool is empty.
    """

    def __init__(self, scope: Construct, *, profile: Profile, trigger: Objects) -> None:
        super().__init__(scope, "Spool")
        self._trigger = trigger
        self.queue = sqs.Queue(
            self,
            "Queue",
            queue_name=f"{profile.name}-spool",
            visibility_timeout=core.Duration.seconds(trigger.retry_seconds),
            retention_period=core.Duration.days(_WOKEN_FOR_DAYS),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
        )
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            lifecycle_rules=[
                s3.LifecycleRule(id="set-aside", prefix=UNREADABLE, expiration=core.Duration.days(_SET_ASIDE_DAYS))
            ],
            removal_policy=core.RemovalPolicy.RETAIN,  # what lies here was acknowledged
        )
        self._notify()

    def write(self, function: lambda_.Function) -> None:
        """Let `function` put objects, and do nothing else."""
        self._allow(function, f"{PREFIX}*", "s3:PutObject")

    def drain(self, function: lambda_.Function) -> None:
        """Wake `function` for every object, and let it list, read, remove and set objects aside."""
        self._allow(function, f"{PREFIX}*", "s3:GetObject", "s3:DeleteObject")
        self._allow(function, f"{UNREADABLE}*", "s3:PutObject")
        # Without a condition: of an object that is gone S3 says 404 only to who may list, and 403 to others.
        function.add_to_role_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn]))
        function.add_event_source(
            sources.SqsEventSource(
                self.queue,
                batch_size=self._trigger.batch_size,
                report_batch_item_failures=True,
                max_concurrency=_AT_ONCE,
            )
        )

    def erase(self, function: lambda_.Function) -> None:
        """Let `function` list, read, write and remove objects: one is written again without what is to be gone."""
        self._allow(function, f"{PREFIX}*", "s3:GetObject", "s3:PutObject", "s3:DeleteObject")
        function.add_to_role_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn]))

    def _allow(self, function: lambda_.Function, names: str, *actions: str) -> None:
        # Not the construct's grants: those also give tags, legal holds and all versions.
        statement = iam.PolicyStatement(actions=list(actions), resources=[self.bucket.arn_for_objects(names)])
        function.add_to_role_policy(statement)

    def _notify(self) -> None:
        # In the bucket's own properties: the construct's way is a custom resource with a function of its own. The
        # policy names the account and not the bucket, which would make a circle.
        policy = self.queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self.queue.queue_arn],
                conditions={"StringEquals": {"aws:SourceAccount": core.Stack.of(self).account}},
            )
        )
        resource = self.bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(
                    event="s3:ObjectCreated:*",
                    queue=self.queue.queue_arn,
                    filter=s3.CfnBucket.NotificationFilterProperty(
                        s3_key=s3.CfnBucket.S3KeyFilterProperty(
                            rules=[s3.CfnBucket.FilterRuleProperty(name="prefix", value=PREFIX)]
                        )
                    ),
                )
            ]
        )
        if policy.policy_dependable is not None:
            self.bucket.node.add_dependency(policy.policy_dependable)
