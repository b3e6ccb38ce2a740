"""Custom resources whose service token is a Lambda function, run as CloudFormation runs them.

Source: CloudFormation user guide, "Custom resource request types", "request fields", "response objects". LocalStack
keeps them for its paid edition. One thing is quicker than in AWS: when the function itself fails, the resource fails at
once with the function's words, instead of after `ServiceTimeout` seconds without an answer.
"""

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from botocore.config import Config
from localstack.aws.connect import connect_to
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceRequest,
)

from millrace_localstack import answers

type Properties = dict[str, Any]

SERVICE_TIMEOUT_SECONDS = 3600  # what CloudFormation waits where the template says nothing
INVOKE_SECONDS = 905  # a function's longest, and some
# A resource's model is the attributes it answered with, and these two, which no attribute can be named like.
IDENTIFIER, GIVEN = "$PhysicalResourceId", "$ResourceProperties"


class ResourceFailed(Exception):
    """The resource could not be made, changed or removed; the text is the reason that CloudFormation tells."""


class CustomResource(ResourceProvider[Properties]):
    """Asks the function, and waits for what it puts at the address it was given."""

    TYPE = "AWS::CloudFormation::CustomResource"
    SCHEMA = {"primaryIdentifier": [f"/properties/{IDENTIFIER}"]}  # noqa: RUF012 - LocalStack's own shape

    def create(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        """A new resource."""
        return _told(lambda: _made(request, _ask(request, "Create", _strings(request.desired_state))))

    def update(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        """Properties have changed. Where the answer names another physical id, the old one is deleted after it."""
        return _told(lambda: _changed(request))

    def delete(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        """It is not wanted any more. One that never came to be is not asked about."""
        model = request.previous_state or request.desired_state
        if IDENTIFIER in model:
            return _told(lambda: _removed(request, model))
        return ProgressEvent(OperationStatus.SUCCESS, resource_model={})


def _told(work: Callable[[], Properties]) -> ProgressEvent[Properties]:
    try:
        return ProgressEvent(OperationStatus.SUCCESS, resource_model=work())
    except ResourceFailed as failure:
        return ProgressEvent(OperationStatus.FAILED, resource_model={}, message=str(failure))


def _changed(request: ResourceRequest[Properties]) -> Properties:
    before = request.previous_state or {}
    known = {"PhysicalResourceId": before[IDENTIFIER], "OldResourceProperties": before[GIVEN]}
    model = _made(request, _ask(request, "Update", _strings(request.desired_state), **known))
    if model[IDENTIFIER] != before[IDENTIFIER]:
        _removed(request, before)
    return model


def _removed(request: ResourceRequest[Properties], model: Properties) -> Properties:
    _ask(request, "Delete", model[GIVEN], PhysicalResourceId=model[IDENTIFIER])
    return {}


def _made(request: ResourceRequest[Properties], answer: Mapping[str, Any]) -> Properties:
    identifier = answer.get("PhysicalResourceId")
    if not identifier:
        raise ResourceFailed("Invalid PhysicalResourceId: the custom resource's answer has none")
    return {**(answer.get("Data") or {}), IDENTIFIER: identifier, GIVEN: _strings(request.desired_state)}


def _ask(request: ResourceRequest[Properties], kind: str, properties: Properties, **known: Any) -> Mapping[str, Any]:
    """Run one request to its answer. Raises `ResourceFailed`."""
    with answers.expected() as (address, answer):
        event = {
            "RequestType": kind,
            "ResponseURL": address,
            "StackId": request.stack_id,
            "RequestId": str(uuid.uuid4()),
            "ResourceType": request.resource_type,
            "LogicalResourceId": request.logical_resource_id,
            "ServiceToken": properties["ServiceToken"],
            "ResourceProperties": properties,
            **known,
        }
        document = _answer(event, answer, float(properties.get("ServiceTimeout", SERVICE_TIMEOUT_SECONDS)))
    if document.get("Status") != "SUCCESS":
        reason = document.get("Reason", "no reason was given")
        raise ResourceFailed(
            f"Received response status [FAILED] from custom resource. Message returned: {reason} "
            f"(RequestId: {event['RequestId']})"
        )
    return document


def _answer(event: Mapping[str, Any], answer: answers.Answer, patience_seconds: float) -> Mapping[str, Any]:
    call = _called(event)
    first: list[Future[Any]] = [answer, call]
    wait(first, timeout=patience_seconds, return_when=FIRST_COMPLETED)
    if call.done() and not answer.done():
        if failure := call.result():
            raise ResourceFailed(f"The function of the custom resource failed: {failure}")
        wait([answer], timeout=patience_seconds)  # it has returned, and left the answer to somebody else
    if not answer.done():
        raise ResourceFailed(
            f"CloudFormation did not receive a response from your Custom Resource within {patience_seconds:.0f} s. "
            f"Please check your logs for requestId [{event['RequestId']}]."
        )
    return answer.result()


def _called(event: Mapping[str, Any]) -> Future[str | None]:
    """Invoke the function beside this thread; the result is what went wrong, or None."""
    call: Future[str | None] = Future()
    threading.Thread(target=lambda: call.set_result(_invoke(event)), name="custom-resource", daemon=True).start()
    return call


def _invoke(event: Mapping[str, Any]) -> str | None:
    token = event["ServiceToken"]
    if ":lambda:" not in token:
        return f"{token} is no Lambda function, and nothing else is run here"
    once = Config(read_timeout=INVOKE_SECONDS, retries={"total_max_attempts": 1})
    try:
        client = connect_to(region_name=token.split(":")[3], config=once).lambda_
        reply = client.invoke(FunctionName=token, Payload=json.dumps(event).encode())
        return reply["Payload"].read().decode() if reply.get("FunctionError") else None
    except Exception as problem:  # whatever it is, it fails the resource, and nobody else sees this thread
        return f"{type(problem).__name__}: {problem}"


def _strings(value: Any) -> Any:
    """As CloudFormation hands properties over: every scalar is a string."""
    if isinstance(value, Mapping):
        return {name: _strings(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_strings(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
