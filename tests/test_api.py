"""The Python API: the steps, looking up, the graph as tables; what it promises to be stable."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import networkx as nx
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from campaign import campaign, flatten
from loopback import found, loopback, source
from places import ROOT

import intel_grapher
from intel_grapher import api, tables
from intel_grapher.api import Workspace, indicators_of
from intel_grapher.errors import (
    KeyMissingError,
    NoFilesError,
    NoGraphError,
    NoRepliesError,
    NotFoundError,
    TransformError,
    UsageError,
)
from intel_grapher.files import Files
from intel_grapher.intake import read
from intel_grapher.model import NodeRef
from intel_grapher.registry import Registry

pytestmark = pytest.mark.xdist_group("api")  # they share the loaded campaign

PAGE = (ROOT / "docs" / "python.md").read_text()
NOTEBOOK = json.loads((ROOT / "docs" / "graph.ipynb").read_text())
LURE, UPDATE = "invoice-portal.example", "cdn-update.example"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the campaign is loaded: made once, because it takes a few seconds."""
    folder = tmp_path_factory.mktemp("demo") / "paper-lantern"
    elsewhere = {"INTEL_GRAPHER_DATA": "elsewhere", "INTEL_GRAPHER_IMPORT": "elsewhere", "INTEL_GRAPHER_TO": "neo4j"}
    with patch.dict(os.environ, elsewhere):  # which are of the user's own graph, and not of the campaign's
        Workspace.demo(folder).close()
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
        *("data", "import", "indicators.txt", "intel-grapher.toml"),
    }
    return folder


@pytest.fixture(scope="module")
def work(demo: Path) -> Iterator[Workspace]:
    with Workspace(demo) as workspace:
        yield workspace


# --- the package ------------------------------------------------------------------------------------------------------


def test_the_package_has_the_names_of_the_api_and_loads_it_at_the_first_use() -> None:
    assert sorted(intel_grapher.__all__) == sorted(api.__all__)
    for name in api.__all__:
        assert getattr(intel_grapher, name) is getattr(api, name)
    assert {*api.__all__, "__version__"} == set(dir(intel_grapher))
    with pytest.raises(AttributeError, match="no attribute 'Worksapce'"):
        _ = intel_grapher.Worksapce  # type: ignore[attr-defined]
    code = "import sys, intel_grapher; print([each for each in sys.modules if each.startswith('intel_grapher.')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


# --- the steps --------------------------------------------------------------------------------------------------------


def test_the_steps_ask_make_the_files_and_load_the_graph(tmp_path: Path) -> None:
    with loopback() as service:
        service.script = lambda _asked: found("192.0.2.1")
        registry = Registry([source(service.home)])
        with Workspace(tmp_path, registry=registry) as work:
            planned = work.plan(["example[.]com"])
            assert (planned.requests, service.asked) == (1, [])
            stages: list[str] = []
            result = work.run("see example[.]com", progress=lambda stage, *_: stages.append(stage))
            assert result.summary is not None
            assert result.summary.sources["loopback"].found == 1
            assert list(dict.fromkeys(stages)) == ["fetch", "transform", "load"]
            assert work.fetch([("domain", "Example.com")]).sources["loopback"].cached == 1
            assert work.fetch(["example.com"], refresh=True, sources="loopback").sources["loopback"].found == 1
            assert work.show("example.com").neighbours[0].key == "192.0.2.1"
            (card,) = work.look(["example.com"], offline=True)
            assert (card.node, card.in_graph) == (NodeRef("Domain", "example.com"), True)
            service.script = lambda _asked: found("192.0.2.2")
            work.fetch(["example.com"], refresh=True)
            before = work.tables("IPAddress")["IPAddress"].num_rows
            work.transform()
            work.load()
            assert work.tables("IPAddress")["IPAddress"].num_rows == before + 1
            assert work.show("192.0.2.2").node.label == "IPAddress"  # the graph that was open is not the one now
            assert work.transform(as_of="2020-01-01").replies == 0


def test_a_card_is_shown_as_soon_as_its_answer_is_there(tmp_path: Path) -> None:
    with loopback() as service:
        service.script = lambda _asked: found("192.0.2.1")
        work = Workspace(tmp_path, registry=Registry([source(service.home)]))
        shown: list[str] = []
        cards = work.look(["example.com", "example.net"], show=lambda card: shown.append(card.node.key))
        assert sorted(shown) == ["example.com", "example.net"]
        assert [each.others[0].key for card in cards if card.node.key == shown[1] for each in card.ties] == [shown[0]]
        assert work.plan(["example.com"]).requests == 0


def test_the_settings_and_keys_of_the_workspace_hold_while_a_method_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "intel-grapher.toml").write_text('data = "kept"\nmax-age = "7d"\n')
    (tmp_path / "keys.toml").touch(mode=0o600)
    (tmp_path / "keys.toml").write_text('OTX_API_KEY = "canary-of-a-test"\n')
    (tmp_path / "deeper").mkdir()
    monkeypatch.delenv("OTX_API_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nothing"))
    before = dict(os.environ)
    work = Workspace(tmp_path / "deeper")
    assert work.data.resolve() == tmp_path / "kept"
    assert work.plan(["example.com"], sources=["otx"]).sources["otx"].needs_key == ""
    assert dict(os.environ) == before
    assert Workspace(tmp_path, data="other").data == tmp_path / "other"
    elsewhere = Workspace(tmp_path_of(tmp_path, "elsewhere"))
    assert elsewhere.plan(["example.com"], sources=["otx"]).sources["otx"].needs_key == "OTX_API_KEY"
    (tmp_path / "keys.toml").chmod(0o644)
    with pytest.raises(UsageError, match="others can read"):
        work.plan(["example.com"], sources=["otx"])
    (tmp_path / "keys.toml").chmod(0o600)
    (tmp_path / "keys.toml").write_text('OTX_API_KEY = "two words"\n')
    with pytest.raises(KeyMissingError):
        work.plan(["example.com"], sources=["otx"])


def tmp_path_of(folder: Path, name: str) -> Path:
    """Return a new folder beside a workspace, and not below it."""
    made = folder.parent / f"{folder.name}-{name}"
    made.mkdir()
    return made


def test_what_is_wrong_is_said_and_nothing_is_asked(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    with pytest.raises(UsageError, match=r"'exmaple\.\.com': an empty label.*'x y'"):
        work.fetch(["example.com", "exmaple..com", "x y"])
    with pytest.raises(UsageError, match=r"line 2: '66\.0\.543\.66': an impossible address"):
        work.fetch("example.com\n66.0.543.66")
    with pytest.raises(UsageError, match="no indicator"):
        work.look("only words")
    with pytest.raises(UsageError, match="no source is called 'shodn'"):
        work.plan(["example.com"], sources=["shodn"])
    with pytest.raises(UsageError, match="is not an age"):
        work.plan(["example.com"], max_age="soon")
    with pytest.raises(TypeError, match="unknown: hop; there are: sources, max_age"):
        work.plan(["example.com"], hop=1)  # type: ignore[call-arg]
    with pytest.raises(NoRepliesError):
        work.run()
    with pytest.raises(NoRepliesError):
        work.transform()
    (tmp_path / "data").mkdir()
    with pytest.raises(NoRepliesError, match="no reply"):
        work.transform()
    with pytest.raises(NoFilesError):
        work.tables()
    with pytest.raises(NoFilesError):
        work.load()
    with pytest.raises(NoGraphError):
        work.show("example.com")
    with pytest.raises(UsageError, match="embedded or neo4j"):
        Workspace(tmp_path, to="neo5j").show("example.com")
    with pytest.raises(UsageError, match="there is no folder"):
        Workspace(tmp_path / "nothing")
    assert not (tmp_path / "data" / "raw").exists()


def test_indicators_are_taken_as_text_as_texts_and_as_pairs() -> None:
    text = "From invoice-portal[.]example (192.0.2.10), see report.pdf"
    expected = [("domain", LURE), ("ip", "192.0.2.10")]
    assert indicators_of(text) == expected
    assert indicators_of(["invoice-portal[.]example", "192.0.2.10:443", LURE]) == expected
    assert indicators_of((mention.kind, mention.key) for mention in read(text).mentions) == expected
    with pytest.raises(UsageError, match="not a kind"):
        indicators_of([("dns", "example.com")])


# --- looking up -------------------------------------------------------------------------------------------------------


def test_the_graph_is_asked_as_on_the_command_line(work: Workspace) -> None:
    known = work.show("invoice-portal[.]example", limit=1)
    assert known.judgement.word == "suspicious"
    assert known.counts["RESOLVES", "->", "IPAddress"] == 2
    assert len([each for each in known.neighbours if each.type == "RESOLVES"]) == 1
    (steps,) = work.path("billing@invoice-portal.example", f"Domain:{LURE}").found
    assert [(step.type, step.end.key) for step in steps] == [("OWNS", LURE)]
    best = work.rank([LURE, UPDATE], limit=1).ties[0]
    assert set(best.ways) == {NodeRef("Domain", LURE), NodeRef("Domain", UPDATE)}
    answer = work.query("MATCH (d:Domain {name: $name}) RETURN d.name AS name", {"name": LURE})
    assert (answer.columns, answer.rows) == (["name"], [[LURE]])
    assert work.query("MATCH (h:Hash) RETURN h.value", limit=1).cut
    assert [LURE] in [row[:1] for row in work.saved_query("registrant-pivot", {"name": UPDATE}).rows]
    for wrong, text in (
        (lambda: work.show("invoice-portl.example"), f"did you mean: {LURE}"),
        (lambda: work.rank([LURE]), "two indicators or more"),
        (lambda: work.rank(LURE), "two indicators or more"),
        (lambda: work.query("RETURN 1", timeout=0), "some time"),
        (lambda: work.saved_query("counts", limit=0), "at least one row"),
        (lambda: Workspace(work.folder, memory=1), "too little to work with"),
        (lambda: work.query("CREATE (:Domain {name: 'x'})"), "queries only read"),
        (lambda: work.saved_query("registrant-pivot"), "needs name"),
        (lambda: work.saved_query("nothing"), "no saved query"),
    ):
        with pytest.raises((UsageError, NotFoundError), match=text):
            wrong()


def test_several_threads_may_ask(work: Workspace) -> None:
    told: list[str] = []
    threads = [threading.Thread(target=lambda: told.append(work.show(LURE).node.key)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert told == [LURE] * 4


# --- the graph as tables ----------------------------------------------------------------------------------------------


def test_arrow_pandas_and_polars_have_every_row_of_the_files(work: Workspace) -> None:
    manifest = Files(work.import_).manifest()
    found = work.tables()
    rows = {str(group): content.rows for group, content in manifest.groups()}
    assert {name: found[name].num_rows for name in found} == rows
    assert len(found) == len(rows)
    frames, others = found.pandas(), found.polars()
    assert {name: len(frames[name]) for name in frames} == rows
    assert {name: others[name].height for name in others} == rows
    domains = found["Domain"]
    assert isinstance(domains, pa.Table)
    assert isinstance(frames.nodes["Domain"], pd.DataFrame)
    assert isinstance(others.relationships["Domain-RESOLVES-IPAddress"], pl.DataFrame)
    assert others["Domain"].to_dicts() == domains.to_pylist()
    assert frames["Domain"]["name"].tolist() == domains["name"].to_pylist()
    votes = frames["Domain"].set_index("name")["votes"]
    assert str(votes.dtype) == "Int64"
    assert votes[LURE] == -1
    assert votes.isna().any()
    assert str(frames["Domain"]["fetched_at"].dtype).endswith("UTC]")
    only = work.tables("Domain", "Domain-RESOLVES-IPAddress")
    assert list(only) == ["Domain", "Domain-RESOLVES-IPAddress"]
    with pytest.raises(UsageError, match="has no Domian; it has Domain"):
        work.tables("Domian")


def test_networkx_has_nodes_with_labels_and_relationships_with_types(work: Workspace) -> None:
    found = work.tables()
    graph = found.networkx()
    assert isinstance(graph, nx.MultiDiGraph)
    assert graph.number_of_nodes() == sum(table.num_rows for table in found.nodes.values())
    assert graph.number_of_edges() == sum(table.num_rows for table in found.relationships.values())
    lure = graph.nodes[f"Domain:{LURE}"]
    row = next(each for each in found["Domain"].to_pylist() if each["name"] == LURE)
    assert lure == {"label": "Domain", "key": LURE} | {
        name: value for name, value in row.items() if name != "name" and value is not None
    }
    owns = graph.edges["Email:billing@invoice-portal.example", f"Domain:{LURE}", "OWNS"]
    assert owns["type"] == "OWNS"
    assert "threatcrowd" in owns["sources"]
    assert all(data.keys() >= {"label", "key"} for _, data in graph.nodes(data=True))  # no end is without a node


def test_a_form_whose_package_is_missing_is_named(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    found = work.tables("Domain")
    for name in ("pandas", "polars", "networkx"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(UsageError, match=rf"{name} is not installed: pip install .*intel-grapher\[analysis\]"):
            getattr(found, name)()


def flattened(folder: Path) -> Path:
    """Return the flat files of a few replies."""
    flatten(campaign(folder, sources="analyst", load=False))
    return folder / "import"


def test_tables_are_of_one_set_of_files_while_another_takes_its_place(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Files(tmp_path / "older")
    (tmp_path / "older").symlink_to(work.import_)
    newer = Files(flattened(tmp_path / "newer"))
    real, read_paths = pq.read_table, []

    def read_table(path: Path, **how: object) -> pa.Table:
        read_paths.append(path)
        if len(read_paths) == 2:
            (tmp_path / "older").unlink()
            (tmp_path / "older").symlink_to(newer.root)
        return real(path, **how)

    monkeypatch.setattr(pq, "read_table", read_table)
    found = tables.read_tables(older)
    rows = {str(group): content.rows for group, content in newer.manifest().groups()}
    assert {name: found[name].num_rows for name in found} == rows
    assert len(read_paths) > len(rows)


def test_files_that_lack_something_are_refused(work: Workspace, tmp_path: Path) -> None:
    files = Files(flattened(tmp_path))
    group, _ = next(files.manifest().groups())
    path = files.path(group, "parquet")
    pq.write_table(work.tables("Domain")["Domain"], path)
    with pytest.raises(TransformError, match="the manifest says"):
        Workspace(tmp_path).tables()
    path.unlink()
    with pytest.raises(TransformError, match="transform` again, with Parquet"):
        Workspace(tmp_path).tables()


# --- what the docs show ----------------------------------------------------------------------------------------------


@pytest.fixture
def here(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that a program runs in; the campaign is copied there in place of being made again."""

    def copied(folder: str) -> Workspace:
        shutil.copytree(demo, folder)
        return Workspace(folder)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Workspace, "demo", copied)
    monkeypatch.setenv("INTEL_GRAPHER_LEDGER", str(tmp_path / "ledger.sqlite"))
    return tmp_path


def value_of(code: str, names: dict[str, Any]) -> object:
    """Run a cell; return the value of its last line where that is an expression, as a notebook shows it."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)  # noqa: S102 - our own docs
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if isinstance(last, ast.Expr) else None  # noqa: S307


def test_the_notebooks_cells_run_one_after_the_other(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    cells = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    shown = [value_of(cell, names) for cell in cells]
    told = capsys.readouterr().out
    assert "cdn-update.example        malicious" in told
    assert "MultiDiGraph with" in told
    assert str(here) in str(shown[0])
    sharing, chain, answer = shown[4], shown[6], shown[7]
    assert sharing.loc["paper.lantern@example.org"].index.tolist()  # type: ignore[attr-defined]
    assert chain[-1] == "Malware:Trojan.PaperLantern.A"  # type: ignore[index]
    assert answer.columns.tolist() == ["algorithm", "files"]  # type: ignore[attr-defined]
    assert len(answer)  # type: ignore[arg-type]


def test_the_notebook_ships_without_outputs() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in NOTEBOOK["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_the_pages_programs_run(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = re.findall(r"^```python\n(.*?)^```$", PAGE.partition("## Reference")[0], re.DOTALL | re.MULTILINE)
    exec(compile(first, "python.md", "exec"), {})  # noqa: S102 - our own docs
    told = capsys.readouterr().out
    assert "invoice-portal.example suspicious" in told
    assert "billing@invoice-portal.example ties 3 of them" in told
    (here / "investigation").symlink_to("paper-lantern")
    sent: list[object] = []

    def run(work: Workspace, indicators: list[str], **how: Any) -> object:  # noqa: ANN401 - whatever the page passes
        sent.append((indicators, how))
        return api.PipelineResult(work.fetch(indicators, sources=["threatcrowd"]), None, work.load())

    monkeypatch.setattr(Workspace, "run", run)  # it would ask real services
    exec(compile(second, "python.md", "exec"), {"ig": api})  # noqa: S102
    assert sent == [(["example.com", "192.0.2.10"], {"max_age": "7d", "sources": ["doh", "rdap"]})]
    assert re.search(r"\d+ requests\n0 answers; \d+ nodes", capsys.readouterr().out)


def test_every_public_name_is_on_the_page() -> None:
    for name in api.__all__:
        assert f"### `{name}`\n" in PAGE, "`make docs` writes it"
    for name in vars(Workspace):
        if not name.startswith("_"):
            assert f"#### `Workspace.{name}`\n" in PAGE
