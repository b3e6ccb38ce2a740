"""Custom resources, as CloudFormation runs them."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from plugin_cloud import Cloud, function_resource, lines

CODE = """
import json, os, urllib.request
def handler(event, context):
    with open(os.environ["REQUESTS"], "a") as file:
        file.write(json.dumps(event) + "\\n")
    asked = event["ResourceProperties"]
    if asked.get("Raise") == event["RequestType"]:
        raise RuntimeError("the function broke")
    if asked.get("Silent") == event["RequestType"]:
        return
    answer = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    answer["PhysicalResourceId"] = asked.get("Id", "physical")
    if asked.get("Fail") == event["RequestType"]:
        answer |= {"Status": "FAILED", "Reason": "the migration says no"}
    else:
        answer |= {"Status": "SUCCESS", "Data": {"Answer": asked.get("Colour", "none")}}
    body, headers = json.dumps(answer).encode(), {"Content-Type": ""}
    request = urllib.request.Request(event["ResponseURL"], body, headers, method="PUT")
    urllib.request.urlopen(request, timeout=10)
"""
OUTPUTS = {"Ref": {"Ref": "Thing"}, "Answer": {"Fn::GetAtt": ["Thing", "Answer"]}}


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    """Where the function writes what it was asked."""
    return tmp_path / "requests.jsonl"


def template(requests: Path, kind: str = "Custom::Thing", **properties: Any) -> dict[str, Any]:
    token = {"Fn::GetAtt": ["Function", "Arn"]}
    return {
        "Function": function_resource(CODE, REQUESTS=str(requests)),
        "Thing": {"Type": kind, "Properties": {"ServiceToken": token, **properties}},
    }


@pytest.mark.parametrize("kind", ["Custom::Thing", "AWS::CloudFormation::CustomResource"])
def test_it_is_created_changed_and_deleted(cloud: Cloud, requests: Path, kind: str) -> None:
    stack = f"life-{kind[0]}"
    assert cloud.deploy(stack, template(requests, kind, Colour="red", Number=1), OUTPUTS) == "CREATE_COMPLETE"
    assert cloud.outputs(stack) == {"Ref": "physical", "Answer": "red"}
    assert cloud.deploy(stack, template(requests, kind, Colour="blue", Number=1), OUTPUTS) == "UPDATE_COMPLETE"
    assert cloud.outputs(stack)["Answer"] == "blue"
    identifier = cloud.stack(stack)["StackId"]
    assert cloud.delete(stack) == "DELETE_COMPLETE"

    create, update, delete = lines(requests)
    assert [create["RequestType"], update["RequestType"], delete["RequestType"]] == ["Create", "Update", "Delete"]
    assert (create["StackId"], create["LogicalResourceId"], create["ResourceType"]) == (identifier, "Thing", kind)
    assert create["ResourceProperties"] == {"ServiceToken": create["ServiceToken"], "Colour": "red", "Number": "1"}
    assert "PhysicalResourceId" not in create
    assert update["OldResourceProperties"] == create["ResourceProperties"]
    assert update["PhysicalResourceId"] == delete["PhysicalResourceId"] == "physical"
    assert delete["ResourceProperties"] == update["ResourceProperties"]
    assert len({create["ResponseURL"], update["ResponseURL"], delete["ResponseURL"]}) == 3


def test_an_unchanged_resource_is_not_asked_again(cloud: Cloud, requests: Path) -> None:
    cloud.deploy("same", template(requests, Colour="red"), OUTPUTS)
    with pytest.raises(ClientError, match="No updates are to be performed"):
        cloud.deploy("same", template(requests, Colour="red"), OUTPUTS)
    assert len(lines(requests)) == 1


def test_another_physical_id_deletes_the_old_one_after_the_change(cloud: Cloud, requests: Path) -> None:
    cloud.deploy("replaced", template(requests, Id="first"), OUTPUTS)
    assert cloud.deploy("replaced", template(requests, Id="second"), OUTPUTS) == "UPDATE_COMPLETE"
    assert cloud.outputs("replaced")["Ref"] == "second"
    asked = [(line["RequestType"], line.get("PhysicalResourceId")) for line in lines(requests)]
    assert asked == [("Create", None), ("Update", "first"), ("Delete", "first")]


def test_a_failed_answer_fails_the_stack_with_its_reason(cloud: Cloud, requests: Path) -> None:
    assert cloud.deploy("failed", template(requests, Fail="Create")) == "ROLLBACK_COMPLETE"
    assert "the migration says no" in cloud.reasons("failed")


def test_a_failed_creation_leaves_nothing_and_can_be_tried_again(cloud: Cloud, requests: Path) -> None:
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/kept"}}
    after = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Fn::Sub": "/${Thing.Answer}"}}}
    resources = {"Group": group, "After": after}
    failing = template(requests, Fail="Create", Colour="red") | resources
    failing["Thing"]["DependsOn"] = "Group"
    assert cloud.deploy("again", failing) == "ROLLBACK_COMPLETE"
    assert cloud.client("logs").describe_log_groups(logGroupNamePrefix="/kept")["logGroups"] == []
    assert cloud.delete("again") == "DELETE_COMPLETE"
    assert [line["RequestType"] for line in lines(requests)] == ["Create"]  # what never came to be is not deleted
    assert cloud.deploy("again", template(requests, Colour="red") | resources) == "CREATE_COMPLETE"
    assert cloud.client("logs").describe_log_groups(logGroupNamePrefix="/red")["logGroups"]


def test_a_function_that_breaks_fails_the_stack_at_once(cloud: Cloud, requests: Path) -> None:
    assert cloud.deploy("broken", template(requests, Raise="Create")) == "ROLLBACK_COMPLETE"
    assert "the function broke" in cloud.reasons("broken")


def test_a_function_that_never_answers_fails_the_stack_when_its_time_is_up(cloud: Cloud, requests: Path) -> None:
    assert cloud.deploy("silent", template(requests, Silent="Create", ServiceTimeout=1)) == "ROLLBACK_COMPLETE"
    assert "did not receive a response" in cloud.reasons("silent")


def test_a_failed_change_is_a_failed_update_and_can_be_tried_again(cloud: Cloud, requests: Path) -> None:
    cloud.deploy("change", template(requests, Colour="red"), OUTPUTS)
    failing = template(requests, Colour="red", Fail="Update")
    assert cloud.deploy("change", failing, OUTPUTS) == "UPDATE_ROLLBACK_COMPLETE"
    assert "the migration says no" in cloud.reasons("change")
    assert cloud.deploy("change", template(requests, Colour="blue"), OUTPUTS) == "UPDATE_COMPLETE"
    assert cloud.outputs("change")["Answer"] == "blue"
    assert lines(requests)[-1]["OldResourceProperties"]["Colour"] == "red"


def test_what_a_failed_update_has_made_is_not_in_the_way_of_the_next(cloud: Cloud, requests: Path) -> None:
    cloud.deploy("grown", template(requests, Colour="red"), OUTPUTS)
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/grown"}}
    failing = template(requests, Colour="red", Fail="Update") | {"Group": group}
    failing["Thing"]["DependsOn"] = "Group"
    assert cloud.deploy("grown", failing, OUTPUTS) == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.deploy("grown", template(requests, Colour="blue") | {"Group": group}, OUTPUTS) == "UPDATE_COMPLETE"


def test_a_failed_deletion_is_not_called_complete(cloud: Cloud, requests: Path) -> None:
    cloud.deploy("kept", template(requests, Fail="Delete"), OUTPUTS)
    assert cloud.delete("kept") == "DELETE_FAILED"


def test_a_type_that_nobody_makes_here_is_refused(cloud: Cloud) -> None:
    resources = {"Cluster": {"Type": "AWS::MSK::Cluster", "Properties": {"ClusterName": "one"}}}
    assert cloud.deploy("unknown", resources) in ("CREATE_FAILED", "ROLLBACK_COMPLETE")
    assert "AWS::MSK::Cluster" in cloud.reasons("unknown")
