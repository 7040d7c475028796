"""The folder of a local Neo4j: what lies where, its settings, its ports, its password.

    HOME/conf/neo4j.conf      written here; what stands below its last comment is the user's and stays
    HOME/conf/neo4j-admin.conf    likewise, for Neo4j's own commands
    HOME/password             of the user neo4j, 0600
    HOME/lib                  a link to the release's jars, which all servers of a user share
    HOME/data logs run import plugins

Only the folder's owner may look into it.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import time
from contextlib import ExitStack
from pathlib import Path

from intel_grapher import disk
from intel_grapher.errors import LoadError

HEAP = "1g"
PAGE_CACHE = "512m"
BOLT_PORT, HTTP_PORT = 7687, 7474
HOST = "127.0.0.1"
SECONDS_TO_LET_GO = 4.0
FOLDERS = ("conf", "data", "logs", "run", "import", "plugins")

BOLT, HTTP = "server.bolt.listen_address", "server.http.listen_address"
YOURS = "# Settings below this line are yours: they stay, and win over those above."
SETTINGS = """\
# Written by intel-grapher at each start.
server.default_listen_address={host}
{bolt}={host}:{bolt_port}
{http}={host}:{http_port}
server.https.enabled=false
server.directories.import=import
server.memory.heap.initial_size={heap}
server.memory.heap.max_size={heap}
server.memory.pagecache.size={page_cache}
# One query may not take the memory of all others: a transaction that wants more is ended, and the server lives on.
db.memory.transaction.max={transaction}
dbms.usage_report.enabled=false
# A transaction log grows as it needs to, instead of starting at 256 MiB a database.
db.tx_log.preallocate=false
# Stopping waits twice for connections to end, 5 seconds each time unless told otherwise.
internal.server.bolt.thread_pool_shutdown_wait_time=1s
"""
OPENED = ("java.base/java.nio", "java.base/java.io", "java.base/sun.nio.ch")
"""What Neo4j reaches into for its page cache and its logs; where it may not, it takes a slower way."""
LATE_C2 = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
)
"""A method is compiled thoroughly after ten times the usual calls: that takes a fifth off a start and short work."""
JVM = "".join(
    f"server.jvm.additional={each}\n" for each in (*(f"--add-opens={each}=ALL-UNNAMED" for each in OPENED), *LATE_C2)
)

THROUGHPUT = "server.jvm.additional=-XX:+UseParallelGC\n"
"""The collector of Neo4j's own commands, which nobody waits for in between: a tenth less than Java's usual one."""
_COLLECTOR = re.compile(r"^\s*server\.jvm\.additional\s*=\s*-XX:\+Use\w+GC\b", re.MULTILINE)


def library(version: str) -> Path:
    """Return the folder that has, or will have, the links to a release's jars: one for all the user's servers."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "intel-grapher" / f"neo4j-{version}"


def is_whole(folder: Path) -> bool:
    """Tell whether a library is there with all its jars (it comes whole, but what its links name may be deleted)."""
    return folder.is_dir() and all(link.exists() for link in folder.iterdir())


class Home:
    """One such folder. `heap` is HEAP_SIZE of the environment, or 1g, unless given."""

    def __init__(self, root: Path, heap: str | None, page_cache: str) -> None:
        self.root = root.resolve()
        self.heap = heap or os.environ.get("HEAP_SIZE") or HEAP
        self.page_cache = page_cache
        self.conf = self.root / "conf"
        self.data = self.root / "data"
        self.lib = self.root / "lib"
        self.logs = self.root / "logs"
        self.pid_file = self.root / "run" / "neo4j.pid"
        self.password_file = self.root / "password"

    def make_folders(self) -> None:
        """Make what is missing of the folders; only their owner may look into them."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in FOLDERS:
            (self.root / each).mkdir(exist_ok=True)

    @property
    def has_user(self) -> bool:
        """Tell whether Neo4j was told the password already: before its first start, or by having been started."""
        told = (self.data / "dbms" / "auth.ini").exists() or (self.data / "databases" / "system").exists()
        return told and self.password_file.exists()

    @property
    def is_assembled(self) -> bool:
        """Tell whether all is there that a start needs."""
        return is_whole(self.lib) and (self.conf / "neo4j.conf").exists() and self.has_user

    # --- the release ------------------------------------------------------------------------------------------------

    @property
    def version(self) -> str | None:
        """Return the release that the data belongs to; None where none was chosen yet."""
        return self.lib.readlink().name.removeprefix("neo4j-") if self.lib.is_symlink() else None

    def link(self, folder: Path) -> None:
        """Take the jars from a library."""
        new = self.lib.with_name("lib.new")
        new.unlink(missing_ok=True)
        new.symlink_to(folder)
        new.replace(self.lib)

    # --- settings ---------------------------------------------------------------------------------------------------

    def address(self, connector: str) -> str | None:
        """Return HOST:PORT of a connector (BOLT or HTTP) as the settings have it; None without settings."""
        _, values = _read(self.conf / "neo4j.conf")
        return values.get(connector)

    def write_settings(self, more: str) -> None:
        """Write the settings and some more, with the ports they had if those are free; what the user added stays."""
        yours, values = _read(self.conf / "neo4j.conf")
        had = [values.get(BOLT, f"{HOST}:{BOLT_PORT}"), values.get(HTTP, f"{HOST}:{HTTP_PORT}")]
        bolt_port, http_port = _free_ports([int(each.rpartition(":")[2]) for each in had])
        ours = SETTINGS.format(
            host=HOST,
            bolt=BOLT,
            bolt_port=bolt_port,
            http=HTTP,
            http_port=http_port,
            heap=self.heap,
            page_cache=self.page_cache,
            transaction=f"{_mebibytes(self.heap) // 2}m",
        )
        won = _keys(yours)
        kept = [line for line in (ours + more).splitlines() if line.partition("=")[0] not in won]
        _write(self.conf / "neo4j.conf", "\n".join(kept) + f"\n{JVM}\n{YOURS}\n{yours}")

    def write_admin_settings(self) -> None:
        """Write the settings of Neo4j's own commands; what the user added stays, a collector instead of ours, too."""
        admin, _ = _read(self.conf / "neo4j-admin.conf")
        collector = "" if _COLLECTOR.search(admin) else THROUGHPUT  # Java starts with no two of them
        _write(self.conf / "neo4j-admin.conf", f"{JVM}{collector}\n{YOURS}\n{admin}")

    # --- the password -----------------------------------------------------------------------------------------------

    def password(self) -> str | None:
        """Return the password; None where there is none yet."""
        try:
            return self.password_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None

    def make_password(self) -> None:
        """Write a new random password; it starts with a letter, so that no command takes it for an option.

        Raises LoadError where the database has one already, and only the file is lost.
        """
        if (self.data / "databases" / "system").exists():
            raise LoadError(
                f"{self.password_file} is gone, and the database still wants the password it held: put it back, or "
                f"delete {self.root} and load again"
            )
        _write(self.password_file, f"n{secrets.token_urlsafe(24)}\n")


def _read(path: Path) -> tuple[str, dict[str, str]]:
    """Return the user's own lines in a file of settings, and the value of every setting."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "", {}
    return text.partition(f"{YOURS}\n")[2], _keys(text)


def _mebibytes(size: str) -> int:
    """Return a size as Java writes it, such as 1g, in MiB. Raises LoadError where it is none."""
    found = re.fullmatch(r"(\d+)([kmg]?)", size.strip().lower())
    if found is None:
        raise LoadError(f"{size!r} is no size of a heap: HEAP_SIZE looks like 1g, or 512m")
    return int(found[1]) * {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[found[2]] >> 20


def _keys(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\s*([\w.]+)\s*=\s*(.*?)\s*$", text, re.MULTILINE))


def _write(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it."""
    disk.write_atomically(path, text.encode(), 0o600)


def _free_ports(wanted: list[int]) -> list[int]:
    """Return the wanted ports; one that stays taken is replaced by one that the system chooses."""
    with ExitStack() as held:
        ports = []
        for port in wanted:
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Neo4j does: a port just left is free
            if not _bound(probe, port):
                probe.bind((HOST, 0))
            ports.append(probe.getsockname()[1])
    return ports


def _bound(probe: socket.socket, port: int) -> bool:
    """Bind a socket to a port, unless it stays taken: a server that was just killed still has its own for a moment."""
    limit = time.monotonic() + SECONDS_TO_LET_GO
    while True:
        try:
            probe.bind((HOST, port))
        except OSError:
            if time.monotonic() > limit:
                return False
            time.sleep(0.05)
        else:
            return True
