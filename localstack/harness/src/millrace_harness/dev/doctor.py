"""`doctor`: what is installed, running, listening, deployed and lagging; and what to do about each problem."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from confluent_kafka import Consumer, KafkaException, TopicPartition

from millrace_harness.dev import tools
from millrace_harness.dev.backing import backing
from millrace_harness.dev.client import Client
from millrace_harness.dev.deployment import inputs, read_settings, recorded
from millrace_harness.dev.environments import ENVIRONMENTS, TESTS, has_cdk_command, is_installed
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.figures import mebibytes
from millrace_harness.dev.keys import development_key
from millrace_harness.dev.places import Places
from millrace_harness.parts.part import Report

TOPICS = {"persist": "events", "bury": "events.dead"}  # by the consumer group that reads them
_KAFKA_SECONDS = 5
_CONNECT_SECONDS = 1
# More than a burst leaves for a moment: then the consumer does not keep up, or does not run.
_LAG = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """One row. `hint` says what to do, and is empty where all is well."""

    what: str
    state: str
    hint: str = ""


def examine(places: Places) -> list[Finding]:
    """Everything that can be looked at without changing it."""
    findings = [*_installed(places), *_running(places)]
    for look in (_deployed, _lagging):
        # What is behind a problem is no finding of its own.
        if not any(finding.hint for finding in findings):
            findings += look(places)
    return findings


def _installed(places: Places) -> Iterator[Finding]:
    for tool in tools.TOOLS:
        said = tools.version(tool)
        well = tools.does(tool, said)
        yield Finding(tool.name, said or "missing", "" if well else tools.how_to_get([tool]))
    for environment in ENVIRONMENTS:
        well = is_installed(places, environment)
        # The tests' environment is made by the verbs that need it.
        hint = "" if well or environment is TESTS else "run localstack/dev up"
        yield Finding(f"environment {environment.name}", "installed" if well else "not installed as locked", hint)
    there = has_cdk_command(places)
    yield Finding("CDK command line", "installed" if there else "missing", "" if there else "run localstack/dev up")


def _running(places: Places) -> Iterator[Finding]:
    for report in backing(places).report():
        yield of_part(report)


def of_part(report: Report) -> Finding:
    """What is to be said of one part."""
    if report.state == "stopped":
        return Finding(report.name, "stopped", "run localstack/dev up")
    if report.state == "dead":
        return Finding(report.name, "dead", f"see localstack/dev logs {report.name}, then run localstack/dev up")
    where = f"127.0.0.1:{report.port}"
    if not _listens(report.port):
        hint = f"see localstack/dev logs {report.name}; localstack/dev down and up begin anew"
        return Finding(report.name, f"running, but nothing listens on {where}", hint)
    return Finding(report.name, f"{report.version} on {where}, pid {report.pid}, {mebibytes(report.memory_bytes)}")


def _listens(port: int | None) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port or 0), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _deployed(places: Places) -> Iterator[Finding]:
    deployment = recorded(places)
    if deployment is None or deployment.emulator != backing(places).emulator_identity:
        yield Finding("deployment", "none in this LocalStack", "run localstack/dev up")
        return
    fresh = deployment.inputs == inputs(places)
    yield Finding(
        "deployment", "current" if fresh else "older than the sources", "" if fresh else "run localstack/dev up"
    )
    with Client(deployment.url, development_key(places)) as client:
        for path, log in (("/health/ready", "ingest"), ("/v1/events?limit=1", "query")):
            yield _answers(client, path, log)


def _answers(client: Client, path: str, log: str) -> Finding:
    try:
        status = client.get(path).status
    except Failed as failure:
        return Finding(f"GET {path}", "no answer", str(failure))
    hint = "" if status == HTTPStatus.OK else f"see localstack/dev logs {log}"
    return Finding(f"GET {path}", str(status), hint)


def _lagging(places: Places) -> Iterator[Finding]:
    for group in TOPICS:
        try:
            behind = lag(read_settings(places)["kafka_bootstrap"], group)
        except KafkaException as error:
            yield Finding(
                f"lag of {group}", "unknown", f"Kafka does not answer ({error}): see localstack/dev logs kafka"
            )
            return
        hint = f"see localstack/dev logs {group}" if behind > _LAG else ""
        yield Finding(f"lag of {group}", f"{behind} records", hint)


def lag(bootstrap: str, group: str) -> int:
    """How many records of its topic the consumer group has yet to commit.

    Raises:
        KafkaException: the broker does not answer within a few seconds.
    """
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    name = TOPICS[group]
    try:
        topic = consumer.list_topics(name, timeout=_KAFKA_SECONDS).topics[name]
        partitions = [TopicPartition(name, number) for number in topic.partitions]
        behind = 0
        for committed in consumer.committed(partitions, timeout=_KAFKA_SECONDS):
            low, high = consumer.get_watermark_offsets(committed, timeout=_KAFKA_SECONDS)
            behind += high - (committed.offset if committed.offset >= 0 else low)
        return behind
    finally:
        consumer.close()
