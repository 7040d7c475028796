"""What the command line imports only when it is used.

A command uses half of what it would import: a question to the graph needs no Arrow, the help no HTTP. Modules name what
they use at their top all the same. After `defer`, a module of DEFERRED is empty when it is imported, and is filled when
something in it is looked up. `from duckdb import X` looks at once, and defers nothing.

`show` takes 0.30 s of CPU in place of 0.45 by this, `sources` 0.19 in place of 0.26 (a busy machine). Two other means
by which a command starts sooner: `unused` leaves out numpy, which Arrow looks for (0.1 s of a load), and
`cli.plain_values` does without a converter of Typer's that imports pydantic (0.08 s of each command).

`importlib.util.LazyLoader` does less: it fills a package as soon as a module of it is imported, and before
Python 3.12.3 is not safe where several threads look at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from threading import RLock
from types import ModuleType

DEFERRED = frozenset(
    {
        *("asyncio", "duckdb", "idna", "neo4j", "neo4j.exceptions", "publicsuffixlist", "requests", "urllib3"),
        *("pyarrow", "pyarrow.compute", "pyarrow.csv", "pyarrow.json", "pyarrow.parquet", "rich.cells", "rich.text"),
        *("http.client", "importlib.metadata", "socket", "sqlite3"),
        *(
            f"intel_grapher.{name}"
            for name in (
                *("ask", "cache", "cli.ending", "early", "intake", "keys", "load.neo4j.session", "neo4j.server"),
                *("registry", "schema"),
                *(f"fetch.{part}" for part in ("asking", "connections", "degrees", "failures", "hops", "http")),
                *(f"fetch.{part}" for part in ("ledgers", "plan", "run", "workload")),
            )
        ),
    }
)
"""Modules in Python, ours too; asyncio is for an interface of the embedded engine that no command uses."""
LEFT = frozenset(
    {
        *("duckdb", "http.client", "importlib.metadata", "rich.cells", "rich.text"),
        *("pyarrow.compute", "pyarrow.csv", "pyarrow.json", "pyarrow.parquet"),
    }
)
"""Those of them that `settle` leaves. Threads can't block each other there: all wait for the one that fills a module.

What it imports does not import it in turn, and nothing but itself imports a module that is within it.
"""


def defer() -> None:
    """Defer these modules in this process."""
    sys.meta_path.insert(0, DeferringFinder())


def settle() -> None:
    """Fill what is deferred, and defer nothing more: for a command whose threads would meet within imports."""
    while waiting := [
        module for name, module in list(sys.modules.items()) if type(module) is DeferredModule and name not in LEFT
    ]:
        for module in waiting:
            fill(module)
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, DeferringFinder)]


class DeferredModule(ModuleType):
    """A module that is empty until something in it is looked up. A thread that looks while another fills it waits."""

    def __getattribute__(self, name: str) -> object:
        """Wait where another thread fills the module: a name may stand for something else until that is done."""
        own = super().__getattribute__
        if not name.startswith("__") and isinstance(loader := own("__dict__")["__loader__"], DeferringLoader):
            with loader.lock:
                pass
        return own(name)

    def __getattr__(self, name: str) -> object:
        """Fill the module, and return what it has by that name."""
        if fill(self):
            return getattr(self, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)


class DeferringLoader:
    """Leaves a module empty when it is imported, and fills it later."""

    def __init__(self, loader: SourceFileLoader) -> None:
        self.loader = loader
        self.lock = RLock()
        self.is_filling = False

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return what the module's own loader does: None, for a module as it is by default."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module empty."""
        module.__class__ = DeferredModule


class LoadedLoader:
    """Gives a module that is there already, and which `loader` has loaded."""

    def __init__(self, loader: object) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module."""
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is, with its own loader."""
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader  # type: ignore[assignment] # it came from there


class DeferringFinder:
    """Finds the modules of DEFERRED, empty."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a deferred module; None leaves all else to others."""
        if fullname in DEFERRED:
            spec = PathFinder.find_spec(fullname, path, target)
            if spec is not None and isinstance(spec.loader, SourceFileLoader):
                spec.loader = DeferringLoader(spec.loader)  # type: ignore[assignment] # all but its base class
            return spec
        parent = fullname.rpartition(".")[0]
        if parent in DEFERRED and fill(sys.modules[parent]) and fullname in sys.modules:
            # The package has imported it just now. Python would take the module's own spec, and load it a second time.
            loaded = sys.modules[fullname].__spec__
            if loaded is not None and not isinstance(loaded.loader, LoadedLoader | DeferringLoader):
                loaded.loader = LoadedLoader(loaded.loader)  # type: ignore[assignment] # a loader in all but its base
            return loaded
        return None


def fill(module: ModuleType) -> bool:
    """Run a deferred module's code, after its package's; return whether the module is whole.

    It is not if that code itself looks at its module.
    """
    loader: object = module.__dict__["__loader__"]
    if not isinstance(loader, DeferringLoader):
        return True
    parent = module.__name__.rpartition(".")[0]
    if parent:
        fill(sys.modules[parent])
    with loader.lock:
        if not loader.is_filling and isinstance(module, DeferredModule):
            loader.is_filling = True
            try:
                loader.loader.exec_module(module)
            finally:
                loader.is_filling = False
            module.__loader__ = loader.loader
            if module.__spec__ is not None:
                module.__spec__.loader = loader.loader
            module.__class__ = ModuleType  # type: ignore[assignment] # as Python allows
    return not loader.is_filling
