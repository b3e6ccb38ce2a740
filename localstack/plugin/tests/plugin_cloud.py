"""One LocalStack with the plugin, as its clients see it."""

import io
import json
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROLE = "arn:aws:iam::000000000000:role/test"
WAIT_SECONDS = 45
CLUSTER = "arn:aws:kafka:us-east-1:000000000000:cluster/one/6f5c3d2e-0000-4000-8000-000000000000-1"


@dataclass(frozen=True)
class Cloud:
    """Clients and shorthands. `kafka` is the bootstrap address of the broker behind every cluster ARN."""

    endpoint: str
    kafka: str

    def client(self, service: str) -> Any:
        make: Any = boto3.client  # its types know each service by a literal
        with _making:  # boto3's default session must not be used by two threads at once
            return make(
                service,
                endpoint_url=self.endpoint,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(retries={"total_max_attempts": 1}, max_pool_connections=40),
            )

    @cached_property
    def functions(self) -> Any:
        return self.client("lambda")

    @cached_property
    def stacks(self) -> Any:
        return self.client("cloudformation")

    def function(self, code: str, **settings: Any) -> str:
        """Create a function of one module, wait until it is active, and give its name."""
        name = f"f-{uuid.uuid4().hex[:12]}"
        variables = settings.pop("environment", {})
        given = {"Runtime": "python3.13", "Handler": "index.handler", "Role": ROLE, "Timeout": 20, **settings}
        self.functions.create_function(
            FunctionName=name, Code={"ZipFile": zipped(code)}, Environment={"Variables": variables}, **given
        )
        until(lambda: self.state_of(name) != "Pending")
        return name

    def state_of(self, name: str) -> str:
        return str(self.functions.get_function_configuration(FunctionName=name)["State"])

    def invoke(self, name: str, event: Any = None) -> tuple[Any, str | None]:
        """What the function answered, and the kind of error if it failed."""
        reply = self.functions.invoke(FunctionName=name, Payload=json.dumps(event))
        return json.loads(reply["Payload"].read()), reply.get("FunctionError")

    def deploy(self, name: str, resources: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> str:
        """Create the stack, or update it where it is; give the status it comes to."""
        told = {key: {"Value": value} for key, value in (outputs or {}).items()}
        template = {"Resources": resources, "Outputs": told}
        stacks = self.stacks.describe_stacks()["Stacks"]
        known = [stack["StackName"] for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE"]
        operation = self.stacks.update_stack if name in known else self.stacks.create_stack
        operation(StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
        return self.settled(name)

    def delete(self, name: str) -> str:
        """Delete the stack; give the status it comes to."""
        identifier = self.stack(name)["StackId"]
        self.stacks.delete_stack(StackName=name)
        return self.settled(identifier)

    def settled(self, name: str) -> str:
        until(lambda: not self.stack(name)["StackStatus"].endswith("IN_PROGRESS"))
        return str(self.stack(name)["StackStatus"])

    def stack(self, name: str) -> Any:
        return self.stacks.describe_stacks(StackName=name)["Stacks"][0]

    def outputs(self, name: str) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self.stack(name).get("Outputs", [])}

    def reasons(self, name: str) -> str:
        """Why resources of the stack failed."""
        events = self.stacks.describe_stack_events(StackName=name)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)


def until(condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """The first thing that is true; an assertion fails when the time is up."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def zipped(code: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("index.py"), code)
    return archive.getvalue()


def function_resource(code: str, **variables: str) -> dict[str, Any]:
    """A function in a template."""
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "Role": ROLE,
            "Timeout": 20,
            "Code": {"ZipFile": code},
            "Environment": {"Variables": variables},
        },
    }


def lines(file: Path) -> list[Any]:
    """What a function has written, one JSON document a line."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


_making = threading.Lock()
