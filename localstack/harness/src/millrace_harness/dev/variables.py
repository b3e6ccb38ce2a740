"""`env`: what a shell must know to use the stack."""

import shlex
from collections.abc import Mapping

from millrace_harness.dev.deployment import aws_variables, read_settings, recorded
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.keys import development_key
from millrace_harness.dev.places import Places

_FROM_SETTINGS = ("KAFKA_BOOTSTRAP", "DATABASE_URL", "DATABASE_READ_URL", "REDIS_URL")


def variables(places: Places) -> dict[str, str]:
    """The variables of the stack that was brought up in this state folder.

    Raises:
        Failed: nothing was, or it was taken down.
    """
    deployment = recorded(places)
    if deployment is None:
        raise Failed("Nothing is deployed here: run localstack/dev up.")
    settings = read_settings(places)
    return {
        "MILLRACE_URL": deployment.url,
        "MILLRACE_TOKEN": development_key(places),
        **{name: settings[name.lower()] for name in _FROM_SETTINGS},
        **aws_variables(deployment.endpoint),
    }


def export_lines(values: Mapping[str, str]) -> str:
    """Lines for a shell, quoted."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
