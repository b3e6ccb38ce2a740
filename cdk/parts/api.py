"""The public REST API: explicit routes of the catalog, each handed whole to its function."""

import json
from dataclasses import dataclass
from http import HTTPStatus

import aws_cdk as core
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.profiles import Profile
from functions.catalog import Http

# LocalStack takes the id of an API from this tag.
_ID_TAG = "_custom_id_"


@dataclass(frozen=True, slots=True)
class GatewayProblem:
    """An answer that the gateway gives by itself, with the members of our own problem documents (RFC 9457).

    `status` None keeps the status that the gateway has chosen, which the document then cannot repeat. `retry_after` is
    in seconds; a request whose answer has it may be sent again.
    """

    kind: apigateway.ResponseType
    status: HTTPStatus | None
    code: str
    detail: str
    retry_after: int | None = None

    @property
    def document(self) -> str:
        """The body. It never repeats the request; no trace has begun, so the gateway's request id stands for it."""
        status = {} if self.status is None else {"title": self.status.phrase, "status": self.status.value}
        members: dict[str, object] = {
            "type": f"urn:millrace:problem:{self.code}",
            "title": "Refused by the gateway",
            **status,
            "detail": self.detail,
            "code": self.code,
            "retryable": self.retry_after is not None,
            "trace_id": "$context.requestId",
            "errors": [],
        }
        return json.dumps(members, separators=(",", ":"))

    @property
    def headers(self) -> dict[str, str]:
        """Header mappings: a literal is quoted, `context.` is read from the request's context."""
        fixed = {"Content-Type": "'application/problem+json'", "X-Request-Id": "context.requestId"}
        return fixed if self.retry_after is None else {**fixed, "Retry-After": f"'{self.retry_after}'"}


_KIND = apigateway.ResponseType
_NO_ANSWER = "The function behind this route gave no answer. Send the same request again."
GATEWAY_PROBLEMS = (
    # The gateway's own word for a route that does not exist is 403 "Missing Authentication Token".
    GatewayProblem(
        _KIND.MISSING_AUTHENTICATION_TOKEN,
        HTTPStatus.NOT_FOUND,
        "no_route",
        "Nothing is served under this method and path.",
    ),
    GatewayProblem(
        _KIND.REQUEST_TOO_LARGE,
        HTTPStatus.CONTENT_TOO_LARGE,
        "too_large",
        "The request is larger than the gateway takes (10 MB).",
    ),
    GatewayProblem(
        _KIND.THROTTLED,
        HTTPStatus.TOO_MANY_REQUESTS,
        "throttled",
        "More requests came than this API takes at once. Send the same request again, more slowly.",
        retry_after=1,
    ),
    GatewayProblem(_KIND.INTEGRATION_FAILURE, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", _NO_ANSWER, retry_after=1),
    GatewayProblem(_KIND.INTEGRATION_TIMEOUT, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", _NO_ANSWER, retry_after=1),
    GatewayProblem(_KIND.DEFAULT_4_XX, None, "invalid", "The gateway does not take this request."),
    GatewayProblem(_KIND.DEFAULT_5_XX, None, "internal", "Something went wrong at the gateway."),
)


class Api(Construct):
    """One regional REST API with one stage, which has the profile's name. Routes are added by `serve`."""

    def __init__(self, scope: Construct, *, profile: Profile) -> None:
        super().__init__(scope, "Api")
        self.rest = apigateway.RestApi(
            self,
            "Rest",
            rest_api_name=f"{profile.name}-api",
            description="Millrace: events in, events out",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            deploy_options=apigateway.StageOptions(stage_name=profile.name),
            cloud_watch_role=False,
            # Bodies may be compressed, or in binary mode anything: without this the gateway reads them all as text.
            binary_media_types=["*/*"],
        )
        if profile.api_id is not None:
            resource = self.rest.node.default_child
            assert isinstance(resource, apigateway.CfnRestApi)
            resource.tags.set_tag(_ID_TAG, profile.api_id)
        for problem in GATEWAY_PROBLEMS:
            self.rest.add_gateway_response(
                problem.kind.response_type,
                type=problem.kind,
                status_code=None if problem.status is None else str(problem.status.value),
                response_headers=problem.headers,
                templates={"application/json": problem.document},
            )

    @property
    def stage_name(self) -> str:
        """The stage that the routes are deployed to."""
        return self.rest.deployment_stage.stage_name

    def serve(self, trigger: Http, function: lambda_.Function) -> None:
        """Hand every route of `trigger` to `function`, one permission for all of them."""
        integration = apigateway.LambdaIntegration(
            function, scope_permission_to_method=False, timeout=core.Duration.seconds(29)
        )
        for route in trigger.routes:
            self.rest.root.resource_for_path(route.path).add_method(route.method, integration)
