"""`export --to`: sends the graph, or a part of it, to a MISP or a TAXII 2.1 collection."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from intel_grapher import credentials
from intel_grapher.cli import options
from intel_grapher.cli.output import interruptible, print_json, progress, say
from intel_grapher.cli.terminal import counted, some
from intel_grapher.errors import KeyMissingError, UsageError
from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.part import Part
from intel_grapher.push import misp, sent, target, taxii
from intel_grapher.push.pushing import Pushed, send_all
from intel_grapher.push.sent import Counts, SentUnits, UnitState
from intel_grapher.push.server import Receiver
from intel_grapher.push.target import Target
from intel_grapher.registry import Registry

MOST_TLP = "amber+strict"
"""The strictest marking that is sent where the user says nothing of markings."""
MOST_SHOWN = 10
NOBODY = "00000000-0000-0000-0000-000000000000"
"""The event of a dry run that would make one."""


@dataclass(frozen=True, kw_only=True)
class PushOptions:
    """Option group: into which live system it goes."""

    to: Annotated[
        str | None,
        typer.Option("--to", metavar="ADDRESS", help="Send it: misp://HOST, taxii+https://HOST/…/collections/ID/."),
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --to: say what would be sent. Asks nothing.")] = False
    prune: Annotated[
        bool, typer.Option("--prune", help="With --to: also take back what was sent before and is no longer in it.")
    ] = False
    event: Annotated[
        str | None,
        typer.Option("--event", metavar="UUID", help="With --to misp://…: into this event; `new` makes another one."),
    ] = None

    def target(self) -> Target | None:
        """Return where it goes; None where it goes to no live system. Raises UsageError."""
        if self.to is None:
            given = [name for name in ("dry_run", "prune", "event") if getattr(self, name)]
            if given:
                raise UsageError(f"--{given[0].replace('_', '-')} is for --to, which names a server: {target.FORMS}")
            return None
        found = target.parsed(self.to)
        if self.event is not None and found.system != target.MISP:
            raise UsageError("--event is for a MISP: a TAXII collection has no events")
        return found


@dataclass(frozen=True, kw_only=True)
class Push:
    """One push: what is sent, and how it is told of. `scope` says what was chosen of the graph."""

    target: Target
    options: PushOptions
    format: Format
    settings: Settings
    scope: str
    data: Path
    json: bool
    no_progress: bool

    def run(self, part: Part) -> None:
        """Send what the server lacks of a part, and say what came of it. Raises typer.Exit where not all was taken."""
        key = "" if self.options.dry_run else self._key()
        self.data.mkdir(parents=True, exist_ok=True)
        with sent.opened(self.data, self.target.url, self.scope) as units:
            event, is_there = self._event(units)
            written, counts = self._compare(part, units, event)
            if self.options.dry_run:
                self._tell(written, counts, None, event if is_there else "", units.kinds())
                return
            pushed = Pushed()
            if counts.new or counts.changed or (counts.gone and self.options.prune):
                units.begin(event)
                pushed = self._sent(units, counts, self._server(event, key, is_there=is_there))
        self._tell(written, counts, pushed, event)

    def _key(self) -> str:
        """Return the secret. Raises KeyMissingError where a MISP has none."""
        variable = misp.KEY if self.target.system == target.MISP else "TAXII_KEY"
        found = credentials.find(variable).value
        if not found and self.target.system == target.MISP:
            raise KeyMissingError(f"{self.target.url} needs a key: `intel-grapher keys set {variable}` keeps it")
        return found

    def _event(self, units: SentUnits) -> tuple[str, bool]:
        """Return the UUID of the MISP event, and whether the server has it; empty for a collection."""
        if self.target.system != target.MISP:
            return "", True
        if self.options.event is None and units.event:
            return units.event, units.has_head()
        named = self.options.event
        if self.options.dry_run and named in {None, "new"}:
            return NOBODY, False
        return misp.event_named(named or "new"), named not in {None, "new"}

    def _compare(self, part: Part, units: SentUnits, event: str) -> tuple[Written, Counts]:
        """Write the export to a temporary file, and compare its units with what was sent."""
        with TemporaryFile() as spool:
            written = self.format.write(part, spool, replace(self.settings, event=event))
            spool.seek(0)
            read = misp.units if self.target.system == target.MISP else taxii.units
            return written, units.compare(read(spool), prune=self.options.prune, event=event)

    def _server(self, event: str, key: str, *, is_there: bool) -> Receiver:
        if self.target.system == target.MISP:
            return misp.MispEvent(self.target, event, key, is_there=is_there)
        return taxii.TaxiiCollectionPush(self.target, Registry.installed()["taxii"], key)

    def _sent(self, units: SentUnits, counts: Counts, server: Receiver) -> Pushed:
        total = counts.new + counts.changed + (counts.gone if self.options.prune else 0)
        done = 0
        with (
            closing(server),
            progress("objects", hidden=self.no_progress) as shown,
            interruptible(shown) as advance,
        ):

            def on_sent(many: int) -> None:
                nonlocal done
                done += many
                advance("send", done, total)

            return send_all(units, server, on_sent)

    def _tell(
        self,
        written: Written,
        counts: Counts,
        pushed: Pushed | None,
        event: str,
        kinds: dict[str, int] | None = None,
    ) -> None:
        """Say what was sent, or would be. Raises what stopped it, or Exit for what the server refused."""
        if pushed is not None and pushed.stopped is not None and not pushed.done and not pushed.refused:
            raise pushed.stopped
        gone = counts.gone if self.options.prune else 0
        taken = {UnitState.NEW: counts.new, UnitState.CHANGED: counts.changed, UnitState.GONE: gone}
        if pushed is not None:
            taken = pushed.sent
        if self.json:
            more = {} if kinds is None else {"kinds": kinds}
            print_json(self._document(written, counts, taken, pushed, event) | more)
        else:
            self._say(counts, taken, event)
            if kinds:
                say("that is: " + some([f"{name} ({many:,})" for name, many in kinds.items()], MOST_SHOWN))
        for _, what, why in pushed.refused[:MOST_SHOWN] if pushed else ():
            say(f"not taken: {what}: {why}")
        if pushed and len(pushed.refused) > MOST_SHOWN:
            say(f"not taken: {len(pushed.refused) - MOST_SHOWN} more; --json lists them all")
        if pushed and pushed.stopped is not None:
            say(f"ended early: {pushed.stopped}; the same command goes on from there")
        if pushed and (pushed.stopped is not None or pushed.refused):
            raise typer.Exit(options.PART if pushed.done else 1)

    def _say(self, counts: Counts, taken: dict[UnitState, int], event: str) -> None:
        where = f"{self.target.url}, event {event}" if event else self.target.url
        parts = [f"{taken[UnitState.NEW]:,} new", f"{taken[UnitState.CHANGED]:,} changed"]
        parts += [f"{taken[UnitState.GONE]:,} taken back"] if taken[UnitState.GONE] else []
        all_ = counted(sum(taken.values()), "object")
        verb = "would send" if self.options.dry_run else "sent"
        say(f"{verb} {all_} to {where}: {', '.join(parts)}; {counts.same:,} are there already")
        if counts.gone and not self.options.prune:
            say(f"{counts.gone:,} that were sent before are no longer in it: --prune takes them back")

    def _document(
        self, written: Written, counts: Counts, taken: dict[UnitState, int], pushed: Pushed | None, event: str
    ) -> dict[str, object]:
        return {
            "to": self.target.url,
            "event": event or None,
            "format": self.format.name,
            "dry_run": self.options.dry_run,
            "nodes": written.nodes,
            "relationships": written.relationships,
            "left_out": dict(sorted(written.left_out.items())),
            "new": taken[UnitState.NEW],
            "changed": taken[UnitState.CHANGED],
            "taken_back": taken[UnitState.GONE],
            "there_already": counts.same,
            "no_longer_in_it": counts.gone,
            "refused": [
                {"id": id_, "what": what, "reason": why} for id_, what, why in (pushed.refused if pushed else ())
            ],
            "ended_early": str(pushed.stopped) if pushed and pushed.stopped else None,
        }
