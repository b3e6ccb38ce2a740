"""Stack operations that tell the truth, and tell it when it is known.

LocalStack's CloudFormation answers CreateStack, UpdateStack and DeleteStack at once, and calls the last two complete
even where a resource could not be changed or removed; the CDK's command line asks for the end every five seconds.
What a failed operation has made is deleted, as CloudFormation does; what it has changed stays so until the next one.
"""

from typing import Any

from localstack.aws.api.cloudformation import ChangeAction, ExecutionStatus, ResourceStatus, StackStatus
from localstack.services.cloudformation.engine.v2 import change_set_resource_support_checker
from localstack.services.cloudformation.engine.v2.change_set_model_executor import ChangeSetModelExecutor
from localstack.services.cloudformation.engine.v2.change_set_model_preproc import PreprocProperties
from localstack.services.cloudformation.resource_provider import plugin_manager
from localstack.services.cloudformation.v2 import provider
from localstack.services.cloudformation.v2.entities import Stack
from localstack.utils.catalog.common import CloudFormationResourcesSupportAtRuntime
from localstack.utils.patch import Patch, patch
from localstack.utils.threads import FuncThread, start_worker_thread

# Under what clients wait for an HTTP answer (boto3: 60 s). A stack that takes longer is asked for as ever.
PATIENCE_SECONDS = 30
# CloudFormation rolls back by itself; in the states on the left the command line would refuse the next deployment.
ROLLED_BACK = {
    StackStatus.CREATE_FAILED: StackStatus.ROLLBACK_COMPLETE,
    StackStatus.UPDATE_FAILED: StackStatus.UPDATE_ROLLBACK_COMPLETE,
}


class StackFailed(Exception):
    """A stack operation has failed; LocalStack's own handlers turn this into a failed stack."""


def install() -> None:
    """Change how stacks are run."""
    _refuse_unknown_types()
    _answer_at_the_end()
    _admit_failures()
    _end_rolled_back()


class _Installed:
    """The resource types that can be made here, in the place of a catalog that LocalStack downloads."""

    def get_cloudformation_resource_status(self, name: str, *_: object) -> CloudFormationResourcesSupportAtRuntime:
        """Whether one can."""
        if name.startswith("Custom::") or plugin_manager.exists(name):
            return CloudFormationResourcesSupportAtRuntime.AVAILABLE
        return CloudFormationResourcesSupportAtRuntime.NOT_IMPLEMENTED


def _refuse_unknown_types() -> None:
    Patch(change_set_resource_support_checker, "get_aws_catalog", _Installed).apply()


def _answer_at_the_end() -> None:
    """Answer a stack operation when it is over: a poll of five seconds saved in each."""

    def started(*arguments: Any, **options: Any) -> FuncThread:
        worker = start_worker_thread(*arguments, **options)
        worker.join(PATIENCE_SECONDS)
        return worker

    Patch(provider, "start_worker_thread", started).apply()


def _admit_failures() -> None:
    @patch(ChangeSetModelExecutor.execute)
    def execute(original: Any, self: Any) -> Any:
        result = original(self)
        change_set = self._change_set
        failure = result.failure_message or _left_over(result.resources)
        if failure and change_set.stack.status != StackStatus.DELETE_FAILED:
            _delete_what_was_made(self, result.resources)
        # ExecuteChangeSet looks at the failure itself, and is the only one to set this status.
        if not failure or change_set.execution_status == ExecutionStatus.EXECUTE_IN_PROGRESS:
            return result
        change_set.stack.status_reason = failure
        raise StackFailed(failure)


def _delete_what_was_made(executor: Any, resources: dict[str, Any]) -> None:
    """Roll a failed operation back as far as the next one needs it: what it has made is in the way of that."""
    change_set = executor._change_set
    stack = change_set.stack
    for name in [name for name in reversed(resources) if name not in stack.resolved_resources]:
        made = resources.pop(name)
        if "PhysicalResourceId" in made:
            executor._execute_resource_action(
                action=ChangeAction.Remove,
                logical_resource_id=name,
                resource_type=made["Type"],
                before_properties=PreprocProperties(properties=made["Properties"]),
                after_properties=None,
            )
            resources.pop(name)
    if not stack.resolved_resources:  # a creation: DeleteStack, which comes next, has nothing left to do
        stack.processed_template = change_set.processed_template = change_set.template = {"Resources": {}}


def _left_over(resources: dict[str, Any]) -> str | None:
    """Why the first of the resources that were to be deleted was not."""
    reasons = (
        resource.get("ResourceStatusReason") or name
        for name, resource in resources.items()
        if resource.get("ResourceStatus") == ResourceStatus.DELETE_FAILED
    )
    return next(reasons, None)


def _end_rolled_back() -> None:
    @patch(Stack.set_stack_status)
    def set_stack_status(original: Any, self: Any, status: StackStatus, reason: str | None = None) -> None:
        original(self, ROLLED_BACK.get(status, status), reason)
