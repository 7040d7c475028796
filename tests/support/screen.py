"""A terminal to run commands on, and what it shows in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROWS = 50
CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")


@dataclass(frozen=True)
class OnTerminal:
    """What a command did: its exit code, seconds of CPU and in all, what it wrote to the terminal."""

    code: int
    cpu: float
    seconds: float
    text: str

    @property
    def lines(self) -> list[str]:
        """The lines that stand on the terminal in the end, without empty ones: what progress bars drew is gone."""
        return [line.rstrip() for line in shown(self.text) if line.strip()]


def on_terminal(
    words: Sequence[str], width: int, *, folder: Path, environment: dict[str, str], out: int | None = None
) -> OnTerminal:
    """Run a command on a terminal of that width; `out` is another standard output."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, width, 0, 0))
    begun = time.monotonic()
    process = subprocess.Popen(
        words, cwd=folder, env=environment, stdin=terminal, stdout=terminal if out is None else out,
        stderr=terminal, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    told = bytearray()
    with suppress(OSError):  # the terminal's end
        while block := os.read(screen, 1 << 16):
            told += block
    os.close(screen)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds, cpu = time.monotonic() - begun, used.ru_utime + used.ru_stime
    return OnTerminal(process.returncode, cpu, seconds, told.decode(errors="replace"))


def shown(text: str) -> list[str]:
    """Return the lines that a terminal shows: the cursor may go up, and erase lines, as progress bars do."""
    lines, row = [""], 0
    for found in CONTROL.finditer(text):
        word, (count, action) = found[0], found.groups()
        if word == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif action == "A":
            row = max(0, row - int(count or 1))
        elif action == "K":
            lines[row] = ""
        elif not action and word != "\r":
            lines[row] += word
    return lines
