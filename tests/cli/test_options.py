"""Options and commands: declared once, imported when they are used, and sub-commands beside an argument."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from command import THREE, Desk
from typer.testing import CliRunner

from intel_grapher import objects
from intel_grapher.cli import COMMANDS, LazyCommands, options
from intel_grapher.cli.options import grouped
from intel_grapher.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Size:
    width: Annotated[int, typer.Option("--width", help="Its width.")] = 1
    height: Annotated[int, typer.Option("--height", "-y", help="Its height.")] = 2


@dataclass(frozen=True, kw_only=True)
class Colour:
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]
    width: Annotated[int, typer.Option("--width", help="Its width.")] = 1


def test_a_group_is_its_options_and_groups_may_share_one() -> None:
    app = typer.Typer()
    seen: list[tuple[Colour, Size, bool]] = []

    @app.command()
    @grouped
    def draw(colour: Colour, size: Size, *, json: options.Json = False) -> None:
        """Draw it."""
        seen.append((colour, size, json))

    assert CliRunner().invoke(app, ["red", "-y", "7", "--width", "3", "--json"]).exit_code == 0
    assert CliRunner().invoke(app, ["blue"]).exit_code == 0
    assert seen == [
        (Colour(name="red", width=3), Size(width=3, height=7), True),
        (Colour(name="blue"), Size(), False),
    ]
    assert CliRunner().invoke(app, ["--help"]).output.count("Its width.") == 1


def test_the_summary_of_each_command_is_its_own() -> None:
    commands = LazyCommands()
    assert {name: commands[name].get_short_help_str(1000) for name in commands} == {
        name: summary for name, (_, summary) in COMMANDS.items()
    }
    assert max(len(summary) for _, summary in COMMANDS.values()) <= 60


LIGHT = (
    *("cli", "cli.options", "cli.output", "cli.plain_values", "credentials", "disk", "errors", "objects", "settings"),
    "store_client",
    "times",
)
"""Our modules that every command begins with: with more, `--help` takes longer than a bare Typer program."""


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("frobnicate",)], ids=" ".join)
def test_help_and_a_typo_import_no_command(words: tuple[str, ...]) -> None:
    code = (
        "import sys; from intel_grapher.cli import main\n"
        f"sys.argv = ['intel-grapher', *{words!r}]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sorted(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(ran.stdout.splitlines()[-1].split())
    assert not modules & {
        "duckdb",
        "pyarrow",
        "ladybug",
        "neo4j",
        "requests",
        "starlette",
        "uvicorn",
        "sqlite3",
        "msgspec",
    }
    ours = {name for name in modules if name.startswith("intel_grapher.")}
    assert ours == {f"intel_grapher.{name}" for name in LIGHT}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


WAYS = (
    ("fetch", "status", "--source", "doh"),
    ("fetch", "--source", "doh", "status"),
    ("fetch", "--source=doh", "--data", "data", "status"),
)


@pytest.mark.parametrize("words", WAYS, ids=" ".join)
def test_sub_commands_of_fetch_stand_before_or_after_options(desk: Desk, words: tuple[str, ...]) -> None:
    assert desk.run(*words).out == "source\tanswers\tfailed\tkey\tleft\ndoh\t0\t0\t\t\n"
    assert set(desk.run(*words, "--json").json["sources"]) == {"doh"}


def test_a_sub_command_s_name_may_be_an_indicator(desk: Desk) -> None:
    for words in (("-u", "status"), ("--user", "failed", "--source", "threatcrowd")):
        ran = desk.run("fetch", *words)
        assert ran.code in {1, 4}, ran.err  # a Twitter user, about whom none but Twitter is asked
        assert "answers" not in ran.out
    assert "not an indicator: 'status': a single label" in desk.run("fetch", "--", "status").err
    assert "not an indicator: 'status': a single label" in desk.run("fetch", "-d", "status").err


def test_a_sub_command_has_its_own_help_and_takes_no_indicator(desk: Desk) -> None:
    assert "Ask again the questions that failed" in desk.run("fetch", "retry", "--help").out
    assert desk.run("fetch", "status", "example.com").code == 2
    assert desk.run("fetch", "failed", "--hops", "2").code == 2


def test_run_takes_the_options_of_all_three_and_prints_one_document(desk: Desk) -> None:
    assert desk.adopt("example.com.json", b'{"response_code":"1","subdomains":["www.example.com"]}').code == 0
    words = ("run", "example.com", *THREE, "--requests", "0", "--format", "parquet", "--memory", "256M", "--yes")
    refused = desk.run(*words)
    assert (refused.code, refused.out) == (2, "")
    assert "--yes goes with --prune" in refused.err
    assert not (desk.folder / "import").exists()
    ran = desk.run(*words[:-1], "--json")
    assert ran.code in {0, 3}, ran.err
    assert set(ran.json) == {"version", "summary", "manifest", "loaded"}
    assert not list((desk.folder / "import").rglob("*.csv"))
    assert ran.json["loaded"]["parity"]["groups"]


@pytest.mark.parametrize(("text", "size"), [("64M", 64 << 20), ("2GiB", 2 << 30), (" 1gb ", 1 << 30), (None, None)])
def test_a_size_is_read(text: str | None, size: int | None) -> None:
    assert options.byte_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "0", "1T", "1.5G", "-1G", "²G", "1e9", "9" * 5000])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size; write it as"):
        options.byte_size(text)


@pytest.mark.parametrize("kind", [options.Data, options.Import, options.HubsImport, options.EarlyImport])
def test_each_option_for_a_place_takes_a_url(kind: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (option,) = kind.__metadata__  # type: ignore[attr-defined]
    folder = option.callback(Path("s3://bucket/case"))
    assert folder.parent == objects.local_folder("s3://bucket/case")
