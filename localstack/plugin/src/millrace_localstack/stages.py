"""An API's stage that follows a new deployment.

A change of an API's routes makes a new deployment, moves the stage to it and deletes the old one. LocalStack's provider
of stages cannot change one, so the stage went away with its old deployment, and the API with it.
"""

from typing import Any

from localstack.services.apigateway.resource_providers.aws_apigateway_stage import ApiGatewayStageProvider
from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent
from localstack.utils.patch import Patch


def install() -> None:
    """Let stages be changed."""
    Patch(ApiGatewayStageProvider, "update", _update).apply()


def _update(_: Any, request: Any) -> Any:
    stage = request.desired_state
    request.aws_client_factory.apigateway.update_stage(
        restApiId=stage["RestApiId"],
        stageName=stage["StageName"],
        patchOperations=[{"op": "replace", "path": "/deploymentId", "value": stage["DeploymentId"]}],
    )
    return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=stage, custom_context=request.custom_context)
