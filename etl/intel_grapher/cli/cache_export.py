"""`cache export`: writes replies to an evidence bundle, for a place that no network reaches."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from intel_grapher import times, tlp
from intel_grapher.analyst import sharing
from intel_grapher.analyst.entries import SOURCE
from intel_grapher.cache import Cache, Corruption, Envelope, bundle
from intel_grapher.cache.bundle import NOT_ASKED
from intel_grapher.cache.signing import Signer, public_keys
from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_line, say
from intel_grapher.errors import UsageError
from intel_grapher.registry import Registry


def export(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The bundle, such as evidence.tar.")],
    *,
    source: Annotated[
        list[str] | None, typer.Option("--source", "-s", help="Only replies of this source, and the entries; several.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Only what was fetched or entered since.")] = None,
    max_tlp: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="Leave out what is marked more strictly: clear, green, amber, …")
    ] = None,
    entries: Annotated[bool, typer.Option("--entries/--no-entries", help="Whether analysts' entries go along.")] = True,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign with this private Ed25519 key, as SSH keeps it.")
    ] = None,
    data: options.Data = options.DATA,
    json: options.Json = False,
) -> None:
    """Write replies to an evidence bundle: one file that can be checked.

    It holds replies as they came, analysts' entries, and a manifest with checksums. `cache add FILE` on another
    machine verifies it and adds what is not there yet.

    The marking of a reply is the strictest TLP level that it names, or that an analyst's tag gave to its key. What is
    not marked goes along.
    """
    registry = Registry.installed()
    choice = _Choice(
        sources=frozenset(registry.named(name).name for name in source or ()),
        since=options.timestamp("--since", since) or 0,
        most=None if max_tlp is None else level_named("--max-tlp", max_tlp),
        entries=entries,
    )
    signer = None if sign is None else Signer(sign)
    damaged: list[Corruption] = []
    with Cache(options.existing(data)) as cache:
        if choice.most is not None:
            choice.marked.update(sharing.marked_keys(cache))
        made = bundle.write(
            cache, output, refuse=choice.refuse, chosen=choice.told, signer=signer, on_corruption=damaged.append
        )
    lost = sum(each.lost for each in damaged)
    if json:
        print_json({"file": str(output), "replies": made.replies, "left_out": made.left_out, "damaged": lost})
    else:
        print_line(f"{made.replies} replies in {output}")
    for reason, count in made.left_out.items():
        say(f"left out: {count} ({reason})")
    if lost:
        say(f"{lost} records of the cache are damaged and left out; `intel-grapher cache verify` tells where")
        raise typer.Exit(options.PART)


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """Which replies go out. `marked` are keys that analysts marked, with the levels."""

    sources: frozenset[str]
    since: int
    most: str | None
    entries: bool
    marked: dict[str, str] = field(default_factory=dict)

    @property
    def told(self) -> dict[str, str]:
        """What was chosen, as text; nothing for what was left to the default."""
        told = {"source": ", ".join(sorted(self.sources)), "max_tlp": self.most or ""}
        told |= {"since": times.text(self.since) if self.since else "", "entries": "" if self.entries else "no"}
        return {name: text for name, text in told.items() if text}

    def refuse(self, reply: Envelope) -> str:
        """Return why a reply does not go out; empty for one that does."""
        of_entry = reply.source == SOURCE
        asked = self.entries if of_entry else not self.sources or reply.source in self.sources
        if not asked or reply.epoch < self.since:
            return NOT_ASKED
        level = None if self.most is None else sharing.level(reply, self.marked)
        if level is None or self.most is None or tlp.LEVELS.index(level) <= tlp.LEVELS.index(self.most):
            return ""
        return f"marked TLP:{level.upper()}"


def level_named(flag: str, text: str) -> str:
    """Return the TLP level that an option names. Raises UsageError for anything else."""
    level = tlp.of_tag(text) or tlp.of_tag(f"{tlp.PREFIX}{text}")
    if level is None:
        raise UsageError(f"{flag} {text!r} is no TLP level; there are: {', '.join(tlp.LEVELS)}")
    return level


def verified(paths: list[Path], signed_by: Path | None) -> None:
    """Verify the bundles among the paths that are to be added, and say whose they are.

    Raises CacheError for one that is not as it was written, UsageError where keys are given and a path is no bundle.
    """
    trusted = [] if signed_by is None else public_keys(signed_by)
    for path in paths:
        if not bundle.is_bundle(path):
            if trusted:
                raise UsageError(f"{path} is no evidence bundle, so nobody has signed it; nothing was added")
            continue
        manifest, signer = bundle.verify(path, trusted)
        told = f"signed by {signer}" if signer else "not signed"
        if signer and not trusted:
            told += ", which --signed-by would compare with keys that you trust"
        say(f"{path}: whole, {manifest.replies} replies; {told}")
