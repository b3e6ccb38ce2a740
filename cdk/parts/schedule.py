"""The clock to a function."""

import aws_cdk as core
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_

from functions.catalog import Schedule

_NEVER = 0


def repeat(function: lambda_.Function, trigger: Schedule) -> None:
    """Start `function` at the trigger's pace.

    A run that fails, or that Lambda had no room for, is not repeated: until then the next one has come. That two never
    run at once is the function's own business, because its runs may take longer than its pace.
    """
    pace = core.Duration.minutes(trigger.minutes)
    events.Rule(
        function,
        "Schedule",
        schedule=events.Schedule.rate(pace),
        targets=[targets.LambdaFunction(function, retry_attempts=_NEVER, max_event_age=pace)],
    )
    function.configure_async_invoke(retry_attempts=_NEVER, max_event_age=pace)
