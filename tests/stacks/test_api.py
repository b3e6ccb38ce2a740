import json
from pathlib import Path

import pytest

from cdk.parts.api import GATEWAY_PROBLEMS, GatewayProblem
from cdk.parts.bundling import Bundle
from cdk.profiles import Profile
from functions.catalog import FUNCTIONS, Http
from shared.runtime.problems import Problem
from tests.stacks.conftest import synthesize
from tests.stacks.template import Template, target


def path_of(template: Template, resource_id: str) -> str:
    properties = template.properties(resource_id)
    parent = properties["ParentId"]
    above = "" if "Fn::GetAtt" in parent else path_of(template, target(parent))
    return f"{above}/{properties['PathPart']}"


def test_every_route_of_the_catalog_is_a_method_of_its_function_and_there_is_no_other(template: Template) -> None:
    deployed = {
        (method["HttpMethod"], path_of(template, target(method["ResourceId"])), target(method["Integration"]["Uri"]))
        for method in template.all("AWS::ApiGateway::Method")
    }
    assert deployed == {
        (route.method, route.path, template.function_id(f"local-{row.name}"))
        for row in FUNCTIONS
        if isinstance(row.trigger, Http)
        for route in row.trigger.routes
    }


def test_every_method_hands_the_whole_request_to_its_function(template: Template) -> None:
    for method in template.all("AWS::ApiGateway::Method"):
        assert method["Integration"]["Type"] == "AWS_PROXY"
        assert method["Integration"]["IntegrationHttpMethod"] == "POST"


def test_the_gateway_waits_longer_than_any_function_behind_it_runs(template: Template) -> None:
    slowest = max(row.timeout_seconds for row in FUNCTIONS if isinstance(row.trigger, Http))
    for method in template.all("AWS::ApiGateway::Method"):
        assert method["Integration"]["TimeoutInMillis"] > slowest * 1000


def test_the_gateway_reads_no_body_as_text(template: Template) -> None:
    assert template.only("AWS::ApiGateway::RestApi")["BinaryMediaTypes"] == ["*/*"]


def test_the_stage_has_the_name_of_the_profile(template: Template) -> None:
    assert template.only("AWS::ApiGateway::Stage")["StageName"] == "local"
    assert template.only("AWS::ApiGateway::Deployment")["RestApiId"] == template.outputs["ApiId"]


def test_the_gateway_may_call_only_functions_that_serve_http_once_each(template: Template) -> None:
    permitted = sorted(
        target(permission["FunctionName"])
        for permission in template.all("AWS::Lambda::Permission")
        if permission["Principal"] == "apigateway.amazonaws.com"
    )
    served = [row for row in FUNCTIONS if isinstance(row.trigger, Http)]
    assert permitted == sorted(template.function_id(f"local-{row.name}") for row in served)


def test_the_local_api_has_an_id_that_never_changes(template: Template) -> None:
    assert template.only("AWS::ApiGateway::RestApi")["Tags"] == [{"Key": "_custom_id_", "Value": "millrace"}]


def test_an_api_without_a_chosen_id_carries_no_tag(
    profile: Profile, empty_bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    elsewhere = synthesize(profile.model_copy(update={"api_id": None}), empty_bundles, tmp_path)
    assert "Tags" not in elsewhere.only("AWS::ApiGateway::RestApi")


@pytest.mark.parametrize("problem", GATEWAY_PROBLEMS, ids=lambda problem: problem.kind.response_type)
def test_what_the_gateway_refuses_is_answered_by_a_problem_document(
    template: Template, problem: GatewayProblem
) -> None:
    (response,) = (
        response
        for response in template.all("AWS::ApiGateway::GatewayResponse")
        if response["ResponseType"] == problem.kind.response_type
    )
    document = json.loads(response["ResponseTemplates"]["application/json"])
    assert document.keys() | {"status"} == set(Problem.__struct_fields__)
    assert document["type"].removeprefix("urn:millrace:problem:") == document["code"]
    assert str(document.get("status", "")) == response.get("StatusCode", "")
    assert response["ResponseParameters"]["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
    assert document["retryable"] == ("gatewayresponse.header.Retry-After" in response["ResponseParameters"])


def test_a_route_that_does_not_exist_is_not_found_rather_than_forbidden(template: Template) -> None:
    statuses = {
        response["ResponseType"]: response.get("StatusCode")
        for response in template.all("AWS::ApiGateway::GatewayResponse")
    }
    assert statuses["MISSING_AUTHENTICATION_TOKEN"] == "404"
    assert statuses.keys() >= {"DEFAULT_4XX", "DEFAULT_5XX"}
