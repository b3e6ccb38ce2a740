"""One Lambda function as all of ours are: own role, own log group with an end, JSON lines, sizes from the catalog."""

import aws_cdk as core
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.parts.bundling import Bundle
from cdk.parts.environment import environment
from cdk.profiles import Profile
from functions.catalog import Function

_RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    7: logs.RetentionDays.ONE_WEEK,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
}
_ARCHITECTURE = {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}


class LambdaFunction(Construct):
    """The function of one row of the catalog, named `{stage}-{name}`; the construct is the name capitalised.

    The role may write to the function's own log group and nothing else: triggers and stores add what they need.
    """

    def __init__(
        self, scope: Construct, row: Function, *, profile: Profile, bundle: Bundle, spool_bucket: str, jobs_queue: str
    ) -> None:
        super().__init__(scope, row.name.capitalize())
        name = f"{profile.name}-{row.name}"
        log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/lambda/{name}",
            retention=_RETENTION[profile.log_retention_days],
            removal_policy=core.RemovalPolicy.RETAIN if profile.keep_data else core.RemovalPolicy.DESTROY,
        )
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=_ARCHITECTURE[profile.architecture],
            handler=row.handler,
            code=lambda_.Code.from_asset(
                str(bundle.path), asset_hash=bundle.digest, asset_hash_type=core.AssetHashType.CUSTOM
            ),
            memory_size=row.memory_mb,
            timeout=core.Duration.seconds(row.timeout_seconds),
            environment=environment(row, profile, spool_bucket=spool_bucket, jobs_queue=jobs_queue),
            role=role,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO,
            system_log_level_v2=lambda_.SystemLogLevel.INFO,
        )
