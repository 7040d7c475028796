"""Promises about the code and the docs: layers and their order, one network seam, nothing undocumented."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from places import ROOT

from intel_grapher import schema
from intel_grapher.registry import Registry

sys.path.insert(0, str(ROOT / "docs"))

import generated

PACKAGE = ROOT / "etl" / "intel_grapher"
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__").strip("."): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
SCRIPTS = sorted((PACKAGE / "ui" / "static").glob("*.js"))
LONGEST_LINE = 120
LONGEST = 475  # the schema's length: it is data

# The layers, each with the layers that it may import besides itself. ARCHITECTURE.md draws them. A module is in the
# layer of its first name.
BELOW = {
    *(
        "errors",
        "keys",
        "times",
        "encoding",
        "extract",
        "intake",
        "model",
        "schema",
        "source",
        "registry",
        "placing",
        "naming",
        "reading",
        "cache",
        "files",
        "objects",
        "transform",
        "early",
    ),
    *("tlp", "verdict", "fetch", "machine", "disk", "credentials", "lock", "sql", "entries", "analyst", "neo4j"),
    *("load", "ask"),
}
LAYERS = {
    "errors": set[str](),
    "tlp": set[str](),
    "unused": set[str](),
    "machine": set(),
    "disk": {"errors"},
    "credentials": {"errors", "disk"},
    "settings": {"errors", "credentials", "objects"},
    "lock": {"errors", "disk"},
    "objects": {"errors", "disk"},
    "sql": {"errors"},
    "keys": {"errors"},
    "times": {"errors"},
    "encoding": set(),
    "extract": {"errors", "encoding"},
    "intake": {"errors", "encoding", "extract", "keys", "times"},
    "model": {"errors"},
    "labels": {"keys", "model"},
    "schema": {"errors", "keys", "model", "labels"},
    "entries": {"errors", "keys", "times", "model", "schema"},
    "source": {"errors", "model", "schema"},
    "sources": {"errors", "tlp", "intake", "model", "schema", "entries", "source"},
    "registry": {"errors", "source", "sources"},
    "placing": {"errors", "source"},
    "naming": {"errors", "intake", "model", "schema", "source", "registry", "verdict", "cache"},
    "reading": {"errors", "intake", "source"},
    "verdict": {"errors", "source", "reading"},
    "cache": {"errors", "disk", "lock", "objects"},
    "files": {"errors", "disk", "lock", "sql", "model", "objects", "schema"},
    "analyst": {"errors", "tlp", "keys", "times", "intake", "model", "schema", "files", "cache", "entries"},
    "transform": {
        *("errors", "disk", "lock", "keys", "times", "model", "schema", "source", "registry", "reading", "files"),
        *("cache", "entries", "analyst", "verdict", "sql", "unused", "machine", "objects"),
    },
    "early": {"machine", "cache", "registry"},
    "fetch": {
        *("errors", "registry", "lock", "sql", "keys", "times", "model", "schema", "source", "reading", "verdict"),
        *("cache", "credentials", "files"),
    },
    "neo4j": {"errors", "disk", "lock", "credentials"},
    "load": {"errors", "machine", "disk", "lock", "sql", "model", "schema", "files", "neo4j"},
    "ask": {"errors", "machine", "keys", "times", "model", "schema", "neo4j", "load"},
    "warnings": {"keys", "labels", "model"},
    "export": {"errors", "tlp", "sql", "keys", "times", "model", "labels", "schema", "files", "warnings"},
    "push": {"errors", "lock", "source", "fetch"},
    "judgement": {"model", "labels", "schema"},
    "cards": BELOW | {"labels", "judgement"},
    "maltego": BELOW | {"cards", "export"},
    "testing": BELOW,
    "tables": {"errors", "files", "model"},
    "orphans": {"cache", "files", "objects"},
    "demo": {"errors", "settings"},
    "retraction": {"cache", "analyst", "load"},
    "pipeline": BELOW | {"retraction"},
    "ui": BELOW | {"pipeline", "export", "labels", "unused", "warnings"},
    "watch": BELOW | {"judgement"},
    "api": BELOW | {"retraction", "judgement", "cards", "demo", "pipeline", "settings", "tables"},
    "__init__": {"api"},
    "mcp": {"errors", "times", "schema", "cache", "objects", "ask", "cards", "api"},
    "cli": BELOW
    | {
        "watch",
        "labels",
        "judgement",
        "cards",
        "demo",
        "api",
        "mcp",
        "pipeline",
        "retraction",
        "settings",
        "ui",
        "export",
        "push",
    }
    | {"deferred", "maltego", "orphans", "warnings"},
    "deferred": set(),
    "__main__": {"cli", "deferred", "unused"},
}
LAYER_OF = {
    "analyst.entries": "entries",
    "diff": "files",
    "sets": "files",
    "set_copy": "files",
    "reject_paths": "reading",
    "sqlite": "lock",
    "store_client": "objects",
    "warning_lists": "warnings",
}


def layer(module: str) -> str:
    name = module.split(".", maxsplit=1)[0]
    return LAYER_OF.get(module) or LAYER_OF.get(name, name)


@cache
def imports(path: Path) -> list[str]:
    """Return the full names of what a module imports, wherever in it."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path}: imports by full names"
            names += (f"{node.module}.{each.name}" for each in node.names)
    return names


def own_imports(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a module imports."""
    for name in imports(path):
        if name.startswith("intel_grapher."):
            inner = name.removeprefix("intel_grapher.")
            yield inner if inner in MODULES else inner.rpartition(".")[0]


@pytest.mark.parametrize("module", MODULES)
def test_a_layer_imports_only_lower_layers(module: str) -> None:
    own = layer(module)
    for imported in filter(None, own_imports(MODULES[module])):
        other = layer(imported)
        assert other == own or other in LAYERS[own], f"{module} ({own}) imports {imported} ({other})"


def test_the_layers_have_an_order() -> None:
    waiting = dict(LAYERS)
    placed: set[str] = set()
    while waiting:
        ready = {name for name, lower in waiting.items() if lower <= placed}
        assert ready, f"in a circle: {sorted(waiting)}"
        placed |= ready
        waiting = {name: lower for name, lower in waiting.items() if name not in placed}


def test_a_source_takes_what_the_schema_and_the_contract_give_it_and_no_more() -> None:
    for module, path in MODULES.items():
        if module.startswith("sources."):
            outside = {name.split(".")[0] for name in imports(path)} - {"intel_grapher", *sys.stdlib_module_names}
            assert outside <= {"msgspec"}, module
            for name in imports(path):
                assert not name.startswith(("os.", "socket", "urllib.request", "subprocess")), f"{module}: {name}"


@pytest.mark.parametrize(
    ("package", "where"),
    [
        ("requests", {"fetch.http"}),
        ("typer", {"cli"}),
        ("rich", {"cli"}),
        ("publicsuffixlist", {"keys"}),
        ("pypdf", {"extract"}),
        ("duckdb", {"watch", "sql", "files", "diff", "transform", "load", "export", "cli.doctor"}),
        ("pyarrow", {"keys", "labels", "model", "files", "transform", "load", "export", "tables", "testing"}),
        ("ladybug", {"load", "ask"}),
        ("neo4j", {"load", "ask", "neo4j"}),
        ("mcp", {"mcp"}),
        ("obstore", {"objects", "store_client"}),
    ],
)
def test_a_package_is_known_in_its_place_only(package: str, where: set[str]) -> None:
    users = {module for module, path in MODULES.items() if package in {name.split(".")[0] for name in imports(path)}}
    assert {module for module in users if not {module, module.split(".")[0]} & where} == set()
    assert users


def test_only_the_command_line_prints() -> None:
    for module, path in MODULES.items():
        if layer(module) != "cli":
            names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
            assert "print" not in names, module
            assert "sys.stdout" not in path.read_text(), module


def test_the_schemas_names_stand_in_the_schema_the_sources_and_the_queries_that_ship() -> None:
    for module, path in MODULES.items():
        if module != "schema" and layer(module) not in {"sources", "export"} and module != "ask.saved":
            words = set(re.findall(r"\b[A-Z_]{4,}\b", path.read_text()))
            assert not words & {name for name in schema.RELATIONSHIPS if "_" in name or name == "RESOLVES"}, module


def test_labels_are_named_by_the_schema_the_sources_and_the_queries_that_ship() -> None:
    quoted = re.compile(r"""(?<!button\()(["'])(""" + "|".join(schema.LABELS) + r""")\1""")
    allowed = {"labels", "schema", "ask.saved", "fetch.service", "intake"}  # in the last two it is the name of a class
    for module, path in MODULES.items():
        if module not in allowed and layer(module) not in {"sources", "testing", "export"}:
            assert not quoted.findall(path.read_text()), module
    for script in SCRIPTS:
        assert not quoted.findall(script.read_text()), script.name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_lines_of_scripts_are_as_short_as_pythons(script: Path) -> None:
    long = [number for number, line in enumerate(script.read_text().splitlines(), 1) if len(line) > LONGEST_LINE]
    assert long == []


def test_no_file_is_long() -> None:
    lengths = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert {module: length for module, length in lengths.items() if length > LONGEST} == {}


def test_nothing_is_called_by_a_name_that_says_nothing() -> None:
    names = {part for module in MODULES for part in module.split(".")}
    assert not names & {"utils", "util", "helpers", "helper", "misc", "common"}


def test_no_two_classes_have_one_name() -> None:
    homes: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        if layer(module) != "sources":  # the types of replies have the services' own words
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    homes.setdefault(node.name, []).append(module)
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


def test_no_class_is_derived_twice() -> None:
    for module, path in MODULES.items():
        own = {node.name: node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)}
        parents = {name: [each.id for each in node.bases if isinstance(each, ast.Name)] for name, node in own.items()}
        for name, above in parents.items():
            for each in above:
                grand = [one for one in parents.get(each, ()) if one in own and one != "GrapherError"]
                assert not grand, f"{module}.{name} → {each} → {grand}"


# --- what is undocumented fails ---------------------------------------------------------------------------------------


COMMANDS = list(generated.commands())


@pytest.mark.parametrize("words", COMMANDS, ids=[" ".join(each) or "intel-grapher" for each in COMMANDS])
def test_every_command_and_option_is_documented(words: tuple[str, ...]) -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    told = generated.help_of(words)
    heading = f"## {' '.join(('intel-grapher', *words))}\n"
    assert heading in page, "`make docs` writes it"
    section = page.partition(heading)[2].partition("\n## ")[0]
    for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", told):
        assert option in section, option
    for line in re.findall(r"^ +(?:-\w+, )?(--[a-z-]+(?: <[^>]+>)?)(.*)$", told, re.MULTILINE):
        assert line[1].strip() or f"{line[0]}\n" in told, f"{line[0]} says nothing of itself"


@pytest.mark.parametrize("source", Registry.installed().values(), ids=list(Registry.installed()))
def test_every_source_and_endpoint_is_documented(source: object) -> None:
    page = (ROOT / "docs" / "sources.md").read_text()
    assert f"`{source.name}` |" in page, "`make docs` writes it"  # type: ignore[attr-defined]
    for each in source.endpoints.values():  # type: ignore[attr-defined]
        assert f"| `{each.name}` |" in page
        assert each.doc in page


def test_every_label_type_and_property_is_documented() -> None:
    page = (ROOT / "docs" / "schema.md").read_text()
    for name, label in schema.LABELS.items():
        assert f"| **{name}** |" in page, "`make docs` writes it"
        assert all(f"`{each.name}`" in page for each in label.properties)
    for name, type_ in schema.RELATIONSHIPS.items():
        assert f"| `{name}`" in page
        assert all(f"`{each.name}`" in page for each in type_.properties)


def test_every_setting_that_the_code_reads_is_documented() -> None:
    code = "\n".join(path.read_text() for path in MODULES.values())
    settings = set(re.findall(r'"((?:INTEL_GRAPHER|NEO4J)_[A-Z0-9_]+)"', code)) - {
        "NEO4J_HOME",
        "NEO4J_CONF",
    }  # its own
    settings |= {source.key.variable for source in Registry.installed().values() if source.key}
    papers = "\n".join((ROOT / name).read_text() for name in ("README.md", "docs/sources.md", "docs/cli.md"))
    assert {each for each in settings if each not in papers} == set()


def test_papers_point_at_files_that_are_there() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
        for target in re.findall(r"`((?:etl|tests|docs|benchmarks)/[\w./-]+\.\w+)`", page.read_text()):
            assert (ROOT / target).exists() or "made_up" in target, f"{page.name}: {target}"


def test_architecture_lists_the_layers_in_their_order() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text().partition("## The layers")[2].partition("\n## ")[0]
    names = [name for row in re.findall(r"^\| ([a-z0-9, ]+) \| `", page, re.MULTILINE) for name in row.split(", ")]
    assert sorted(names) == sorted(set(LAYERS) - {"__main__", "__init__"})
    for position, name in enumerate(names):
        assert LAYERS[name] - {"sources"} <= set(names[:position]), f"{name} imports layers that stand below it"
