"""The registry: all sources that a command knows, by name. The command makes it once and hands it down."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata

from intel_grapher import sources
from intel_grapher.errors import SourceError, UsageError
from intel_grapher.source import Endpoint, Source

ENTRY_POINTS = "intel_grapher.sources"


class Registry(Mapping[str, Source]):
    """A mapping of source names to sources, sorted by name.

    Raises SourceError for two sources of one name. Only the registry of `installed()` can be sent to another process:
    sources hold functions, so the other process imports them again.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources: dict[str, Source] = {}
        self._remake: Callable[[], Registry] | None = None
        for source in sources:
            if source.name in self._sources:
                raise SourceError(f"two sources are called {source.name!r}")
            self._sources[source.name] = source
        self._sources = dict(sorted(self._sources.items()))

    @classmethod
    def installed(cls) -> Registry:
        """Return the package's own sources and those that installed packages offer by an entry point.

        Raises SourceError for an entry point that is no Source.
        """
        modules = (module.name for module in pkgutil.iter_modules(sources.__path__))
        own = [
            importlib.import_module(f"{sources.__name__}.{name}").source
            for name in modules
            if not name.startswith("_")  # code that several sources share
        ]
        offered = [entry.load() for entry in metadata.entry_points(group=ENTRY_POINTS)]
        for source in offered:
            if not isinstance(source, Source):
                raise SourceError(f"entry point group {ENTRY_POINTS}: {source!r} is not a Source")
        registry = cls([*own, *offered])
        registry._remake = cls.installed
        return registry

    @property
    def is_portable(self) -> bool:
        """True if the registry can be sent to another process."""
        return self._remake is not None

    def __reduce__(self) -> tuple[Callable[[], Registry], tuple[()]]:
        if self._remake is None:
            raise SourceError("a registry made by hand can't be sent to another process")
        return self._remake, ()

    def __getitem__(self, name: str) -> Source:
        return self._sources[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def named(self, name: str) -> Source:
        """Return the source with that name or alias; upper case and `-` are accepted.

        Raises UsageError, which lists the known names.
        """
        folded = name.lower().replace("-", "_")
        source = self.get(folded) or next((source for source in self.values() if folded in source.also), None)
        if source is None:
            raise UsageError(f"no source is called {name!r}; there are: {', '.join(self)}")
        return source

    def endpoint(self, source: str, endpoint: str) -> Endpoint | None:
        """Return a source's endpoint by both names, as the cache's folders have them; None if either is unknown."""
        known = self.get(source)
        return known.endpoint(endpoint) if known else None

    def endpoints(self) -> Iterator[Endpoint]:
        """Yield every endpoint of every source."""
        for source in self.values():
            yield from source.endpoints.values()
