"""`ulak` as a process of its own, without what it costs to load it each time.

One process of a test run loads the program and does nothing else; every start is a fork of it. What comes
out is a process like any other: it has its own files, environment and signals, can be stopped and killed,
ends as the interpreter ends, and leaves an exit code. Only the second in which the interpreter reads the same
modules again is not there. That the installed command and `python -m ulak` start is shown in
tests/cli/test_processes.py and tests/test_fresh.py.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

LOADED = (
    "alembic.command",
    "sqlalchemy.dialects.sqlite",
    "ulak.cli.serve",
    "ulak.cli.sandbox",
    "ulak.cli.doctor",
    "ulak.logs",
    "ulak.wiring",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
"""What a server and most commands load."""


class Process:
    """A process that was started here; the words of `subprocess.Popen` for it."""

    def __init__(self, launcher: Launcher, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._launcher = launcher
        self._end = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """The exit code, minus the signal if one ended it; None while it runs."""
        if self.returncode is None and select.select([self._end], [], [], 0)[0]:
            self._note_end()
        return self.returncode

    def wait(self) -> int:
        """The same when it has ended."""
        if self.returncode is None:
            select.select([self._end], [], [])
            self._note_end()
        assert self.returncode is not None
        return self.returncode

    async def ended(self) -> int:
        """The same without holding up the event loop."""
        if self.returncode is None:
            loop, over = asyncio.get_running_loop(), asyncio.Event()
            loop.add_reader(self._end, over.set)
            try:
                await over.wait()
            finally:
                loop.remove_reader(self._end)
        return self.wait()

    def send_signal(self, sign: signal.Signals) -> None:
        """Nothing, if it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sign)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)

    def _note_end(self) -> None:
        self.returncode = self._launcher.bury(self.pid)
        os.close(self._end)


class Launcher:
    """The process that loaded the program. It ends when this one does."""

    def __init__(self) -> None:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(its.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                env={name: value for name, value in os.environ.items() if not name.startswith("ULAK_")},
            )

    def start(self, words: Sequence[str], environment: Mapping[str, str], out: int, err: int) -> Process:
        """Begin to carry out `ulak WORDS…`; it writes to these two open files."""
        asked = {"words": list(words), "environment": dict(environment), "folder": os.getcwd()}
        return Process(self, self._ask(asked, [out, err]))

    def bury(self, pid: int) -> int:
        """The exit code of a process that has ended."""
        return self._ask({"bury": pid})

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait()

    def _ask(self, what: Mapping[str, Any], files: Sequence[int] = ()) -> int:
        socket.send_fds(self._socket, [json.dumps(what).encode()], files)
        answer = self._socket.recv(64)
        assert answer, "the launcher of tests has ended"
        return int(answer)


_launcher: Launcher | None = None


def start(words: Sequence[str], environment: Mapping[str, str], out: int, err: int) -> Process:
    """Begin to carry out `ulak WORDS…` in exactly this environment; it writes to these two open files."""
    global _launcher
    if _launcher is None:
        _launcher = Launcher()
        atexit.register(_launcher.close)
    return _launcher.start(words, environment, out, err)


PATIENCE = 120.0
"""Seconds that a command may take, on a machine however busy."""


async def run(words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """Carry out `ulak WORDS…` to its end: the exit code, and what it wrote."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start(words, environment, out.fileno(), err.fileno())
        try:
            code = await asyncio.wait_for(process.ended(), PATIENCE)
        finally:
            process.kill()
            process.wait()
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


# In the launcher itself


def _launch(asked: socket.socket) -> Callable[[], int]:
    """Fork whenever that is asked for; returns only in a new process, with what is to be done there."""
    while True:
        packet, files, _, _ = socket.recv_fds(asked, 1 << 20, 2)
        if not packet:
            sys.exit(0)
        what = json.loads(packet)
        if "bury" in what:
            _, status = os.waitpid(what["bury"], 0)
            asked.send(str(os.waitstatus_to_exitcode(status)).encode())
        elif (pid := os.fork()) == 0:
            asked.close()
            return lambda: _become(what, *files)
        else:
            for file in files:
                os.close(file)
            asked.send(str(pid).encode())


def _become(what: Mapping[str, Any], out: int, err: int) -> int:
    """Carry out the command line, as if the interpreter had been started with it."""
    from ulak.cli.app import main

    for file, place in ((out, 1), (err, 2)):
        os.dup2(file, place)
        os.close(file)
    os.environ.clear()
    os.environ.update(what["environment"])
    os.chdir(what["folder"])
    sys.argv = ["ulak", *what["words"]]
    return main()


def _serve() -> NoReturn:
    import gc
    import importlib

    for module in LOADED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # Children do not copy these pages just to look at them.
    sys.exit(_launch(socket.socket(fileno=int(sys.argv[1])))())


if __name__ == "__main__":
    _serve()
