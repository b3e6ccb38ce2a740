"""Functions under LocalStack are processes that behave as Lambda's environments do."""

from plugin_cloud import Cloud, until, zipped

ECHO = """
import os
def handler(event, context):
    return {"event": event, "name": context.function_name, "memory": context.memory_limit_in_mb, "pid": os.getpid()}
"""


def test_a_function_is_given_its_event_and_its_context(cloud: Cloud) -> None:
    name = cloud.function(ECHO, MemorySize=256)
    answer, error = cloud.invoke(name, {"ä": [1, None]})
    assert error is None
    assert (answer["event"], answer["name"], int(answer["memory"])) == ({"ä": [1, None]}, name, 256)


def test_requests_one_after_another_share_a_process(cloud: Cloud) -> None:
    name = cloud.function(ECHO)
    assert len({cloud.invoke(name)[0]["pid"] for _ in range(5)}) == 1


def test_a_function_sees_its_settings_and_none_of_this_machine(cloud: Cloud) -> None:
    code = "import os\ndef handler(event, context):\n    return dict(os.environ)"
    name = cloud.function(code, environment={"COLOUR": "blue"})
    variables, _ = cloud.invoke(name)
    assert (variables["COLOUR"], variables["AWS_LAMBDA_FUNCTION_NAME"]) == ("blue", name)
    assert not [key for key in variables if key.startswith(("LOCALSTACK_", "GATEWAY_", "PYTHONSAFEPATH"))]


def test_a_function_reaches_aws_by_the_usual_clients(cloud: Cloud) -> None:
    code = "import boto3\ndef handler(event, context):\n    return boto3.client('sts').get_caller_identity()['Account']"
    assert cloud.invoke(cloud.function(code)) == ("000000000000", None)


def test_an_exception_is_told_with_its_trace(cloud: Cloud) -> None:
    answer, error = cloud.invoke(cloud.function("def handler(event, context):\n    raise KeyError('left')"))
    assert error == "Unhandled"
    assert (answer["errorType"], answer["errorMessage"]) == ("KeyError", "'left'")
    assert "index.py" in "".join(answer["stackTrace"])


def test_a_timeout_is_told_and_the_next_request_has_a_fresh_process(cloud: Cloud) -> None:
    code = ECHO.replace("    return", "    import time\n    time.sleep(event or 0)\n    return")
    name = cloud.function(code, Timeout=1)
    first = cloud.invoke(name, 0)[0]["pid"]
    answer, error = cloud.invoke(name, 60)
    assert (error, answer["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert "Task timed out after 1.00 seconds" in answer["errorMessage"]
    assert cloud.invoke(name, 0)[0]["pid"] != first


def test_a_killed_environment_answers_exit_error_and_is_replaced(cloud: Cloud) -> None:
    code = ECHO.replace("    return", "    os._exit(3) if event else None\n    return")
    name = cloud.function(code)
    first = cloud.invoke(name)[0]["pid"]
    answer, error = cloud.invoke(name, "die")
    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert cloud.invoke(name)[0]["pid"] != first


def test_a_module_that_cannot_be_imported_is_told_each_time(cloud: Cloud) -> None:
    name = cloud.function("import no_such_module\ndef handler(event, context): ...")
    for _ in range(2):
        answer, error = cloud.invoke(name)
        assert error == "Unhandled"
        assert answer["errorType"] == "Runtime.ImportModuleError"
        assert "no_such_module" in answer["errorMessage"]


def test_another_runtime_is_refused_in_words(cloud: Cloud) -> None:
    name = cloud.function("exports.handler = async () => 1", Runtime="nodejs22.x")
    settings = cloud.functions.get_function_configuration(FunctionName=name)
    assert settings["State"] == "Failed"
    assert "functions run as python3.13 here" in settings["StateReason"]


def test_the_log_has_what_lambda_and_the_function_wrote(cloud: Cloud) -> None:
    name = cloud.function("def handler(event, context):\n    print('said by the function')")
    cloud.invoke(name)
    logs = cloud.client("logs")

    def written() -> list[str]:
        found = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
        events = logs.filter_log_events(logGroupName=found[0]["logGroupName"])["events"] if found else []
        return [event["message"].strip() for event in events]

    until(lambda: any(line.startswith("REPORT") for line in written()))
    text = "\n".join(written())
    places = [
        text.index(word) for word in ("START RequestId", "said by the function", "END RequestId", "Init Duration:")
    ]
    assert places == sorted(places)


def test_a_changed_function_runs_its_new_code(cloud: Cloud) -> None:
    name = cloud.function("def handler(event, context):\n    return 'old'")
    assert cloud.invoke(name)[0] == "old"
    cloud.functions.update_function_code(
        FunctionName=name, ZipFile=zipped("def handler(event, context):\n    return 'new'")
    )
    until(lambda: cloud.invoke(name)[0] == "new")


def test_what_a_function_leaves_running_does_not_hold_its_answer(cloud: Cloud) -> None:
    code = "import subprocess\ndef handler(event, context):\n    subprocess.Popen(['sleep', '600'])\n    return 1"
    assert cloud.invoke(cloud.function(code)) == (1, None)
