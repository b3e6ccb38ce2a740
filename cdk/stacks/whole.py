"""All of Millrace in one stack, over parts that stand elsewhere."""

from collections.abc import Mapping

import aws_cdk as core
from constructs import Construct

from cdk.parts.alarms import Alarms
from cdk.parts.api import Api
from cdk.parts.bundling import Bundle
from cdk.parts.consumer import consume
from cdk.parts.function import LambdaFunction
from cdk.parts.jobs import JobsQueue
from cdk.parts.migration import Migration
from cdk.parts.schedule import repeat
from cdk.parts.spool import Spool
from cdk.profiles import LOCAL, Profile
from functions.catalog import (
    DRAIN,
    FUNCTIONS,
    INGEST,
    JOBS,
    MAINTAIN,
    MANAGE,
    MIGRATE,
    Http,
    Kafka,
    Objects,
    Schedule,
    Steps,
)
from shared.events.topics import TOPICS


class Whole(core.Stack):
    """The functions of the catalog, what starts them, and the migration before them; `millrace-{stage}`.

    Outputs: `ApiId`, `ApiStage`, and the physical name of each function as `{Name}Function`.
    """

    def __init__(self, scope: Construct, *, profile: Profile, bundles: Mapping[str, Bundle]) -> None:
        super().__init__(
            scope, "Whole", stack_name=f"millrace-{profile.name}", description="Millrace, an event platform"
        )
        api = Api(self, profile=profile)
        assert isinstance(DRAIN.trigger, Objects)
        spool = Spool(self, profile=profile, trigger=DRAIN.trigger)
        assert isinstance(JOBS.trigger, Steps)
        jobs = JobsQueue(self, profile=profile, trigger=JOBS.trigger)
        functions = {
            row: LambdaFunction(
                self,
                row,
                profile=profile,
                bundle=bundles[row.name],
                spool_bucket=spool.bucket.bucket_name,
                jobs_queue=jobs.queue.queue_url,
            ).function
            for row in FUNCTIONS
        }
        spool.write(functions[INGEST])
        spool.drain(functions[DRAIN])
        spool.erase(functions[JOBS])
        jobs.wake(functions[MANAGE])
        jobs.wake(functions[JOBS])
        jobs.wake(functions[MAINTAIN])
        jobs.step(functions[JOBS])
        migration = Migration(
            self, row=MIGRATE, function=functions[MIGRATE], bundle=bundles[MIGRATE.name], topics=TOPICS
        )
        for row, function in functions.items():
            if row is not MIGRATE:
                migration.before(function)
            if isinstance(row.trigger, Http):
                api.serve(row.trigger, function)
            elif isinstance(row.trigger, Kafka):
                consume(function, row.trigger, profile)
            elif isinstance(row.trigger, Schedule):
                repeat(function, row.trigger)
            core.CfnOutput(self, f"{row.name.capitalize()}Function", value=function.function_name)
        if profile.name != LOCAL:
            # LocalStack takes no metrics out of logs, so there they could do nothing but ring.
            Alarms(self, profile=profile)
        core.CfnOutput(self, "ApiId", value=api.rest.rest_api_id)
        core.CfnOutput(self, "ApiStage", value=api.stage_name)
