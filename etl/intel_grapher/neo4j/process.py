"""The processes of a local Neo4j: its official commands, and the server that one of them leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from intel_grapher.errors import LoadError
from intel_grapher.neo4j.home import Home
from intel_grapher.neo4j.java import Java

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""All that Neo4j's processes get of our environment: API keys and passwords stay out of it."""
SECONDS_BETWEEN_LOOKS = 0.1
LINES_SHOWN = 15
Wait = Callable[[], subprocess.CompletedProcess[str]]
"""What waits for a command's end and returns what it printed; LoadError where it failed."""


class PortTakenError(LoadError):
    """The server's port is another program's."""


class Commands:
    """Neo4j's own `neo4j` and `neo4j-admin` on one home, run by one Java."""

    def __init__(self, home: Home, java: Java) -> None:
        self._home = home
        self._java = java

    def start(self, within: float) -> None:
        """Run `neo4j start`, which returns when the server is up or has failed; LoadError tells why.

        PortTakenError is raised where another program was quicker to take a port that was free just before.
        """
        with self._running("Neo4jCommand", "start") as process:
            try:
                code = process.wait(within)
            except subprocess.TimeoutExpired:
                code = None
        if code is None:
            raise LoadError(f"Neo4j did not start within {within:.0f} seconds\n{self.last_words()}")
        if code or server(self._home) is None:
            why = self.last_words()
            failed = PortTakenError if "Address already in use" in why else LoadError
            raise failed(f"Neo4j did not start\n{why}")

    def admin(self, *arguments: str, lock: int) -> subprocess.CompletedProcess[str]:
        """Run `neo4j-admin`; the lock stays held as long as that works, even where we are killed."""
        with self.admin_beside(*arguments, lock=lock) as wait:
            return wait()

    @contextmanager
    def admin_beside(self, *arguments: str, lock: int) -> Iterator[Wait]:
        """Run `neo4j-admin` while the block does; yield what waits for its end, and returns or raises as `admin` does.

        Leaving the block ends it. Meanwhile another may be neither begun nor ended.
        """
        self._home.write_admin_settings()
        with self._running("Neo4jAdminCommand", *arguments, lock=lock) as process:
            yield lambda: self._ended(arguments, process.wait())

    def _ended(self, arguments: tuple[str, ...], code: int) -> subprocess.CompletedProcess[str]:
        log = self._log("Neo4jAdminCommand")
        printed = log.read_text(encoding="utf-8", errors="replace")
        if code:
            said = f"`neo4j-admin {' '.join(arguments[:3])}` failed"
            if "database is in use" in printed:
                raise LoadError(f"{said}: the database is in use. Stop it first: `intel-grapher neo4j down`")
            raise LoadError(f"{said} (exit code {code}). Its output is in {log} and ends:\n{_tail(log)}")
        return subprocess.CompletedProcess(arguments, 0, printed, "")

    def last_words(self) -> str:
        """Return the end of what the server and its starter wrote."""
        logs = (self._log("Neo4jCommand"), self._home.logs / "neo4j.log")
        ends = "\n".join(f"The end of {each}:\n{_tail(each)}" for each in logs)
        return f"{ends}\nMore may be in {self._home.logs / 'debug.log'}"

    def _log(self, main: str) -> Path:
        return self._home.logs / ("neo4j-admin.log" if main == "Neo4jAdminCommand" else "neo4j-command.log")

    @contextmanager
    def _running(self, main: str, *arguments: str, lock: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """Yield the process of a command, which is ended with the block."""
        command = [
            self._java.command,
            "-XX:TieredStopAtLevel=1",  # it only starts another Java, so it should start fast itself
            "-cp",
            f"{self._home.lib}/*",
            f"-Dbasedir={self._home.root}",
            f"org.neo4j.server.startup.{main}",
            *arguments,
        ]
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | {
            "JAVA_HOME": str(self._java.home),
            "NEO4J_HOME": str(self._home.root),
            "NEO4J_CONF": str(self._home.conf),
            "HEAP_SIZE": self._home.heap,
        }
        with self._log(main).open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - Neo4j's own command
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=() if lock is None else (lock,),
                start_new_session=True,  # a group of its own: it is ended together with what it started
            )
        try:
            _sign(lock, process.pid)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            _sign(lock, os.getpid())


def _sign(lock: int | None, pid: int) -> None:
    """Say in the lock file which process to wait for, or to stop."""
    if lock is not None:
        os.ftruncate(lock, 0)
        os.write(lock, str(pid).encode())


def server(home: Home) -> int | None:
    """Return the process id of the home's server; None where none runs.

    A server that was killed leaves its number behind, and another process may get it: so the number alone is no proof.
    """
    try:
        pid = int(home.pid_file.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None
    return pid if f"--home-dir={home.root}" in _command_line(pid) else None


def stop(home: Home, within: float) -> bool:
    """Ask the home's server to end, as `neo4j stop` does; tell whether it did within that many seconds."""
    if (pid := server(home)) is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    limit = time.monotonic() + within
    while server(home) is not None and time.monotonic() < limit:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return server(home) is None


def end(home: Home) -> None:
    """End the home's server at once; what it had committed, it finds again in its transaction log."""
    while (pid := server(home)) is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _command_line(pid: int) -> list[str]:
    """Return a process's arguments; none where it is gone, or dead and not reaped."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            return []
    shown = subprocess.run(  # noqa: S603 - a number
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.split()


def _tail(log: Path) -> str:
    """Return the last lines of a log, without those that a progress display overwrote."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "(not there)"
    return "\n".join([line for line in text.splitlines() if line.strip()][-LINES_SHOWN:])
