import re
import stat
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest
import redis

from millrace_harness.parts import Endpoints, PartFailed, Report, Stack
from millrace_harness.parts.kafka import Kafka


def by_name(stack: Stack) -> dict[str, Report]:
    return {report.name: report for report in stack.report()}


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    before, endpoints = by_name(stack), stack.endpoints
    said: list[str] = []
    assert stack.up(said.append) == endpoints
    after = by_name(stack)
    assert [(report.pids, report.port) for report in before.values()] == [
        (report.pids, report.port) for report in after.values()
    ]
    assert said == ["6 of 6 parts ran already"]


def test_the_report_tells_state_version_and_memory(stack: Stack) -> None:
    reports = by_name(stack)
    assert list(reports) == ["kafka", "primary", "replica", "writer", "reader", "valkey"]
    for report in reports.values():
        assert report.state == "running"
        assert report.pid in report.pids
        assert re.match(r"\d+\.\d+", report.version)
        assert 1_000_000 < report.memory_bytes < 500_000_000


def test_every_listening_socket_is_on_loopback(stack: Stack) -> None:
    roots = [psutil.Process(pid) for report in stack.report() for pid in report.pids]
    processes = [process for root in roots for process in (root, *root.children(recursive=True))]
    listening = [
        connection.laddr
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {report.port for report in stack.report()} <= {address.port for address in listening}


def test_another_stack_of_the_same_folder_sees_the_same(stack: Stack) -> None:
    other = Stack(stack.paths, brokers=3)  # a guess that the folder corrects
    assert other.endpoints == stack.endpoints
    assert other.part("kafka").report().pid == stack.part("kafka").report().pid


def test_an_up_with_another_number_of_brokers_says_what_to_do(stack: Stack) -> None:
    with pytest.raises(PartFailed, match=r"run with 1 Kafka broker, not durable: run `down` first"):
        Stack(stack.paths, brokers=3).up(print)
    assert by_name(stack)["kafka"].state == "running"


def test_an_unknown_part_is_answered_with_the_known_ones(stack: Stack) -> None:
    with pytest.raises(PartFailed, match=r"named 'redis': choose one of kafka, primary"):
        stack.part("redis")


async def test_what_the_writer_stores_the_reader_gives(stack: Stack, endpoints: Endpoints) -> None:
    writer = await asyncpg.connect(endpoints.database_url, statement_cache_size=0)
    reader = await asyncpg.connect(endpoints.database_read_url, statement_cache_size=0)
    try:
        await writer.execute("CREATE TABLE seen (word text); INSERT INTO seen VALUES ('a')")
        position = await writer.fetchval("SELECT pg_current_wal_lsn()::text")
        await replayed(reader, position)
        assert await reader.fetchval("SELECT word FROM seen") == "a"
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reader.execute("INSERT INTO seen VALUES ('b')")
    finally:
        await writer.execute("DROP TABLE IF EXISTS seen")
        await writer.close()
        await reader.close()


async def replayed(reader: "asyncpg.Connection[asyncpg.Record]", position: str, tries: int = 200) -> None:
    for _ in range(tries):
        if await reader.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", position):
            return
        await reader.execute("SELECT pg_sleep(0.05)")
    pytest.fail("the replica does not replay")


@pytest.mark.parametrize("server", ["database_url", "database_read_url", "database_direct_url"])
async def test_a_wrong_password_is_refused(endpoints: Endpoints, server: str) -> None:
    url = urlsplit(getattr(endpoints, server))
    with pytest.raises(asyncpg.PostgresError, match=r"password authentication failed|SASL authentication failed"):
        await asyncpg.connect(
            host="127.0.0.1", port=url.port, user="millrace", password="wrong", database="millrace", timeout=10
        )


async def test_the_application_name_passes_the_pooler(endpoints: Endpoints) -> None:
    settings = {"application_name": "persist", "extra_float_digits": "1"}
    connection = await asyncpg.connect(endpoints.database_url, statement_cache_size=0, server_settings=settings)
    try:
        name = await connection.fetchval("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        assert name == "persist"
    finally:
        await connection.close()


async def test_a_statement_prepared_by_name_fails_as_it_would_pin_in_aws(endpoints: Endpoints) -> None:
    client = await asyncpg.connect(endpoints.database_url, statement_cache_size=100)
    other = await asyncpg.connect(endpoints.database_url, statement_cache_size=0)
    try:
        await client.fetchval("SELECT $1::text", "a")
        async with other.transaction():  # holds the server that knows the statement, so the client gets another
            await other.fetchval("SELECT 1")
            with pytest.raises(asyncpg.InvalidSQLStatementNameError):
                await client.fetchval("SELECT $1::text", "a")
    finally:
        client.terminate()
        await other.close()


async def test_the_application_is_no_superuser_and_owns_its_database(endpoints: Endpoints) -> None:
    connection = await asyncpg.connect(endpoints.database_direct_url)
    try:
        assert await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert await connection.fetchval("SELECT current_database()") == "millrace"
        assert await connection.fetchval("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == 1
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SHOW fsync") == "off"
    finally:
        await connection.close()


def test_the_cache_keeps_a_value(endpoints: Endpoints) -> None:
    with redis.Redis.from_url(endpoints.redis_url) as client:
        client.set("key", "value", ex=60)
        assert client.get("key") == b"value"


def test_no_log_holds_the_password_and_only_its_owner_reads_the_ledger(stack: Stack) -> None:
    password = stack.ledger.read().password
    for log in stack.paths.logs.iterdir():
        assert password not in log.read_text()
    for pooler in stack.paths.data.glob("pgbouncer/*"):
        assert stat.S_IMODE(pooler.stat().st_mode) == 0o600
    assert stat.S_IMODE(stack.ledger.file.stat().st_mode) == 0o600


def test_kafka_tells_its_bootstrap(stack: Stack, endpoints: Endpoints) -> None:
    kafka = stack.part("kafka")
    assert isinstance(kafka, Kafka)
    assert endpoints.kafka_bootstrap == kafka.bootstrap == f"127.0.0.1:{kafka.report().port}"
