from functions.catalog import MAINTAIN, Schedule
from tests.stacks.template import Template, target

RULE, INVOKE = "AWS::Events::Rule", "AWS::Lambda::EventInvokeConfig"


def test_the_clock_starts_maintain_every_minute(template: Template) -> None:
    assert MAINTAIN.trigger == Schedule(minutes=1)
    rule = template.only(RULE)
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")
    (goal,) = rule["Targets"]
    assert target(goal["Arn"]) == template.function_id("local-maintain")


def test_the_rule_and_nothing_else_may_start_it(template: Template) -> None:
    (rule,) = template.ids(RULE)
    (permission,) = (
        properties
        for properties in template.all("AWS::Lambda::Permission")
        if target(properties["FunctionName"]) == template.function_id("local-maintain")
    )
    assert permission["Principal"] == "events.amazonaws.com"
    assert target(permission["SourceArn"]) == rule


def test_a_run_that_failed_is_not_repeated_because_the_next_one_comes(template: Template) -> None:
    (goal,) = template.only(RULE)["Targets"]
    assert goal["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
    asynchronous = template.only(INVOKE)
    assert target(asynchronous["FunctionName"]) == template.function_id("local-maintain")
    assert (asynchronous["MaximumRetryAttempts"], asynchronous["MaximumEventAgeInSeconds"]) == (0, 60)
