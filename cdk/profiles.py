"""What differs between deployments, as frozen models: one profile is one deployment, and its name is its stage."""

import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

LOCAL = "local"
PROFILES = (LOCAL,)

_OURS = ("profile", "local")
# The command line adds keys of its own, and cdk.json the feature flags of aws-cdk-lib.
_FOREIGN = ("aws:", "aws-cdk:", "@aws-cdk/")

type Architecture = Literal["x86_64", "arm64"]
type DatabaseUrl = Annotated[str, Field(pattern="^postgresql://")]


class ProfileError(Exception):
    """The deployment was asked for in a way that cannot be right. The message says what to write instead."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Endpoints(_Frozen):
    """Where the parts behind the functions stand, and what the functions must know to use them.

    A field has the name of the settings field that it becomes (`shared/runtime/settings.py`).
    """

    kafka_bootstrap: Annotated[str, Field(min_length=1)]
    kafka_replication: Annotated[int, Field(ge=1, le=3)]
    database_url: DatabaseUrl
    database_read_url: DatabaseUrl
    database_direct_url: DatabaseUrl
    redis_url: Annotated[str, Field(pattern="^rediss?://")]
    api_key_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    cursor_secret: Annotated[str, Field(min_length=16)]
    erasure_secret: Annotated[str, Field(min_length=16)]


class Pollers(_Frozen):
    """Event pollers of one Kafka consumer, in provisioned mode.

    Only that mode has partial batch answers, a retry count and a record age (Lambda developer guide, "Kafka event
    poller scaling modes"). AWS allows 1..200 at least and 1..2,000 at most; more than a topic's partitions idle.
    """

    minimum: Annotated[int, Field(ge=1, le=200)]
    maximum: Annotated[int, Field(ge=1, le=2000)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError("minimum is above maximum")
        return self


class Profile(_Frozen):
    """One deployment. `name` is also the stage: the prefix of every physical name.

    `wheels` is the platform, in uv's words, whose compiled packages the functions carry. `api_id` pins the id of the
    API, which only LocalStack allows (None: AWS chooses). `keep_data` retains logs when the stack is deleted.
    `max_poison_share`, 0 to 1: a partition stops where more than that of its last records can never be stored.
    `connection_budget` is how many connections to the writer all functions together may have before the status says so.
    `validated` has each synthesis check the template against CloudFormation's own schemas, which costs 2.5 s.
    """

    name: str
    architecture: Architecture
    wheels: str
    log_retention_days: Literal[1, 7, 30, 90]
    keep_data: bool
    kafka_cluster_arn: str
    pollers: Pollers
    connection_budget: Annotated[int, Field(ge=1)]
    api_id: str | None
    max_poison_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    validated: bool
    endpoints: Endpoints


def profile_from(context: Mapping[str, object]) -> Profile:
    """The profile that the context names (`-c profile=…`).

    Raises:
        ProfileError: no profile, an unknown one, an unknown context key, or a settings file that is not right.
    """
    unknown = sorted(key for key in context if key not in _OURS and not key.startswith(_FOREIGN))
    if unknown:
        raise ProfileError(f"unknown context {', '.join(unknown)}: the keys read here are {' and '.join(_OURS)}")
    name = context.get("profile")
    if name is None:
        raise ProfileError(f"no profile: add -c profile=<name>, where a name is one of: {', '.join(PROFILES)}")
    if name not in PROFILES:
        raise ProfileError(f"there is no profile {name!r}: the profiles are: {', '.join(PROFILES)}")
    source = context.get("local")
    if not isinstance(source, str) or not source:
        raise ProfileError("profile local needs -c local=<file>, the JSON file that localstack/dev writes")
    return local(read_endpoints(Path(source)))


def read_endpoints(path: Path) -> Endpoints:
    """Read the JSON file that tells where the parts stand.

    Raises:
        ProfileError: the file cannot be read, or is not right; each key at fault is named, no value is repeated.
    """
    try:
        return Endpoints.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ProfileError(f"-c local={path}: {error.strerror}; localstack/dev up writes this file") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}" for fault in error.errors()
        )
        raise ProfileError(f"-c local={path}: {faults}") from None


def local(endpoints: Endpoints) -> Profile:
    """LocalStack on this machine, over parts that already stand: functions run here, so they are built for here."""
    return Profile(
        name=LOCAL,
        architecture=_architecture(),
        wheels=_wheels(),
        log_retention_days=1,
        keep_data=False,
        # No such cluster: LocalStack's event source mapping takes any MSK ARN to the broker beside it.
        kafka_cluster_arn="arn:aws:kafka:us-east-1:000000000000:cluster/millrace-local/00000000-0000-4000-8000-000000000000-1",
        pollers=Pollers(minimum=1, maximum=1),
        connection_budget=60,  # of the 100 that PostgreSQL takes as it comes; the poolers have at most 20 each
        api_id="millrace",
        validated=False,  # every deployment on a laptop waits for it, and tests/stacks validates this very template
        endpoints=endpoints,
    )


def _architecture() -> Architecture:
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def _wheels() -> str:
    processor = "aarch64" if _architecture() == "arm64" else "x86_64"
    # Amazon Linux 2023, the system under python3.13, has glibc 2.34: manylinux_2_28 is the newest that fits.
    return f"{processor}-apple-darwin" if sys.platform == "darwin" else f"{processor}-manylinux_2_28"
