"""What LocalStack finds by entry points. Read at every start, so what is heavy is imported where it is used."""

from typing import TYPE_CHECKING, Any

from localstack.runtime import hooks
from localstack.runtime.server.core import RuntimeServerPlugin
from localstack.services.cloudformation.resource_provider import CloudFormationResourceProviderPlugin
from localstack.services.lambda_ import hooks as lambda_hooks
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin

if TYPE_CHECKING:
    from localstack.runtime.server import RuntimeServer
    from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    """Chosen with LAMBDA_RUNTIME_EXECUTOR=process."""

    name = "process"

    def load(self, *_: object, **__: object) -> "type[RuntimeExecutor]":
        """The executor's class."""
        from millrace_localstack.executor import ProcessExecutor

        return ProcessExecutor


class LoopbackServerPlugin(RuntimeServerPlugin):
    """Chosen with GATEWAY_SERVER=loopback."""

    name = "loopback"

    def load(self, *_: object, **__: object) -> "RuntimeServer":
        """The server that the gateway is registered with."""
        from millrace_localstack.server import LoopbackServer

        return LoopbackServer()


class CustomResourcePlugin(CloudFormationResourceProviderPlugin):
    """LocalStack asks under this name for every type `Custom::*` as well."""

    name = "AWS::CloudFormation::CustomResource"
    factory: type | None = None

    def load(self, *_: object, **__: object) -> None:
        """Set `factory`, which is what LocalStack reads afterwards."""
        from millrace_localstack.custom_resource import CustomResource

        self.factory = CustomResource


@hooks.on_infra_start()
def adapt() -> None:
    """Before anything is served."""
    from millrace_localstack import answers, bootstrap, deployments, haste, kafka, kafka_rules, stages

    haste.install()
    deployments.install()
    stages.install()
    kafka.forget_deleted()
    kafka_rules.install()
    answers.serve()
    bootstrap.serve()


@hooks.on_infra_ready()
def prepare() -> None:
    """As soon as requests are served."""
    from millrace_localstack import bootstrap

    bootstrap.prepare()


@hooks.on_infra_shutdown(priority=-100)
def release() -> None:
    """After every service was stopped."""
    from millrace_localstack import haste

    haste.cancel_timers()


@lambda_hooks.create_event_source_poller()
def kafka_poller(holder: Any, service: str, mapping: dict[str, Any]) -> None:
    """Asked for each event source that LocalStack has no poller for."""
    from millrace_localstack import kafka, kafka_rules

    if kafka_rules.is_kafka(service, mapping):
        holder.create_poller_fn = lambda arn, client, processor: kafka.KafkaPoller(mapping, processor)


@lambda_hooks.set_event_source_config_defaults()
def kafka_defaults(defaults: dict[str, Any], request: dict[str, Any], service: str) -> None:
    """Asked for what a new mapping has where the request says nothing."""
    from millrace_localstack import kafka_rules

    if kafka_rules.is_kafka(service, request):
        defaults |= kafka_rules.defaults(request, identifier=defaults["UUID"])
