"""Running the command as a user does, in a folder and an environment of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from places import ROOT

from intel_grapher.cli import main

THREE = ("--source", "threatcrowd", "--source", "internetdb", "--source", "doh")
"""The sources whose samples answer all that INDICATORS asks."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Ran:
    """What a command did: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one document on standard output; it has a version."""
        document: dict[str, Any] = json.loads(self.out)
        assert document["version"] == 1
        return document


@dataclass(frozen=True)
class Desk:
    """A folder to work in; `packages` is where installed ones are found besides."""

    folder: Path
    packages: Path | None = None
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """No key, no setting of the user's, and a ledger of its own."""
        plain = {name: os.environ[name] for name in _KEPT if name in os.environ}
        paths = [str(ROOT / "etl"), *([str(self.packages)] if self.packages else [])]
        ours = {"INTEL_GRAPHER_LEDGER": str(self.folder / "ledger.sqlite"), "PYTHONPATH": os.pathsep.join(paths)}
        ours["XDG_CONFIG_HOME"] = str(self.folder / ".config")
        ours["PYTHONDONTWRITEBYTECODE"] = "1"  # a process that may write little must not write half a module
        return plain | ours | self.more

    def start(self, *arguments: str | Path, limit: str = "") -> subprocess.Popen[str]:
        """Start a command; `limit` is a line of shell before it, such as `ulimit -f 1`."""
        command = [sys.executable, "-m", "intel_grapher", *map(str, arguments)]
        if limit:
            command = ["sh", "-c", f'{limit}; exec "$@"', "sh", *command]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str | Path, text: str = "") -> Ran:
        """Run a command with a text on its standard input, in this process: starting one takes most of a second."""
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            patch.dict(os.environ, self.environment, clear=True),
            patch.object(sys, "argv", ["intel-grapher", *map(str, arguments)]),
            patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()))),
        ):
            try:
                main()
            except SystemExit as ended:
                code = ended.code or 0
        return _ran(code, out.getvalue(), err.getvalue())

    def process(self, *arguments: str | Path, limit: str = "") -> Ran:
        """Run a command in a process of its own."""
        process = self.start(*arguments, limit=limit)
        try:
            out, err = process.communicate("", timeout=120)
        finally:
            process.kill()
        return _ran(process.returncode, out, err)

    def adopt(self, name: str, body: bytes, source: str = "threatcrowd", endpoint: str = "domain") -> Ran:
        """Put a reply of one's own making into the cache."""
        path = self.folder / name
        path.write_bytes(body)
        return self.run("cache", "add", path, "--source", source, "--endpoint", endpoint)


def _ran(code: object, out: str, err: str) -> Ran:
    """Return what a command did; it never shows a traceback."""
    assert isinstance(code, int)
    assert "Traceback" not in out + err, out + err
    assert "fault of the program" not in err, err
    return Ran(code, out, err)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, by its relative path, but for locks: they name who had them last."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def install(folder: Path, module: str, code: str, entry: str = "source") -> None:
    """Put a package of one module in a folder, as an installer leaves it, with an entry point for a source."""
    (folder / f"{module}.py").write_text(code)
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[intel_grapher.sources]\n{module} = {module}:{entry}\n")


# --- pages that show commands -----------------------------------------------------------------------------------------


def steps(page: str) -> list[tuple[str, str]]:
    """Return the commands that a page's consoles show, each with what they print there."""
    return [
        (command, printed)
        for block in re.findall(r"^```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
        for command, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]


def matches(printed: str, told: str) -> bool:
    """Tell whether a command printed what a page shows; … stands for anything."""
    pattern = ".*".join(map(re.escape, printed.strip().split("…")))
    return re.fullmatch(pattern, told.strip(), re.DOTALL) is not None
