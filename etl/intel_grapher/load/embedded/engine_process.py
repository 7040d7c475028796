"""The process in which the embedded engine writes to a store; `engine` starts it.

It is run as a script, and imports nothing but the engine. On a disk without room the engine may end the process that it
is in: then this one ends, and the load says why. It ends with its parent, so that no store is written that a later load
already removes.

Arguments: the store, the buffer pool in bytes, the parent's process id, whether what is written stays in the log
beside the store (1) or the engine may move it into the store (0), and the number of threads (0: as many as processors).
Standard input has one statement a line, as
JSON; to standard output goes a line for each that is done, and one with the engine's error where one fails.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress

import ladybug

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(store: str, pool: int, parent: int, to_log: int, threads: int) -> None:
    """Run the statements."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent's to heed, which ends this process
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(AttributeError, OSError):  # not on Linux
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    try:
        database = ladybug.Database(store, buffer_pool_size=pool, auto_checkpoint=not to_log, max_num_threads=threads)
        connection = ladybug.Connection(database)
        if to_log:
            connection.execute("CALL force_checkpoint_on_close=false")
        for line in sys.stdin:
            connection.execute(json.loads(line))
            _tell("done")
        connection.close()
        database.close()
        _tell("done")
    except RuntimeError as error:  # LadybugDB raises RuntimeError for everything
        _tell(json.dumps(str(error)))


def _tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
