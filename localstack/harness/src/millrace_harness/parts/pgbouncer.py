"""PgBouncer in transaction mode: what RDS Proxy is before Aurora."""

import functools
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from millrace_harness.parts import debian
from millrace_harness.parts.account import Account, as_account
from millrace_harness.parts.cache import Cache
from millrace_harness.parts.commands import run
from millrace_harness.parts.errors import PartFailed
from millrace_harness.parts.ledger import Ledger
from millrace_harness.parts.part import Part, Server
from millrace_harness.parts.paths import Paths
from millrace_harness.parts.postgres import DATABASE, USER
from millrace_harness.parts.probes import postgres_answers

ENTRY = "pgbouncer"  # in the cache
ADVICE = "Install PgBouncer by your system's packages, so that `pgbouncer` is on PATH; or use Docker, `up --compose`."
VERSION_SECONDS = 10
PREPARES_SINCE = (1, 21)  # versions that follow named prepared statements from server to server

SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
stats_users = {user}
pool_mode = transaction
default_pool_size = 10
max_client_conn = 500
; asyncpg and JDBC send it, and it changes nothing for us.
ignore_startup_parameters = extra_float_digits
; A server that is back is found within a second; until then a client waits, at most 5 s.
server_login_retry = 1
query_wait_timeout = 5
logfile =
log_connections = 0
log_disconnections = 0
"""

# RDS Proxy pins a connection that prepares a statement by name. Here such a statement fails, which is seen sooner.
REFUSE_NAMED_STATEMENTS = "max_prepared_statements = 0\n"


class PgBouncer(Part):
    """`writer` or `reader`: the pooler before the server named `before`, which may come and go."""

    title: ClassVar[str] = "PgBouncer"

    def __init__(self, name: str, paths: Paths, ledger: Ledger, *, before: str) -> None:
        super().__init__(name, paths, ledger)
        self._before = before

    @property
    def version(self) -> str:
        """PgBouncer's; `unknown` until it is fetched."""
        program = _program(self.paths)
        return _version(program, _libraries(self.paths)) if program else "unknown"

    def fetch(self, cache: Cache) -> None:
        """Unpack it from its Debian package, where it is neither installed nor in the cache. Raises `PartFailed`."""
        if _program(self.paths) is None:
            cache.entry(ENTRY, functools.partial(debian.unpack, ENTRY, advice=ADVICE), what="PgBouncer")

    def servers(self) -> Sequence[Server]:
        """Write settings and the list of users, which only the account it runs as may read."""
        program = _program(self.paths)
        if program is None:
            raise PartFailed(f"`pgbouncer` is missing. {ADVICE}")
        account = Account.current()
        folder = self.paths.data / "pgbouncer"
        folder.mkdir(parents=True, exist_ok=True)
        settings, users = folder / f"{self.name}.ini", folder / f"{self.name}.users"
        _write(users, f'"{USER}" "{self.ledger.read().password}"\n', account)
        _write(settings, self._settings(users), account)
        if account:
            account.require_reach(program, settings)
        return [
            Server(
                name=self.name,
                command=as_account(account, program, settings),
                port=self.ledger.port(self.name),
                environment={"LD_LIBRARY_PATH": str(_libraries(self.paths))},
            )
        ]

    def answers(self) -> bool:
        """True when it asks a client for the password; whether its server is there is the server's report."""
        return postgres_answers(self.ledger.port(self.name), DATABASE)

    def _settings(self, users: Path) -> str:
        server, port = self.ledger.port(self._before), self.ledger.port(self.name)
        settings = SETTINGS.format(server=server, port=port, users=users, user=USER)
        numbers = tuple(int(number) for number in re.findall(r"\d+", self.version)[:2])
        return settings + (REFUSE_NAMED_STATEMENTS if numbers >= PREPARES_SINCE else "")


def _program(paths: Paths) -> Path | None:
    unpacked = paths.cache / ENTRY / "usr" / "sbin"
    # Debian installs it where only root's PATH looks.
    found = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", str(unpacked)]))
    return Path(found) if found else None


def _libraries(paths: Paths) -> Path:
    return debian.libraries(paths.cache / ENTRY)


@functools.cache
def _version(program: Path, libraries: Path) -> str:
    environment = {"LD_LIBRARY_PATH": str(libraries)}
    said = run(program, "--version", advice=ADVICE, timeout_seconds=VERSION_SECONDS, environment=environment)
    return said.split()[1]


def _write(file: Path, text: str, account: Account | None) -> None:
    file.unlink(missing_ok=True)
    file.touch(0o600)
    file.write_text(text)
    if account:
        account.own(file)
