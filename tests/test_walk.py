"""Follows CONTRIBUTING.md to the letter: its files in a temporary package, its commands, and what they print."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from command import Desk, Ran, matches, steps
from loopback import Answer, loopback
from places import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text()
WALK = PAGE.partition("## A source in one file")[2].partition("\n## ")[0]
FILES = dict(re.findall(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", WALK, re.DOTALL | re.MULTILINE))
STEPS = steps(WALK)
SECRET = "made-up-key-0123456789"  # noqa: S105 - it opens nothing


def installed(folder: Path, home: str = "") -> Path:
    """Put the page's package in a folder as an installer leaves it."""
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    packages = folder / "packages"
    packages.mkdir()
    code = FILES["acme.py"]
    if home:
        assert code.count("https://api.acme.example/v1") == 1
        code = code.replace("https://api.acme.example/v1", home)
    (packages / "acme.py").write_text(code)
    metadata = packages / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return packages


def test_the_walk_has_all_its_steps() -> None:
    assert list(FILES) == ["acme.py", "pyproject.toml", "kept/acme/names/example.com.json"]
    assert [command.split()[1] for command, _ in STEPS] == [
        *("sources", "cache", "transform", "load", "show", "cache", "ACME_API_KEY=…", "fetch"),
    ]


def test_the_walk_leads_where_it_says(tmp_path: Path) -> None:
    with loopback() as service:
        service.script = lambda _: Answer(FILES["kept/acme/names/example.com.json"].encode())
        environment: dict[str, str] = {}
        desk = Desk(tmp_path, installed(tmp_path, service.home + "/v1"), environment)
        reply = tmp_path / "kept" / "acme" / "names" / "example.com.json"
        reply.parent.mkdir(parents=True)
        reply.write_text(FILES["kept/acme/names/example.com.json"])
        for command, printed in STEPS:
            words = shlex.split(command)
            if words[0] == "export":
                environment[words[1].partition("=")[0]] = SECRET
                continue
            assert words[0] == "intel-grapher"
            ran = desk.process(*words[1:])
            assert ran.code == 0, ran.err
            assert matches(printed, ran.out), f"{command} printed\n{ran.out}\nand not\n{printed}"
        assert [(each.path, each.query, each.headers["x-key"]) for each in service.asked] == [
            ("/v1/names/example.org", {"full": "true"}, SECRET)
        ]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert SECRET.encode() not in kept
    assert row(desk.process("transform"), "relationship", "Domain-RESOLVES-IPAddress") == "2"


def row(ran: Ran, *words: str) -> str:
    """Return the last column of a table's row."""
    return next(line.split("\t")[-1] for line in ran.out.splitlines() if line.split("\t")[:-1] == list(words))


def test_its_types_and_its_style_are_those_of_the_project(tmp_path: Path) -> None:
    path = installed(tmp_path) / "acme.py"
    as_ours = ("--stdin-filename", "etl/intel_grapher/sources/acme.py", "-")
    for command in (
        ("mypy", "--strict", "--config-file", "pyproject.toml", str(path)),
        ("ruff", "check", *as_ours),
        ("ruff", "format", "--diff", *as_ours),
    ):
        told = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT, input=FILES["acme.py"], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert told.returncode == 0, told.stdout + told.stderr
