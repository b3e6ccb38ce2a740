"""The deployment's own step: schema and topics stand before anything that needs them is created or changed."""

from collections.abc import Sequence
from dataclasses import astuple
from hashlib import sha256

import aws_cdk as core
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.parts.bundling import Bundle
from functions.catalog import Function
from shared.events.topics import Topic

# CloudFormation waits this long past the function's own end before it calls the step failed; its default is an hour.
_GRACE_SECONDS = 30


class Migration(Construct):
    """Runs `function` as a custom resource: again whenever its code or the topics change, and never otherwise.

    The function itself speaks CloudFormation's protocol (it PUTs its answer to `ResponseURL`), so no second function
    stands in between, and its failure fails the deployment with its own words.
    """

    def __init__(
        self, scope: Construct, *, row: Function, function: lambda_.Function, bundle: Bundle, topics: Sequence[Topic]
    ) -> None:
        super().__init__(scope, "Migration")
        self._resource = core.CustomResource(
            self,
            "Run",
            resource_type="Custom::Migration",
            service_token=function.function_arn,
            service_timeout=core.Duration.seconds(row.timeout_seconds + _GRACE_SECONDS),
            properties={"Fingerprint": bundle.digest, "Topics": fingerprint(topics)},
        )

    def before(self, function: lambda_.Function) -> None:
        """Create or change `function` only after this has run; its role and log group need not wait."""
        waiting, resource = function.node.default_child, self._resource.node.default_child
        assert isinstance(waiting, core.CfnResource)
        assert isinstance(resource, core.CfnResource)
        waiting.add_resource_dependency(resource)


def fingerprint(topics: Sequence[Topic]) -> str:
    """A hash that changes when a topic is added, removed or described otherwise; their order does not matter."""
    return sha256(repr(sorted(map(astuple, topics))).encode()).hexdigest()[:32]
