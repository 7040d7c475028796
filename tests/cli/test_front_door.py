"""What a new user meets first: the demo, a workspace, settings and keys, and the one thing to do where nothing is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import msgspec
import pytest
from command import Desk, contents

from intel_grapher.cache import Cache, Entry


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Return a desk in which the demo has been run once."""
    desk = Desk(tmp_path_factory.mktemp("demo"))
    assert desk.run("demo").code == 0
    return desk


def test_the_demo_tells_its_story_and_its_commands_run(demo: Desk) -> None:
    ran = demo.run("demo")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert len(lines) == 8
    assert re.match(r"Paper Lantern is a campaign that nobody ran: \d+ answers of \d+ sources", lines[0])
    assert "billing@invoice-portal.example registered example.com, cdn-update.example" in lines[2]
    commands = [re.fullmatch(r"  \d\. .*?(?:-m intel_grapher|intel-grapher) (-C .*)", line) for line in lines[5:]]
    assert all(commands)
    for match in commands[:2]:
        assert match is not None
        shown = demo.run(*shlex.split(match[1]))
        assert shown.code == 0, shown.err
        assert "billing@invoice-portal.example" in shown.out
    assert {path.name for path in demo.folder.iterdir()} == {"intel-grapher-demo"}


def test_the_demo_is_mixed_with_nothing_of_the_users(desk: Desk) -> None:
    mine = desk.folder / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    before = contents(desk.folder)
    ran = desk.run("demo", "mine")
    assert (ran.code, ran.out) == (2, "")
    assert "wants a folder of its own" in ran.err
    assert desk.run("demo", "mine/thesis.txt").code == 2
    assert contents(desk.folder) == before


def test_a_workspace_is_laid_out_once_and_overwrites_nothing(desk: Desk) -> None:
    (desk.folder / "case").mkdir()
    (desk.folder / "case" / "indicators.txt").write_text("example.com\n")
    (desk.folder / "case" / ".gitignore").write_text("*.log\n")
    ran = desk.run("init", "case")
    assert ran.code == 0
    assert "left as it is: case/indicators.txt" in ran.out
    assert "does not leave out keys.toml, data/" in ran.err
    assert (desk.folder / "case" / "indicators.txt").read_text() == "example.com\n"
    assert (desk.folder / "case" / "keys.toml").stat().st_mode & 0o777 == 0o600
    before = contents(desk.folder)
    assert desk.run("init", "case", "--json").json["made"] == []
    assert contents(desk.folder) == before
    assert desk.run("-C", "case", "config", "show").code == 0
    assert desk.run("-C", "case", "plan", "--file", "indicators.txt").code == 0
    (desk.folder / "target").symlink_to("elsewhere")
    assert desk.run("init", "target").code in {1, 2}


def test_a_new_workspace_asks_for_indicators_and_for_nothing_else(desk: Desk) -> None:
    assert desk.run("init").code == 0
    ran = desk.run("plan", "--file", "indicators.txt")
    assert (ran.code, "no indicator is given" in ran.err) == (2, True)
    assert set(desk.run("init", "other", "--json").json["made"]) == {
        *("indicators.txt", "intel-grapher.toml", "keys.toml", ".gitignore"),
    }


@pytest.mark.parametrize("words", [("show", "example.com"), ("load",), ("transform",), ("cache", "list"), ("diff",)])
def test_where_nothing_is_each_command_says_the_one_thing_to_do_once(desk: Desk, words: tuple[str, ...]) -> None:
    ran = desk.run(*words)
    assert ran.code in {1, 2}
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1
    assert ran.err.count("`intel-grapher run example.com`") == 1
    assert contents(desk.folder) == {}


def test_the_doctor_names_no_command_that_would_fail(desk: Desk, demo: Desk) -> None:
    found = {each["what"]: each["remedy"] for each in desk.run("doctor", "--json").json["findings"]}
    assert (found["files"], found["embedded graph"]) == ("intel-grapher run example.com",) * 2
    (desk.folder / "data").symlink_to(demo.folder / "intel-grapher-demo" / "data")
    found = {each["what"]: each["remedy"] for each in desk.run("doctor", "--db", "none", "--json").json["findings"]}
    assert found["files"] == "intel-grapher transform"
    assert found["embedded graph"] == "intel-grapher transform && intel-grapher load"


def test_what_is_half_done_is_told_how_it_goes_on(demo: Desk, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / "data").symlink_to(demo.folder / "intel-grapher-demo" / "data")
    told = desk.run("show", "x", "--db", "none").err
    assert "`intel-grapher transform && intel-grapher load --db none` makes it" in told
    (tmp_path / "import").symlink_to(demo.folder / "intel-grapher-demo" / "import")
    told = desk.run("show", "x", "--db=none").err
    assert "there is no graph at none: `intel-grapher load --db none` makes it" in told
    told = desk.run("load", "--import", "none").err
    assert told.endswith("in none: `intel-grapher transform --import none` makes them\n")
    assert "`intel-grapher load" not in desk.run("cache", "list", "--data", "none").err


def test_a_workspace_is_worked_in_from_below(demo: Desk) -> None:
    below = Desk(demo.folder / "intel-grapher-demo" / "data" / "raw")
    ran = below.run("show", "example.com")
    assert ran.code == 0, ran.err
    told = below.run("-v", "queries").err
    assert f"db = ../graph ({demo.folder}/intel-grapher-demo/intel-grapher.toml)" in told


def test_config_says_where_each_comes_from_and_masks_secrets(desk: Desk) -> None:
    (desk.folder / "intel-grapher.toml").write_text('max-age = "7d"\n')
    keys = desk.folder / "keys.toml"
    keys.write_text('SHODAN_API_KEY = "canary-of-the-file"\n')
    keys.chmod(0o600)
    own = Desk(desk.folder, more={"INTEL_GRAPHER_TO": "embedded", "VT_API_KEY": "canary-of-the-environment"})
    ran = own.run("config", "show")
    assert ran.code == 0
    assert "canary" not in ran.out + ran.err
    rows = {line.split("\t")[0]: line.split("\t")[1:3] for line in ran.out.splitlines()}
    assert rows["max-age"] == ["7d", str(desk.folder / "intel-grapher.toml")]
    assert rows["to"] == ["embedded", "environment"]
    assert rows["data"] == ["data", "default"]
    assert rows["SHODAN_API_KEY"] == ["…", str(keys)]
    assert rows["VT_API_KEY"] == ["…", "environment"]
    assert rows["OTX_API_KEY"] == ["", "not set"]
    assert {row["setting"] for row in own.run("config", "show", "--json").json["settings"]} == rows.keys() - {"setting"}
    assert "max-age" in own.run("-v", "queries").err


def test_a_key_is_kept_for_its_user_alone_and_shown_nowhere(desk: Desk) -> None:
    ran = desk.run("keys", "set", "SHODAN_API_KEY", text="canary\n")
    assert ran.code == 0
    path = desk.folder / ".config" / "intel-grapher" / "keys.toml"
    assert path.read_text() == 'SHODAN_API_KEY = "canary"\n'
    assert path.stat().st_mode & 0o777 == 0o600
    assert "canary" not in ran.out + ran.err
    assert "\tSHODAN_API_KEY (set)\t" in desk.run("sources").out
    assert desk.run("keys", "set", "SHODAN_KEY", text="canary\n").code == 2
    assert desk.run("keys", "set", "SHODAN_API_KEY", text="\n").code == 2
    path.chmod(0o644)
    ran = desk.run("plan", "192.0.2.1")
    assert (ran.code, "chmod 600" in ran.err) == (2, True)


def test_the_doctor_tells_a_key_that_was_refused_until_another_is_accepted(desk: Desk) -> None:
    told = Entry(source="shodan", endpoint="host", key="192.0.2.1", fetched_at=1_760_000_000, status=401, body=b"no")
    with Cache(desk.folder / "data") as cache:
        with cache.writer() as writer:
            writer.add(told, "failed")
        keyed = Desk(desk.folder, more={"SHODAN_API_KEY": "canary-of-the-key"})
        ran = keyed.run("doctor", "--json")
        assert (ran.code, "canary" in ran.out + ran.err) == (1, False)
        (found,) = (each for each in ran.json["findings"] if each["what"] == "key of Shodan")
        assert (found["state"], found["found"]) == ("fault", "SHODAN_API_KEY was refused at 2025-10-09T08:53:20Z")
        assert "fetch retry --source shodan" in found["remedy"]
        assert "refused" not in desk.run("doctor").out  # there is no key: it need not be another
        with cache.writer() as writer:
            writer.add(msgspec.structs.replace(told, fetched_at=1_770_000_000, status=200, body=b"{}"), "raw")
    assert keyed.run("doctor").code == 0


def test_quiet_leaves_results_and_errors(demo: Desk) -> None:
    folder = demo.folder / "intel-grapher-demo"
    ran = Desk(folder).run("-q", "query", "MATCH (n) RETURN n", "--limit", "2")
    assert (ran.code, ran.err) == (0, "")
    assert Desk(folder).run("-q", "show", "exmaple..com").err.startswith("error: ")


def test_options_of_the_whole_command_may_stand_after_it(demo: Desk) -> None:
    desk = Desk(demo.folder)
    words = ("query", "MATCH (n) RETURN count(n)")
    before = desk.run("-q", "-C", "intel-grapher-demo", *words)
    assert (before.code, before.err) == (0, "")
    assert desk.run(*words, "-q", "-C", "intel-grapher-demo") == before
    assert desk.run("cache", "list", "--quiet", "-C", "intel-grapher-demo").code == 0
    assert "db = data/graph" in desk.run("queries", "-v", "-C", "intel-grapher-demo").err
    every = desk.run("transform", "-v", "-C", "intel-grapher-demo")  # there it is short for --all
    assert (every.code, "db = " in every.err) == (0, False)
    assert "-q" in desk.run("show", "-C", "intel-grapher-demo", "--", "-q").err  # a word, after --
    assert desk.run("queries", "-C").code == 2


def test_a_hint_keeps_the_folder_that_stood_after_the_command(demo: Desk) -> None:
    ran = Desk(demo.folder).run("show", "example.com", "--db", "none", "-C", "intel-grapher-demo")
    assert "`intel-grapher -C intel-grapher-demo load --db none` makes it" in ran.err


def test_a_graph_that_must_be_built_again_names_the_command_that_does_it(filled: Desk) -> None:
    here, above = filled.folder.name, Desk(filled.folder.parent)
    (filled.folder / "data" / "graph").rename(filled.folder / "graph")
    words = ("show", "example.com", "--db", "graph", "-C", here)
    assert above.run(*words).code == 0
    manifest = filled.folder / "graph" / "manifest.json"
    text = manifest.read_text()
    load = f"intel-grapher -C {here} load --db graph` builds it again"
    for spoiled, told in (
        (text.replace('"schema":"', '"schema":"0'), f"`intel-grapher -C {here} transform && {load}"),
        ("{", f"`{load}"),
    ):
        assert spoiled != text
        manifest.write_text(spoiled)
        ran = above.run(*words)
        assert (ran.code, ran.out) == (1, "")
        assert told in ran.err


def test_the_short_flags_are_there(desk: Desk) -> None:
    assert desk.run("-V").out == desk.run("--version").out
    assert desk.run("-h").out == desk.run("--help").out
    assert desk.run("-C", "nowhere", "queries").code == 2
