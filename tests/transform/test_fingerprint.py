"""The digest of the code covers all that the mapping and the merging import, without a list kept by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from transforming import REGISTRY

from intel_grapher.transform.fingerprint import closure, code_of

STAGED = "intel_grapher.transform.staged"
PUBLISH = "intel_grapher.transform.publish"


@pytest.mark.parametrize(
    "module",
    [
        *("model", "schema", "labels", "times", "errors", "files", "source", "reading", "reject_paths", "verdict"),
        *("keys", "keys.plain", "keys.names", "keys.urls", "cache.envelope", "cache.segment"),
        *("transform.facts", "transform.columns", "transform.interning", "transform.staged"),
    ],
)
def test_what_maps_is_covered(module: str) -> None:
    names, _ = closure([STAGED])
    assert f"intel_grapher.{module}" in names


def test_what_merges_is_covered_and_what_only_the_cache_writes_is_not() -> None:
    names, packages = closure([PUBLISH])
    for module in ("merge", "key_ranks", "interleave", "overriding", "store", "publish"):
        assert f"intel_grapher.transform.{module}" in names
    assert {"duckdb", "pyarrow", "msgspec"} <= {name.partition(".")[0] for name in packages}
    mapped, packages = closure([STAGED])
    assert {"msgspec", "pyarrow", "idna", "publicsuffixlist"} <= {name.partition(".")[0] for name in packages}
    assert not mapped & {"intel_grapher.cache.writer", "intel_grapher.cache.index", "intel_grapher.transform.merge"}


@pytest.mark.parametrize("module", sorted({endpoint.mapping.__module__ for endpoint in REGISTRY.endpoints()}))
def test_a_source_is_covered_with_all_that_it_imports(module: str) -> None:
    names, _ = closure([STAGED, module])
    assert module in names
    package = Path(str(sys.modules[module].__file__)).parent
    imported = {
        value.__module__
        for value in vars(sys.modules[module]).values()
        if getattr(value, "__module__", "").startswith("intel_grapher.sources.")
    }
    assert imported <= names, package


def test_a_plugins_own_modules_are_covered(tmp_path: Path) -> None:
    package = tmp_path / "acme_feeds"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "names.py").write_text("from . import tables\nfrom .more.deep import (\n    X,  # why\n    Y,\n)\n")
    (package / "tables.py").write_text("import acme_feeds.rows as rows, json\n")
    (package / "rows.py").write_text("def late():\n    from acme_feeds import lazy\n")
    (package / "lazy.py").write_text("")
    (package / "more").mkdir()
    (package / "more" / "__init__.py").write_text("")
    (package / "more" / "deep.py").write_text("X = Y = 1\n")
    program = (
        "import acme_feeds.names\nfrom intel_grapher.transform.fingerprint import closure\n"
        "names, others = closure(['acme_feeds.names'])\nprint(*sorted(names), *others)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout.split() == [f"acme_feeds.{name}" for name in ("lazy", "more.deep", "names", "rows", "tables")]


def test_the_digest_is_the_same_in_every_process() -> None:
    program = (
        "import sys\nfrom intel_grapher.registry import Registry\nRegistry.installed()\n"
        "from intel_grapher.transform.fingerprint import code_of\nprint(code_of(*sys.argv[1:]))"
    )
    modules = [STAGED, "intel_grapher.sources.threatcrowd"]
    ran = subprocess.run([sys.executable, "-c", program, *modules], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == code_of(*modules)
