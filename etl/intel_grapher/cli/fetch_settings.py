"""The options of `fetch`, `plan` and `run` that say whom to ask, what is fresh enough, and how far to follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intel_grapher import keys, schema
from intel_grapher.cli import completion
from intel_grapher.cli.indicators import Texts
from intel_grapher.errors import BadValue, UsageError
from intel_grapher.fetch import asking, defaults, degrees, hops, ledgers
from intel_grapher.fetch import run as fetching
from intel_grapher.times import AGES

if TYPE_CHECKING:
    from intel_grapher.fetch.hops import Hops
    from intel_grapher.registry import Registry
    from intel_grapher.source import Source


@dataclass(frozen=True, kw_only=True)
class SourceChoice:
    """Option group: which sources are asked."""

    source: Annotated[
        Texts,
        typer.Option("--source", "-s", autocompletion=completion.sources, help="Only this source; may be repeated."),
    ] = None

    def chosen(self, registry: Registry) -> list[Source]:
        """Return the sources that --source names, in that order; [] without --source. Raises UsageError."""
        return [registry.named(name) for name in self.source or []]

    def selected(self, registry: Registry) -> list[Source]:
        """Return the sources that --source names; all without --source. Raises UsageError."""
        return self.chosen(registry) or list(registry.values())


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Option group: how much a fetch may ask."""

    requests: Annotated[int | None, typer.Option("--requests", min=0, help="Send at most so many requests in all.")] = (
        None
    )
    pages: Annotated[int, typer.Option(min=1, help="Ask for at most so many pages of one answer.")] = defaults.PAGES

    queue: Annotated[
        str, typer.Option(help="Share the questions with the other fetches of this queue: docs/scale.md.")
    ] = ""

    def limited(self) -> fetching.FetchOptions:
        """Return the options of a fetch with these limits and the user's ledger."""
        return fetching.FetchOptions(
            pages=self.pages, requests=self.requests, ledger=ledgers.users_ledger(), queue=self.queue
        )


@dataclass(frozen=True, kw_only=True)
class FetchSettings(Limits, SourceChoice):
    """Option group: all that says how to fetch, but what about."""

    max_age: Annotated[
        str | None,
        typer.Option(
            envvar="INTEL_GRAPHER_MAX_AGE",
            help="Ask again what is older: 12h, 7d, SOURCE=7d; separate several by commas.",
        ),
    ] = None
    negative_age: Annotated[
        str | None, typer.Option(envvar="INTEL_GRAPHER_NEGATIVE_AGE", help='Ask again where "not found" is older.')
    ] = None
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask again whatever the cache holds.")] = False
    hops: Annotated[int, typer.Option("--hops", min=0, help="Follow what the replies name, so many steps.")] = 0
    follow: Annotated[
        Texts,
        typer.Option("--follow", autocompletion=completion.kinds, help="Follow only these kinds: domain, ip, hash, …"),
    ] = None
    under: Annotated[Texts, typer.Option(help="Follow names only at or below this domain.")] = None
    outside: Annotated[Texts, typer.Option(help="Do not follow addresses of this network (CIDR).")] = None
    stop: Annotated[Texts, typer.Option(help="Do not follow this indicator.")] = None
    per_kind: Annotated[int, typer.Option(min=1, help="Follow at most so many of each kind in one hop.")] = (
        defaults.PER_KIND
    )
    per_parent: Annotated[int, typer.Option(min=1, help="Follow at most so many that one indicator leads to.")] = (
        defaults.PER_PARENT
    )
    hub: Annotated[int, typer.Option(min=1, help="Do not follow what has more neighbours than this.")] = (
        defaults.HUB_FROM
    )

    def options(self, registry: Registry, import_: Path) -> fetching.FetchOptions:
        """Return the options of a fetch with these settings; the flat files in `import_` tell what is a hub.

        Raises UsageError for an age, source, kind, domain, network or indicator that is none.
        """
        return replace(
            self.limited(),
            freshness=asking.freshness(registry, self.max_age, self.negative_age, refresh=self.refresh),
            hops=self._hops(import_),
        )

    def _hops(self, import_: Path) -> Hops:
        default = hops.Hops()
        if unknown := set(self.follow or []) - set(schema.BY_INDICATOR):
            raise UsageError(f"--follow is one of {', '.join(schema.BY_INDICATOR)}, not {', '.join(sorted(unknown))}")
        try:
            return hops.Hops(
                depth=self.hops,
                kinds=frozenset(self.follow) if self.follow else default.kinds,
                per_kind=self.per_kind,
                per_parent=self.per_parent,
                hub=self.hub,
                under=tuple(keys.hostname(name) for name in self.under or []),
                outside=tuple(keys.network(network) for network in self.outside or []),
                stop=default.stop | {keys.detect(indicator)[1] for indicator in self.stop or []},
                degrees=degrees.in_files(import_) if self.hops else None,
            )
        except BadValue as error:
            raise UsageError(
                f"--under takes a domain, --outside a network, --stop an indicator: {error.reason}"
            ) from error


def duration(length: float) -> str:
    """Return a length in seconds as text, in its largest unit: 90s, 12h, 7d."""
    for unit in ("w", "d", "h", "m"):
        if length >= AGES[unit]:
            return f"{length / AGES[unit]:.0f}{unit}"
    return f"{length:.0f}s"
