"""The environment variables of a function, built from nothing: what a developer has set never leaks in."""

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from millrace_harness.host.function import FunctionSpec

# What a process needs to run on this machine at all; everything else is said below or by the function's owner.
MACHINE = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")

REGION = 3  # of an ARN's fields: arn:partition:lambda:REGION:account:function:name


def variables(spec: FunctionSpec, runtime_api: str, *, log_stream: str) -> dict[str, str]:
    """What AWS Lambda defines ("Using environment variables", reserved and unreserved), around `spec.environment`.

    `runtime_api` is host:port. The owner's values win, except over what says where things are and who the function is.
    """
    return _defaults(spec, log_stream) | dict(spec.environment) | _reserved(spec, runtime_api) | _search_paths(spec)


def _defaults(spec: FunctionSpec, log_stream: str) -> dict[str, str]:
    machine = {name: os.environ[name] for name in MACHINE if name in os.environ}
    fields = spec.arn.split(":")
    region = fields[REGION] if len(fields) > REGION and fields[REGION] else "us-east-1"
    return machine | {
        "LANG": "C.UTF-8",  # en_US.UTF-8 in AWS; this one is on every machine
        "TZ": ":UTC",
        "HOME": tempfile.gettempdir(),  # the only place a function may write to; a developer's ~/.aws stays unread
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
    }


def _reserved(spec: FunctionSpec, runtime_api: str) -> dict[str, str]:
    return {
        "_HANDLER": spec.handler,
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": str(spec.code),
        "LAMBDA_RUNTIME_DIR": str(spec.code),
    }


def _search_paths(spec: FunctionSpec) -> dict[str, str]:
    """The function's own code first, then its layers, then what is on the machine: the order Lambda has."""
    owner: Mapping[str, str] = spec.environment
    roots = (spec.code, *spec.layers)
    python = [spec.code, *(layer / "python" for layer in spec.layers)]
    python += [layer / "python/lib/python3.13/site-packages" for layer in spec.layers]
    libraries = [folder for root in roots for folder in (root, root / "lib")]
    programs = [layer / "bin" for layer in spec.layers]
    return {
        "PYTHONPATH": _joined(python, owner.get("PYTHONPATH")),
        "LD_LIBRARY_PATH": _joined(libraries, owner.get("LD_LIBRARY_PATH", os.environ.get("LD_LIBRARY_PATH"))),
        "PATH": _joined(programs, owner.get("PATH", os.environ.get("PATH", os.defpath))),
    }


def _joined(folders: Iterable[Path], rest: str | None) -> str:
    return os.pathsep.join([*map(str, folders), *([rest] if rest else [])])
