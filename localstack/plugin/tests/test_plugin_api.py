"""A REST API in front of a function: the request that comes in, and the answer that goes out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from plugin_cloud import Cloud, function_resource

AT_ONCE = 20
CODE = """
import base64, json, os, pathlib, time
def handler(event, context):
    match event["path"].split("/")[1]:
        case "problem":
            body = json.dumps({"title": "Unprocessable", "detail": "\\u00fc"})
            return {"statusCode": 422, "headers": {"Content-Type": "application/problem+json"}, "body": body}
        case "binary":
            body = base64.b64encode(bytes(range(256))).decode()
            headers = {"Content-Type": "application/octet-stream"}
            return {"statusCode": 200, "headers": headers, "body": body, "isBase64Encoded": True}
        case "crowd":
            place = pathlib.Path(os.environ["PLACE"])
            (place / str(os.getpid())).touch()
            while len(list(place.iterdir())) < int(os.environ["AT_ONCE"]):
                time.sleep(0.05)
            return {"statusCode": 200, "body": str(os.getpid())}
        case "crash":
            os._exit(1)
    return {"statusCode": 200, "body": json.dumps(event)}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crowd")


@pytest.fixture(scope="module")
def api(cloud: Cloud, place: Path) -> Iterator[httpx.Client]:
    """The API's address as a client's base, deployed from a template as the product's is."""
    assert cloud.deploy("api", _template(place), {"Id": {"Ref": "Api"}}) == "CREATE_COMPLETE"
    base = f"{cloud.endpoint}/_aws/execute-api/{cloud.outputs('api')['Id']}/test"
    limits = httpx.Limits(max_connections=AT_ONCE)
    with httpx.Client(base_url=base, timeout=60, trust_env=False, limits=limits) as client:
        yield client


def test_the_function_sees_the_request_as_it_was_sent(api: httpx.Client) -> None:
    answer = api.put("/things/one?one=1&two=x&two=y", content="ä", headers={"X-Colour": "blue"}).json()
    assert (answer["httpMethod"], answer["path"], answer["body"]) == ("PUT", "/things/one", "ä")
    assert answer["multiValueQueryStringParameters"] == {"one": ["1"], "two": ["x", "y"]}
    assert answer["pathParameters"] == {"proxy": "things/one"}
    assert {name.lower(): value for name, value in answer["headers"].items()}["x-colour"] == "blue"


def test_a_problem_document_arrives_as_text_with_its_type(api: httpx.Client) -> None:
    answer = api.get("/problem")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["detail"] == "ü"


def test_bytes_arrive_as_they_are(api: httpx.Client) -> None:
    answer = api.get("/binary", headers={"Accept": "application/octet-stream"})
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content == bytes(range(256))


def test_twenty_requests_at_once_run_in_twenty_processes(api: httpx.Client, place: Path) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: api.get("/crowd"), range(AT_ONCE)))
    assert [answer.status_code for answer in answers] == [200] * AT_ONCE
    assert {answer.text for answer in answers} == {file.name for file in place.iterdir()}


def test_a_function_that_dies_is_a_bad_gateway_once(api: httpx.Client) -> None:
    assert api.get("/crash").status_code == 502
    assert api.get("/well").status_code == 200


def _template(place: Path) -> dict[str, Any]:
    uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"
    api, parent = {"Ref": "Api"}, {"Fn::GetAtt": ["Api", "RootResourceId"]}
    integration = {"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": {"Fn::Sub": uri}}
    method = {"RestApiId": api, "ResourceId": {"Ref": "Path"}, "HttpMethod": "ANY", "AuthorizationType": "NONE"}
    binary = ["application/octet-stream"]
    return {
        "Function": function_resource(CODE, PLACE=str(place), AT_ONCE=str(AT_ONCE)),
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "test", "BinaryMediaTypes": binary}},
        "Path": {
            "Type": "AWS::ApiGateway::Resource",
            "Properties": {"RestApiId": api, "ParentId": parent, "PathPart": "{proxy+}"},
        },
        "Method": {"Type": "AWS::ApiGateway::Method", "Properties": {**method, "Integration": integration}},
        "Deployment": {
            "Type": "AWS::ApiGateway::Deployment",
            "DependsOn": ["Method"],
            "Properties": {"RestApiId": api},
        },
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {"RestApiId": api, "DeploymentId": {"Ref": "Deployment"}, "StageName": "test"},
        },
        "Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "Action": "lambda:InvokeFunction",
                "Principal": "apigateway.amazonaws.com",
            },
        },
    }


def test_an_api_survives_a_change_of_its_routes(cloud: Cloud, place: Path, api: httpx.Client) -> None:
    changed = _template(place)
    changed["NewDeployment"] = changed.pop("Deployment")
    changed["Stage"]["Properties"]["DeploymentId"] = {"Ref": "NewDeployment"}
    assert cloud.deploy("api", changed, {"Id": {"Ref": "Api"}}) == "UPDATE_COMPLETE"
    assert api.get("/things/one").json()["path"] == "/things/one"
