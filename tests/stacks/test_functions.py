from typing import Any

import pytest

from cdk.app import ROOT
from functions.catalog import FUNCTIONS, Function, Kafka
from shared.runtime import settings
from tests.stacks.template import Template, target

POWERTOOLS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
MSK_POLICY = "service-role/AWSLambdaMSKExecutionRole"

every_function = pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row.name)


def deployed(template: Template, row: Function) -> dict[str, Any]:
    return template.function(f"local-{row.name}")


@every_function
def test_a_function_is_told_exactly_what_its_settings_read(template: Template, row: Function) -> None:
    contract: type[settings.Settings] = getattr(settings, f"{row.name.capitalize()}Settings")
    variables = deployed(template, row)["Environment"]["Variables"]
    assert variables.keys() == contract.environment_names() | POWERTOOLS


@every_function
def test_a_function_can_read_its_settings_from_what_it_is_told(template: Template, row: Function) -> None:
    contract: type[settings.Settings] = getattr(settings, f"{row.name.capitalize()}Settings")
    told = deployed(template, row)["Environment"]["Variables"]
    # What the stack makes itself has a name only once it is deployed.
    variables = {name: value if isinstance(value, str) else target(value) for name, value in told.items()}
    assert isinstance(contract.from_environment(variables), contract)
    assert variables["POWERTOOLS_SERVICE_NAME"] == row.name


def test_the_template_deploys_the_catalog_and_nothing_else(template: Template) -> None:
    names = {properties["FunctionName"] for properties in template.all("AWS::Lambda::Function")}
    assert names == {f"local-{row.name}" for row in FUNCTIONS}


@every_function
def test_a_function_has_the_sizes_and_the_handler_of_its_catalog_row(template: Template, row: Function) -> None:
    properties = deployed(template, row)
    assert properties["Runtime"] == "python3.13"
    assert properties["MemorySize"] == row.memory_mb
    assert properties["Timeout"] == row.timeout_seconds
    assert properties["Handler"] == row.handler
    module, attribute = row.handler.rsplit(".", 1)
    source = ROOT / f"{module.replace('.', '/')}.py"
    assert f"{attribute} = " in source.read_text()


@every_function
def test_a_function_is_built_for_the_machine_that_runs_it(template: Template, row: Function, profile: Any) -> None:
    assert deployed(template, row)["Architectures"] == [profile.architecture]


@every_function
def test_a_functions_logs_are_its_own_and_end(template: Template, row: Function) -> None:
    logging = deployed(template, row)["LoggingConfig"]
    log_group = template.properties(target(logging["LogGroup"]))
    assert logging["LogFormat"] == "JSON"
    assert log_group["LogGroupName"] == f"/aws/lambda/local-{row.name}"
    assert log_group["RetentionInDays"] == 1


def test_no_two_functions_share_a_role(template: Template) -> None:
    roles = [target(properties["Role"]) for properties in template.all("AWS::Lambda::Function")]
    assert len(set(roles)) == len(FUNCTIONS)


@every_function
def test_a_role_allows_named_actions_on_named_resources(template: Template, row: Function) -> None:
    statements = template.statements_of_role(target(deployed(template, row)["Role"]))
    assert statements
    for statement in statements:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        assert all("*" not in action for action in actions)
        assert "*" not in resources


@every_function
def test_a_role_may_write_only_the_logs_of_its_own_function(template: Template, row: Function) -> None:
    properties = deployed(template, row)
    written = [
        target(statement["Resource"])
        for statement in template.statements_of_role(target(properties["Role"]))
        if "logs:PutLogEvents" in statement["Action"]
    ]
    assert written == [target(properties["LoggingConfig"]["LogGroup"])]


@every_function
def test_only_a_kafka_consumer_has_a_managed_policy_and_only_that_of_msk(template: Template, row: Function) -> None:
    managed = template.properties(target(deployed(template, row)["Role"])).get("ManagedPolicyArns", [])
    expected = [MSK_POLICY] if isinstance(row.trigger, Kafka) else []
    assert [arn["Fn::Join"][1][-1].removeprefix(":iam::aws:policy/") for arn in managed] == expected


def test_the_outputs_name_the_api_its_stage_and_each_function(template: Template) -> None:
    named = {f"{row.name.capitalize()}Function" for row in FUNCTIONS}
    assert template.outputs.keys() >= {"ApiId", "ApiStage"} | named
    for row in FUNCTIONS:
        output = template.outputs[f"{row.name.capitalize()}Function"]
        assert target(output) == template.function_id(f"local-{row.name}")
