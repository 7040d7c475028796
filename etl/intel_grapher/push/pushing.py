"""Sending what is still to be sent, batch by batch, and recording each when the server has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from intel_grapher.errors import GrapherError, ServerError
from intel_grapher.push.sent import SentUnits, Todo, UnitState
from intel_grapher.push.server import Receiver, RefusedError, Taken

MOST_REFUSED: Final = 10
"""Units that are refused, and none taken, before a server is believed to refuse everything."""


@dataclass
class Pushed:
    """What came of a push: units by state, what was refused, and why it ended early (None: it did not).

    Of what was refused: its identifier, what it is called, why.
    """

    sent: dict[UnitState, int] = field(default_factory=lambda: dict.fromkeys(UnitState, 0))
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    stopped: GrapherError | None = None

    @property
    def done(self) -> int:
        """Return how many units the server took."""
        return sum(self.sent.values())


def send_all(units: SentUnits, server: Receiver, on_sent: Callable[[int], None]) -> Pushed:
    """Send what is still to be sent. `on_sent` is called with the number of units of each batch.

    What was recorded stays recorded, however this ends.
    """
    pushed = Pushed()
    try:
        server.start()
        for batch in units.batches(server.most, server.largest):
            for taken in _halving(server, batch):
                units.done(taken.done)
                for todo, _ in taken.done:
                    pushed.sent[todo.state] += 1
                pushed.refused += [(todo.unit.id, server.title(todo.unit.content), why) for todo, why in taken.refused]
                on_sent(len(taken.done) + len(taken.refused))
                if not pushed.done and len(pushed.refused) >= MOST_REFUSED:
                    raise ServerError(f"nothing is taken: {pushed.refused[-1][2]}")
    except GrapherError as error:
        pushed.stopped = error
    return pushed


def _halving(server: Receiver, batch: Sequence[Todo]) -> Iterator[Taken]:
    """Yield what came of a batch. One that is refused as a whole is sent in halves, down to the unit that is why."""
    try:
        taken = server.send(batch)
    except RefusedError as refusal:
        if len(batch) == 1:
            yield Taken([], [(batch[0], str(refusal))])
            return
    else:
        yield taken
        return
    middle = len(batch) // 2
    yield from _halving(server, batch[:middle])
    yield from _halving(server, batch[middle:])
