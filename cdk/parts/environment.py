"""What each function is told, in one table.

A value's name is a field of the function's settings class (`shared/runtime/settings.py`) and of `Endpoints`; a test
holds the two together. The settings classes are not imported here: the deployment does not carry what Lambda carries.
"""

from cdk.profiles import Profile
from functions.catalog import Function

NAMESPACE = "Millrace"

_TOLD = {
    "ingest": ("kafka_bootstrap", "redis_url", "database_read_url", "api_key_sha256"),
    "query": ("database_read_url", "redis_url", "api_key_sha256", "cursor_secret"),
    "manage": ("database_url", "redis_url", "api_key_sha256", "cursor_secret", "kafka_bootstrap"),
    "persist": ("database_url", "redis_url", "kafka_bootstrap"),
    "bury": ("database_url",),
    "jobs": ("kafka_bootstrap", "database_url", "database_read_url", "redis_url", "erasure_secret"),
    "drain": ("kafka_bootstrap", "redis_url"),
    "migrate": ("database_direct_url", "kafka_bootstrap", "kafka_replication"),
    "maintain": ("database_direct_url", "kafka_bootstrap"),
}

# What the stack makes itself.
_SPOOLING = ("ingest", "drain", "jobs")
_WAKING = ("manage", "jobs", "maintain")
# What differs between deployments, and is no place where a part stands.
_DECIDED = {
    "manage": ("connection_budget",),
    "persist": ("max_poison_share",),
    "maintain": ("connection_budget",),
}


def environment(function: Function, profile: Profile, *, spool_bucket: str, jobs_queue: str) -> dict[str, str]:
    """The environment variables of `function`. A function that has no row in the table is a KeyError."""
    made = {"SPOOL_BUCKET": spool_bucket} if function.name in _SPOOLING else {}
    decided = {field.upper(): str(getattr(profile, field)) for field in _DECIDED.get(function.name, ())}
    made |= {"JOBS_QUEUE_URL": jobs_queue} if function.name in _WAKING else {}
    told = {field.upper(): str(getattr(profile.endpoints, field)) for field in _TOLD[function.name]}
    return {
        "POWERTOOLS_SERVICE_NAME": function.name,
        "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
        "POWERTOOLS_LOG_LEVEL": "INFO",
        **told,
        **decided,
        **made,
    }
