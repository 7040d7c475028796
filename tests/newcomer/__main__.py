"""What a newcomer meets, step by step, on terminals of 60, 80 and 140 columns, and whether each step keeps its promise.

    python tests/newcomer [--short]

A fresh clone, a fresh HOME, and no network once it is set up. The long form begins with README's two commands, which
take what running needs from a package index; `--short` begins after them, with this checkout's program. Each step has
a terminal of its own. The table says the columns, the exit code, the seconds of CPU and in all, the lines, and what was
not as promised; then the exit code is 1. What each step printed is in `benchmarks/out/newcomer/`, to be read by eye.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from screen import OnTerminal, on_terminal  # noqa: E402 - its folder has just been added

OUT = ROOT / "benchmarks" / "out" / "newcomer"
WIDTHS = (60, 80, 140)
USUAL = 80
KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""What the fresh environment keeps of the user's; the set-up also where packages come from."""
OF_INDEX = re.compile(r"^(PIP|UV)_|^(https?|all|no)_proxy$", re.IGNORECASE)
CUT = ("unshare", "--user", "--map-root-user", "--net")
FULL = (
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    'mount -t tmpfs -o size=64k none full; exec "$@"',
    "sh",
)
THREE = ("--source", "threatcrowd", "--source", "internetdb", "--source", "doh")
KEPT_FOR_EVER = ("--max-age", "9999d")
LURE, LONG_KEY = "invoice-portal.example", "billing@invoice-portal.example"


@dataclass(frozen=True)
class Step:
    """One command, and its promise: exit code, most lines, most seconds (in all; `cpu`: of CPU), words that it prints.

    `wide`: it is shown at all widths, because it changes nothing. `through` are the words before the program's.
    """

    name: str
    words: Sequence[str]
    code: int = 0
    lines: int = 200
    cpu: float = 5.0
    seconds: float = 0.0
    says: Sequence[str] = ()
    wide: bool = False
    through: Sequence[str] = ()
    folder: str = ""


@dataclass
class Newcomer:
    """A newcomer: a folder to work in, a fresh HOME beside it, the words that run the program, what was promised."""

    folder: Path
    home: Path
    program: Sequence[str] = ()
    is_cut: bool = False
    rows: list[tuple[str, int, OnTerminal, list[str]]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """No key, no settings, nobody's proxy; the way to a package index only while the network is there."""
        kept = {name: value for name, value in os.environ.items() if name in KEPT}
        if not self.is_cut:
            kept |= {name: value for name, value in os.environ.items() if OF_INDEX.match(name)}
        return kept | {"HOME": str(self.home), "TERM": "xterm-256color", "PAGER": "cat"}

    def take(self, *steps: Step) -> None:
        """Take steps, each at its widths."""
        for step in steps:
            for width in WIDTHS if step.wide else (USUAL,):
                ran = self.run(step, width)
                self.rows.append((step.name, width, ran, broken(step, ran)))
                (OUT / f"{re.sub(r'[^a-z0-9]+', '-', step.name.lower())}-{width}.txt").write_text(
                    "\n".join(ran.lines) + "\n"
                )

    def run(self, step: Step, width: int) -> OnTerminal:
        """Return what a step did on a terminal of that width."""
        words = [*step.through, *(() if step.words[0] == "make" else self.program), *step.words]
        words = [*(CUT if self.is_cut and not step.through else ()), *words]
        return on_terminal(words, width, folder=self.folder / step.folder, environment=self.environment())


def broken(step: Step, ran: OnTerminal) -> list[str]:
    """Return what was not as promised."""
    text = " ".join(" ".join(ran.lines).split())
    found = [] if ran.code == step.code else [f"exit code {step.code}"]
    found += [] if len(ran.lines) <= step.lines else [f"{step.lines} lines"]
    found += [] if not step.cpu or ran.cpu <= step.cpu else [f"{step.cpu:.0f} s of CPU"]
    found += [] if not step.seconds or ran.seconds <= step.seconds else [f"{step.seconds:.0f} s"]
    found += [f"says {words!r}" for words in step.says if words not in text]
    return found + (["no traceback"] if "Traceback" in text or "fault of the program" in text else [])


def pasted(ran: OnTerminal) -> list[list[str]]:
    """Return the words of the commands that a step prints to be typed next, without the program's own."""
    found = re.findall(r"^(?:next|\s+\d\.|\s{8,})\s*(?:\S*intel-grapher) (.+)$", "\n".join(ran.lines), re.MULTILINE)
    return [shlex.split(line) for line in found]


def set_up(new: Newcomer) -> None:
    """Type README's two commands in a fresh clone, and what the first prints to be typed next."""
    new.take(Step("make fetch transform load", ("make", "fetch", "transform", "load"), lines=13, cpu=300))
    new.program = (str(new.folder / ".venv" / "bin" / "intel-grapher"),)
    new.is_cut = True
    new.take(Step("make again", ("make", "fetch", "transform", "load"), lines=10, cpu=12, through=CUT))
    for number, words in enumerate(pasted(new.rows[-1][2])):
        if words[0] != "ui":
            new.take(Step(f"what it says to type next, {number + 1}", words, says=["example.com"]))
    new.take(Step("show example.com", ("show", "example.com"), wide=True, says=["example.com", "Domain"]))


def lost(name: str, words: Sequence[str], lines: int) -> Step:
    """Return a step that needs a network, and has none."""
    return Step(name, words, code=1, lines=lines, seconds=6.0, says=["no network"], wide=True)


def first_look(new: Newcomer) -> None:
    """Take the demo, and see what is said where nothing is, where nobody can be asked, and to a typo."""
    new.take(
        Step("help", ("--help",), lines=90, cpu=1, wide=True),
        Step("demo", ("demo",), lines=14, cpu=10, says=["Paper Lantern", "1.", "2.", "3."]),
    )
    for number, words in enumerate(pasted(new.rows[-1][2])[:2], 1):
        new.take(Step(f"the demo's command {number}", words, says=[LONG_KEY], wide=True))
    new.take(
        Step("nothing there: show", ("show", "example.com"), code=1, lines=3, says=["run example.com"], wide=True),
        Step("nothing there: load", ("load",), code=1, lines=3, says=["run example.com"], wide=True),
        Step("a misspelt command", ("shwo", "example.com"), code=2, lines=6, cpu=1, says=["'show'"], wide=True),
        Step("a misspelt indicator", ("fetch", "exmaple..com"), code=2, lines=4, says=["an empty label"], wide=True),
        Step("no key", ("fetch", "192.0.2.10", "--source", "shodan"), code=4, says=["SHODAN_API_KEY"], wide=True),
        lost("no network: look", ("look", "example.com"), lines=8),
        lost("no network: one service", ("fetch", "example.com", "--source", "rdap"), lines=5),
        lost("no network: run", ("run", "example.com"), lines=6),
    )


def own_workspace(new: Newcomer, replies: Path) -> None:
    """Work in a workspace of one's own: laid out, filled, read, and watched every day."""
    work = "investigation"
    new.take(
        Step("init", ("init", work), lines=8, says=["next"]),
        Step("a new list", ("plan", "--file", "indicators.txt"), code=2, says=["no indicator"], folder=work),
    )
    (new.folder / work / "indicators.txt").write_text(f"example.com\n{LURE}\ncdn-update.example\n")
    listed = ("--file", "indicators.txt")
    watch = ("watch", "indicators.txt", *THREE, *KEPT_FOR_EVER)
    new.take(
        Step("cache add", ("cache", "add", str(replies)), folder=work),
        Step("run", ("run", *listed, *THREE), lines=10, cpu=8, says=["found", "ties", "next"], folder=work),
        Step("plan", ("plan", *listed), says=["lack a key"], folder=work, wide=True),
        Step("show", ("show", LURE), says=[LONG_KEY], folder=work, wide=True),
        Step("show, from below", ("show", LURE), says=[LONG_KEY], folder=f"{work}/data/raw"),
        Step("path", ("path", LONG_KEY, "198.51.100.23", "--limit", "1"), says=[LONG_KEY], folder=work, wide=True),
        Step(
            "rank",
            ("rank", "example.com", LURE, "--limit", "3"),
            says=["paper.lantern@example.org"],
            folder=work,
            wide=True,
        ),
        Step("query", ("query", "--saved", "registrant-pivot", "-p", "name=example.com"), folder=work, wide=True),
        Step("cache list", ("cache", "list"), says=["threatcrowd"], folder=work, wide=True),
        Step("sources", ("sources",), says=["SHODAN_API_KEY"], folder=work, wide=True),
        Step("coverage", ("cache", "coverage"), lines=1000, says=["threatcrowd"], folder=work, wide=True),
        Step("config show", ("config", "show"), says=["intel-grapher.toml"], folder=work, wide=True),
        Step("doctor", ("doctor",), folder=work, wide=True),
        Step("watch, the first", watch, says=["3 indicators are watched from now on"], lines=3, folder=work),
        Step("watch, the next day", watch, says=["nothing new since"], lines=3, folder=work),
    )
    address = {"ip_address": "192.0.2.88", "last_resolved": "2026-11-20"}
    reply = new.folder / "example.com__later.json"
    reply.write_text(json.dumps({"response_code": "1", "resolutions": [address]}))
    of_source = ("--source", "threatcrowd", "--endpoint", "domain")
    (new.folder / work / "full").mkdir()
    new.take(
        Step("cache add of one reply", ("cache", "add", str(reply), *of_source), folder=work),
        Step("watch, with news", watch, code=10, says=["1 new since", "now resolves to 192.0.2.88"], folder=work),
        Step("watch, no network", (*watch, "--refresh"), code=1, seconds=15, says=["no network"], lines=4, folder=work),
        Step("look, half kept", ("look", "example.com", "--refresh"), code=3, seconds=12, says=["no network"],
             folder=work, wide=True),
        Step("a full disk", ("transform", "--import", "full/import"), code=1, says=["full/import"], lines=4,
             through=FULL, folder=work),
    )  # fmt: skip


def table(new: Newcomer) -> str:
    """Return the steps as a table."""
    rows = ["| step | columns | exit | CPU s | s | lines | promised, and not kept |", "| --- " * 7 + "|"]
    for name, width, ran, not_kept in new.rows:
        cells = (name, width, ran.code, f"{ran.cpu:.1f}", f"{ran.seconds:.1f}", len(ran.lines), "; ".join(not_kept))
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Take all steps, print the table, and return the exit code."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    if subprocess.run([*CUT, "true"], check=False, capture_output=True).returncode:
        sys.stderr.write(
            "this system lets no user cut the network (unshare --user --net): the steps would prove nothing\n"
        )
        return 2
    with tempfile.TemporaryDirectory(prefix="newcomer-") as made:
        home, clone, empty = (Path(made) / name for name in ("home", "clone", "empty"))
        home.mkdir()
        empty.mkdir()
        new = Newcomer(empty, home, (str(ROOT / ".venv" / "bin" / "intel-grapher"),), is_cut=True)
        if "--short" not in sys.argv[1:]:
            subprocess.run([shutil.which("git") or "git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
            new = Newcomer(clone, home)
            set_up(new)
            new.folder = empty
        first_look(new)
        own_workspace(new, ROOT / "data" / "samples" / "raw")
        left = sorted(path.name for path in home.rglob("*") if path.is_file())
        sys.stdout.write(f"{table(new)}\nleft in HOME: {', '.join(left) or 'nothing'}\n")
    return int(any(not_kept for *_, not_kept in new.rows))


if __name__ == "__main__":
    sys.exit(main())
