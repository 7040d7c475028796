"""A Neo4j server of one's own, in one folder, put together from packages: start, stop, administer, exchange stores.

It listens on 127.0.0.1 only. What is run are Neo4j's own commands. `intel_grapher.neo4j.home` tells what lies where.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from intel_grapher.errors import LoadError
from intel_grapher.lock import locked
from intel_grapher.neo4j.connection import DATABASE, USER, Server, connect, connection_from_environment
from intel_grapher.neo4j.home import BOLT, PAGE_CACHE, Home, is_whole, library
from intel_grapher.neo4j.java import Java, Release, choose
from intel_grapher.neo4j.process import Commands, PortTakenError, Wait, end, server, stop
from intel_grapher.neo4j.swap import StoreSwap

if TYPE_CHECKING:
    import neo4j
    import neo4j.exceptions
else:
    from intel_grapher.neo4j import driver as neo4j

__all__ = ["LocalNeo4j", "Server", "Status", "connect", "connection_from_environment"]

SECONDS_TO_START = 180.0
SECONDS_TO_STOP = 60.0
SECONDS_BETWEEN_TRIES = 0.2
TRIES = 3


@dataclass(frozen=True, slots=True)
class Status:
    """What there is of a local server. `version` is the release of its jars, `uri` where it answers, or will."""

    home: Path
    assembled: bool
    version: str | None
    running: bool
    pid: int | None
    uri: str | None


class LocalNeo4j:
    """The Neo4j in one folder.

    `heap` is HEAP_SIZE of the environment, or 1g, unless given; `say` is told what takes long.
    Every method that changes something raises LoadError where it can't, and BusyError while another process is at work
    on the same folder.
    """

    def __init__(
        self,
        home: Path,
        *,
        heap: str | None = None,
        page_cache: str = PAGE_CACHE,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._home = Home(home, heap, page_cache)
        self._stores = StoreSwap(self._home.data, DATABASE)
        self._say = say
        self._lock: int | None = None

    @property
    def home(self) -> Path:
        """Return its folder."""
        return self._home.root

    def status(self) -> Status:
        """Return what there is, without waiting for anything or changing it."""
        pid = server(self._home)
        address = self._home.address(BOLT)
        return Status(
            home=self.home,
            assembled=self._home.is_assembled,
            version=self._home.version,
            running=pid is not None,
            pid=pid,
            uri=f"bolt://{address}" if address else None,
        )

    @property
    def is_empty(self) -> bool:
        """True if its database was never made: it has not been started, and nothing was imported."""
        return not (self._home.data / "databases" / DATABASE).exists()

    def connection(self) -> Server:
        """Return how to reach this server, running or not; LoadError where none was ever made."""
        uri, password = self.status().uri, self._home.password()
        if uri is None or password is None:
            raise self._not_there()
        return Server(uri, USER, password, self)

    @contextmanager
    def alone(self) -> Iterator[int]:
        """Keep other processes from working on this folder meanwhile. Methods called inside take no second lock.

        A store that was swapped in within another such block, and not approved of there, goes first.
        """
        if self._lock is not None:
            yield self._lock
            return
        self._home.make_folders()
        with locked(self.home / "lock", f"The local Neo4j in {self.home}", failure=LoadError) as lock:
            self._lock = lock
            try:
                if self._stores.unapproved and server(self._home) is not None:
                    self._stop(SECONDS_TO_STOP)
                if server(self._home) is None:
                    self._stores.recover()
                yield lock
            finally:
                self._lock = None

    # --- up and down ------------------------------------------------------------------------------------------------

    def assemble(self) -> None:
        """Put together what is missing: jars (downloaded once a user), settings, a password. Nothing is started."""
        with self.alone() as lock:
            release, java = self._chosen
            folder = library(release.version)
            if not is_whole(folder):
                _gather(release, folder, self._say)
            if self._home.version != release.version or not is_whole(self._home.lib):
                self._home.link(folder)
            if server(self._home) is None:
                self._home.write_settings(release.settings)
            if not self._home.has_user:
                self._home.make_password()
                # As a file of arguments, so that no list of processes shows it.
                told = Commands(self._home, java).admin(
                    "dbms", "set-initial-password", f"@{self._home.password_file}", lock=lock
                )
                if not self._home.has_user:
                    raise LoadError(f"neo4j-admin did not take the password: {told.stdout}")

    def up(self, within: float = SECONDS_TO_START) -> Server:
        """Return the connection of this server, running and answering over Bolt; it is made and started if need be.

        One that does not answer in so many seconds after its start is ended again, and LoadError has its last words.
        """
        with self.alone():
            if server(self._home) is not None and self._answers(within):  # else it was about to end, and has
                return self.connection()
            had = self._home.address(BOLT)
            self.assemble()
            self._home.pid_file.unlink(missing_ok=True)  # of a server that was killed; may be another's number now
            try:
                self._start(within)
            except BaseException:
                end(self._home)
                raise
            if had not in {None, has := self._home.address(BOLT)}:
                self._say(f"{had} was taken by another program: this Neo4j answers at {has} from now on")
            return self.connection()

    def down(self, grace: float = SECONDS_TO_STOP) -> bool:
        """Stop the server, by force after so many seconds. Return whether one was running."""
        if server(self._home) is None:
            return False
        with self.alone():
            self._stop(grace)
            return True

    # --- administration ---------------------------------------------------------------------------------------------

    def admin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the official `neo4j-admin` on this folder; its `stdout` has all that it printed.

        An argument `@FILE` stands for those in that file. It runs in the current folder. An import into a database
        beside the live one, and its check, may run while the server does. LoadError has the end of the output and
        the path of its log.
        """
        with self.admin_beside(*arguments) as wait:
            return wait()

    @contextmanager
    def admin_beside(self, *arguments: str) -> Iterator[Wait]:
        """Run `neo4j-admin` while the block does; yield what waits for it, and then returns or raises as `admin` does.

        Leaving the block ends it. The server may be stopped and started meanwhile, but no other `neo4j-admin` be run.
        """
        if not self._home.is_assembled:
            raise self._not_there()
        with self.alone() as lock, self._commands.admin_beside(*arguments, lock=lock) as wait:
            yield wait

    def has_room_for(self, database: str) -> bool:
        """Tell whether a copy of a database would leave as much room again on the disk."""
        return self._stores.has_room_for(database)

    def copy(self, database: str, to: str) -> None:
        """Copy a database that nothing is at work on."""
        with self.alone():
            self._stores.copy(database, to)

    def remove(self, database: str) -> None:
        """Delete a database that lies beside the live one, if it is there."""
        with self.alone():
            self._stores.remove(database)

    def swap_in(self, database_from: str) -> None:
        """Put the imported database of that name in the live one's place, which is kept until `drop_old`.

        The server must be down.
        """
        with self._stopped():
            self._stores.swap_in(database_from)

    def swap_back(self) -> None:
        """Undo the last swap, and delete what it had brought in; the server must be down."""
        with self._stopped():
            self._stores.swap_back()

    def drop_old(self) -> None:
        """Approve of the last swap: delete the store that it kept, if there is one; the server may run."""
        with self.alone():
            self._stores.drop_old()

    # --- what they share --------------------------------------------------------------------------------------------

    @cached_property
    def _chosen(self) -> tuple[Release, Java]:
        return choose(self._home.version)

    @property
    def _commands(self) -> Commands:
        return Commands(self._home, self._chosen[1])

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        with self.alone():
            if (pid := server(self._home)) is not None:
                raise LoadError(
                    f"The local Neo4j in {self.home} runs (process {pid}): stop it with `intel-grapher neo4j down`"
                )
            yield

    def _stop(self, grace: float) -> None:
        self._say(f"Stopping the Neo4j in {self.home}")
        if not stop(self._home, grace):
            self._say(f"It did not stop within {grace:.0f} seconds: ending it by force")
            end(self._home)
        self._home.pid_file.unlink(missing_ok=True)

    def _start(self, within: float) -> None:
        """Start the server, and return when its database answers; LoadError tells why it does not."""
        self._say(f"Starting Neo4j {self._home.version} in {self.home}")
        for tried in range(1, TRIES + 1):
            try:
                self._commands.start(within)
                break
            except PortTakenError:
                if tried == TRIES:
                    raise
                self._home.write_settings(self._chosen[0].settings)
        if not self._answers(within):
            raise LoadError(f"Neo4j ended before it answered\n{self._commands.last_words()}")

    def _answers(self, within: float) -> bool:
        """Wait until the database answers: that can be later than the server says that it has started.

        False tells that the server has ended instead; LoadError, that it did neither within so many seconds, or that it
        refuses our password.
        """
        limit = time.monotonic() + within
        while True:
            try:
                connect(self.connection()).close()
            except LoadError as error:
                if isinstance(error.__cause__, neo4j.exceptions.AuthError):
                    raise
                if server(self._home) is None:
                    return False
                if time.monotonic() > limit:
                    raise LoadError(
                        f"Neo4j did not answer within {within:.0f} seconds: {error}\n{self._commands.last_words()}"
                    ) from error
                time.sleep(SECONDS_BETWEEN_TRIES)
            else:
                return True

    def _not_there(self) -> LoadError:
        return LoadError(f"There is no local Neo4j in {self.home}: make one with `intel-grapher neo4j up`")


def _gather(release: Release, folder: Path, say: Callable[[str], None]) -> None:
    """Fill a library; LoadError where the packages for that are not installed."""
    try:
        from intel_grapher.neo4j.jars import gather  # noqa: PLC0415 - needs an extra that most users do without
    except ModuleNotFoundError as missing:
        package = str(missing.name).partition(".")[0]
        raise LoadError(
            f"A local Neo4j needs the package {package}: `pip install 'intel-grapher[local-neo4j]'`. Any other "
            "Neo4j will do as well: `docker compose up -d`, or set NEO4J_URI, NEO4J_USER and NEO4J_PASSWORD"
        ) from missing
    gather(release.version, folder, say)
