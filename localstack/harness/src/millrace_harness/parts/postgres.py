"""A PostgreSQL primary and its streaming replica."""

import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from millrace_harness.parts.account import Account, as_account
from millrace_harness.parts.commands import run
from millrace_harness.parts.ledger import Ledger
from millrace_harness.parts.locks import locked
from millrace_harness.parts.maven import MavenParts
from millrace_harness.parts.part import Part, Server
from millrace_harness.parts.paths import Paths
from millrace_harness.parts.probes import postgres_answers
from millrace_harness.parts.processes import MARK

DATABASE = USER = "millrace"
LAYOUT_SECONDS = 120
ADVICE = "Run `down` and `up` again; if it stays, remove the state folder."

SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
shared_buffers = 32MB
wal_level = replica
hot_standby_feedback = on
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 500ms  # at the default of 5 s a replica streams only 4.7 s after its primary is back
max_slot_wal_keep_size = 1GB
timezone = 'UTC'
log_timezone = 'UTC'
jit = off
log_checkpoints = off
# Off, what a killed server had committed is still there, and what a machine without power had is not. Never
# synchronous_commit = off instead: it saves 0.2 ms, and the replica then lags by 200 ms.
fsync = {durable}
full_page_writes = {durable}
"""
# max_connections, max_wal_senders, max_worker_processes and max_locks_per_transaction stay at initdb's values: a
# replica with less than the control file says refuses to start.

REPLICA_SETTINGS = """
primary_conninfo = 'host=127.0.0.1 port={port} user=replica password={password} application_name=replica'
primary_slot_name = 'replica'
"""

ACCESS = """\
host all all 127.0.0.1/32 scram-sha-256
host replication replica 127.0.0.1/32 scram-sha-256
"""

# What Aurora's first user may do: no superuser, but roles, databases, and a look at the server.
FIRST_STATEMENTS = """\
SELECT pg_create_physical_replication_slot('replica', true)
CREATE ROLE replica LOGIN REPLICATION PASSWORD '{password}'
CREATE ROLE millrace LOGIN CREATEDB CREATEROLE PASSWORD '{password}' IN ROLE pg_monitor, pg_signal_backend
CREATE DATABASE millrace OWNER millrace
"""


class Cluster:
    """The data folders of the pair, made together before either server starts."""

    def __init__(self, paths: Paths, ledger: Ledger, *, durable: bool) -> None:
        self.folder = paths.data / "postgres"
        self.maven = MavenParts(paths)
        self._paths = paths
        self._ledger = ledger
        self._durable = durable

    def lay_out(self) -> None:
        """Make both folders, where there are none.

        Raises:
            PartFailed: initdb fails, or the account that PostgreSQL runs as cannot reach a folder.
        """
        lock = self._paths.state / "postgres.lock"
        with locked(lock, patience_seconds=LAYOUT_SECONDS, purpose="making the database"):
            if self.folder.exists():
                return
            self._paths.data.mkdir(parents=True, exist_ok=True)
            account = Account.current()
            draft = Path(tempfile.mkdtemp(prefix="postgres.draft-", dir=self._paths.data))
            if account:
                account.own(draft)
                account.require_reach(self.maven.postgres / "bin" / "postgres", draft / "primary")
            self._make(draft, account)
            draft.rename(self.folder)

    def command(self, name: str) -> tuple[str, ...]:
        """Start the server `name`."""
        return as_account(Account.current(), self.maven.postgres / "bin" / "postgres", "-D", self.folder / name)

    def _make(self, draft: Path, account: Account | None) -> None:
        password = self._ledger.read().password
        primary, replica = draft / "primary", draft / "replica"
        self._initialise(primary, password, account)
        with (primary / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS.format(port=self._ledger.port("primary"), durable="on" if self._durable else "off"))
        (primary / "pg_hba.conf").write_text(ACCESS)
        # A single-user backend makes roles, database and slot before the first start: no client is needed here.
        alone = (
            self.maven.postgres / "bin" / "postgres",
            "--single",
            "-D",
            primary,
            "-c",
            "exit_on_error=on",
            "postgres",
        )
        self._run(account, *alone, text=FIRST_STATEMENTS.format(password=password))
        self._copy(primary, replica, password, account)

    def _initialise(self, primary: Path, password: str, account: Account | None) -> None:
        password_file = primary.with_name("password")
        password_file.touch(0o600)
        password_file.write_text(f"{password}\n")
        if account:
            account.own(password_file)
        options = ["--username=postgres", f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8"]
        options += ["--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"]
        options += [] if self._durable else ["--no-sync"]
        self._run(account, self.maven.postgres / "bin" / "initdb", "-D", primary, *options)
        password_file.unlink()

    def _copy(self, primary: Path, replica: Path, password: str, account: Account | None) -> None:
        """A copy of a server that never ran has its identity and its state: no base backup is needed."""
        self._run(account, "cp", "--archive", primary, replica)
        # The primary's slot would make the replica keep its WAL for nobody.
        self._run(account, "rm", "--recursive", replica / "pg_replslot" / "replica")
        with (replica / "postgresql.conf").open("a") as settings:
            settings.write(f"port = {self._ledger.port('replica')}\n")
            settings.write(REPLICA_SETTINGS.format(port=self._ledger.port("primary"), password=password))
        self._run(account, "touch", replica / "standby.signal")

    def _run(self, account: Account | None, *command: str | Path, text: str | None = None) -> None:
        # Marked, because a change of account takes away what else would end it with a killed supervisor.
        mark = {MARK: self._ledger.read().mark}
        whole = as_account(account, *command)
        run(*whole, advice=ADVICE, timeout_seconds=LAYOUT_SECONDS, environment=mark, text=text)


class Postgres(Part):
    """`primary` or `replica`. `stop` and `start` keep the rows; so does a kill."""

    title: ClassVar[str] = "PostgreSQL"
    gently: ClassVar[signal.Signals] = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    abruptly: ClassVar[signal.Signals] = signal.SIGQUIT  # "immediate": takes its children with it, as SIGKILL does not

    def __init__(self, name: str, paths: Paths, ledger: Ledger, *, cluster: Cluster) -> None:
        super().__init__(name, paths, ledger)
        self._cluster = cluster

    @property
    def version(self) -> str:
        """PostgreSQL's."""
        return self._cluster.maven.version("postgres")

    def servers(self) -> Sequence[Server]:
        """Make the pair's data where there is none."""
        self._cluster.lay_out()
        return [Server(name=self.name, command=self._cluster.command(self.name), port=self.ledger.port(self.name))]

    def answers(self) -> bool:
        """True when it lets a client go on to its password: it has recovered by then."""
        return postgres_answers(self.ledger.port(self.name), DATABASE)
