"""Mapping: replies of one endpoint → facts in columns. Keys are canonical, properties typed; the rest are rejects.

Mappings yield raw strings, a list at a time. `columns` collects them until the batch is full. `Batch.encode` then
returns the facts with local_ids for keys, for the transform; `Batch.tables` returns the same facts with the keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import reduce
from itertools import compress, product
from typing import Any, NamedTuple, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher import reading, reject_paths
from intel_grapher.cache.envelope import Envelope, decode, decode_all
from intel_grapher.errors import BadValue, SourceError
from intel_grapher.files import Group
from intel_grapher.model import Fact, Kind, LeftOut, Relationship, Type
from intel_grapher.source import NO_PARAMS, Endpoint, Outcome
from intel_grapher.transform import decoded, json_rows
from intel_grapher.transform.asked import begins_well, is_at, is_canonical
from intel_grapher.transform.columns import Columns, Numbering, counted, is_column, property_of
from intel_grapher.transform.expressions import Trace
from intel_grapher.transform.interning import Interning
from intel_grapher.transform.missed import MAX_LISTED, Missed
from intel_grapher.transform.traced import trace
from intel_grapher.verdict import Verdict, judged

PRECISIONS = ("day", "minute", "second")  # from the coarsest, which is their order as texts too
BEGUN = 1000  # bytes of a reply that is listed as a whole
ALIASES = "+"  # joins the names of properties that share one column
CHECK = "check"  # stands for the column of what a type's check refuses
NONE: Mapping[str, int] = {}
WORTH_TRACING = 100  # replies: to read a mapping's source takes as long as to map some dozens


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A cached reply: the key that was asked for, when (epoch seconds), the HTTP status, the body, the parameters."""

    key: str
    fetched_at: int
    status: int
    content: bytes | msgspec.Raw
    params: Mapping[str, str] = NO_PARAMS

    @classmethod
    def of(cls, envelope: Envelope) -> Reply:
        """Return the reply in an envelope. A body of JSON is a view, not a copy."""
        body = envelope.body if envelope.form == "json" else envelope.content
        return cls(envelope.key, envelope.epoch, envelope.status, body, envelope.params)

    @property
    def begun(self) -> str:
        """Return the beginning of the body: what is listed of a reply that is a reject as a whole."""
        return bytes(self.content)[:BEGUN].decode("utf-8", "replace")


class Reject(NamedTuple):
    """A value that can't be a fact: where it is in which reply, and why. An empty path means the reply as a whole.

    If a reply has more than MAX_LISTED rejects, the last one of each reason stands for `more` of them.
    """

    source: str
    endpoint: str
    key: str
    path: str
    value: str
    reason: str
    more: int = 0

    @staticmethod
    def table(rejects: Sequence[Reject]) -> pa.Table:
        """Return rejects as a table; there must be at least one."""
        return pa.table(list(map(pa.array, zip(*rejects, strict=True))), list(Reject._fields))


class Encoded(NamedTuple):
    """Facts of a batch: `keys` by label (string[n]), and tables in which `start` and `end`, or `key`, are local_ids.

    A local_id is a position in the label's keys. The other columns are `fetched_at` and the properties. Timestamps are
    epoch seconds, a precision is an index of PRECISIONS. A column's name joins all properties that it has the values
    of.
    """

    keys: dict[str, pa.Array]
    tables: list[tuple[Group, pa.Table]]


class Batch:
    """Collects the facts of one endpoint's replies until `encode` or `tables` returns them."""

    def __init__(self, endpoint: Endpoint, source: int, interning: Interning | None = None) -> None:
        self.endpoint = endpoint
        self.source = source
        self.interning = interning or Interning()
        self.rejects: list[Reject] = []
        self.outcomes: Counter[str] = Counter()
        self._start()

    def _start(self) -> None:
        self._columns: dict[Any, Columns] = {}
        self._decoded: list[Columns] = []
        self._replies: list[Reply | memoryview] = []  # a line for one that was read in columns
        self._fetched_at: list[int] = []
        self._missed: dict[int, Missed] = {}  # by reply

    def add(self, *replies: Reply, in_columns: bool | None = None) -> None:
        """Take replies: map each answer, and list every other reply with the reason.

        Those of an endpoint whose mapping is traced are taken `in_columns`, as far as they can be: by default if there
        are enough of them.
        """
        endpoint = self.endpoint
        canonical = self._canonical(pa.array([reply.key for reply in replies], pa.string())).to_pylist()
        is_worth = len(replies) >= WORTH_TRACING if in_columns is None else in_columns
        traced = trace(endpoint) if is_worth else None
        taken = set[int]() if traced is None else self._add_in_columns(traced, replies, canonical)
        for place, (reply, is_known) in enumerate(zip(replies, canonical, strict=True)):
            if place not in taken:
                verdict = judged(endpoint, reply.status, reply.content)
                self.take(reply, verdict, asked=reply.key if is_known else None)

    def add_lines(self, text: bytes, *, in_columns: bool | None = None) -> list[int]:
        """Take lines of the cache whose checksums hold, and return when each reply came.

        Those taken `in_columns`, as in `add`, are decoded with their envelopes. Raises BadValue where one is no
        envelope, or has no newline.
        """
        lines = json_rows.lines_of(text)
        is_worth = len(lines) >= WORTH_TRACING if in_columns is None else in_columns
        traced = trace(self.endpoint) if is_worth else None
        records = json_rows.read_records(traced.reply.arrow, text, lines) if traced else None
        if traced is None or records is None:
            replies = list(map(Reply.of, decode_all(text)))
            self.add(*replies, in_columns=in_columns)
            return [reply.fetched_at for reply in replies]
        fetched_at: list[int] = records.fetched_at.to_pylist()
        fits = pc.and_(records.fits, self._canonical(records.asked))
        asked, bodies = records.asked, records.bodies
        if not pc.all(fits).as_py():
            asked, bodies = asked.filter(fits), bodies.filter(fits)
        found = self._take_in_columns(traced, asked, bodies)
        taken = [False] * len(lines) if found is None else pc.replace_with_mask(fits, fits, found).to_pylist()
        self._replies += compress(lines, taken)
        self._fetched_at.extend(compress(fetched_at, taken))
        rest = [line for line, is_taken in zip(lines, taken, strict=True) if not is_taken]
        self.add(*map(Reply.of, decode_all(b"\n".join(rest))), in_columns=False)
        return fetched_at

    def _add_in_columns(self, traced: Trace, replies: Sequence[Reply], canonical: Sequence[bool]) -> set[int]:
        """Take replies that found something, as columns, and return which ones that could be done with."""
        fitting = [
            place
            for place, (reply, is_known) in enumerate(zip(replies, canonical, strict=True))
            if is_known and json_rows.fits(reply.content, reply.status)
        ]
        taken: set[int] = set()
        contents = [cast("msgspec.Raw", replies[place].content) for place in fitting]
        for part, bodies in json_rows.read_bodies(traced.reply.arrow, contents):
            places = fitting[part.start : part.stop]
            found = self._take_in_columns(
                traced, pa.array([replies[place].key for place in places], pa.string()), bodies
            )
            if found is not None:
                having = list(compress(places, found.to_pylist()))
                self._replies += (replies[place] for place in having)
                self._fetched_at.extend(replies[place].fetched_at for place in having)
                taken.update(having)
        return taken

    def _take_in_columns(self, traced: Trace, asked: pa.Array, bodies: pa.Array) -> pa.Array | None:
        """Take the facts of replies that found something, which get the next numbers, and return which ones (bool[n]).

        Returns None where all of them have to be read by themselves.
        """
        made = decoded.decoded(self.endpoint, traced, asked, bodies, self.interning)
        columns = made and decoded.columns(made, len(self._replies))
        if made is None or columns is None:
            return None
        self._decoded += columns
        self.outcomes[Outcome.FOUND.value] += len(made.columns.replies)
        return made.found

    def take(self, reply: Reply, verdict: Verdict, asked: str | None = None) -> list[Fact]:
        """Take one reply with its verdict, and return the facts that its mapping gives.

        `asked` is the canonical key, where that is known.
        """
        try:
            facts = self._map(reply, verdict, asked)
        except BadValue as bad:
            self._reject(reply, "", reply.begun, bad.reason)
            self.outcomes[Outcome.UNREADABLE.value] += 1
            facts = []
        else:
            self.outcomes[verdict.outcome.value] += 1
        if verdict.faults:
            more = Counter[str]()
            for fault in verdict.faults:
                more[fault.reason] += fault.more
            self._list(reply, (fault[:3] for fault in verdict.faults), more)
        return facts

    def _canonical(self, keys: pa.Array) -> pa.Array:
        """Return which keys are canonical as they stand (bool[n]); nearly all are, and are told at once."""
        plain = self.endpoint.kinds[0].plain
        known = pc.is_valid(plain(keys)) if plain else pa.repeat(pa.scalar(value=False), len(keys))
        unknown = pc.invert(known)
        rest = [is_canonical(self.endpoint, key) for key in keys.filter(unknown).to_pylist()]
        return pc.replace_with_mask(known, unknown, pa.array(rest, pa.bool_()))

    def _map(self, reply: Reply, verdict: Verdict, asked: str | None) -> list[Fact]:
        if not verdict.is_answer:
            raise BadValue(verdict.reason)
        mapped: list[Fact] = []
        if verdict.outcome is Outcome.FOUND:
            asked = self._asked_for(reply.key) if asked is None else asked
            try:
                mapped, left_out = self.endpoint.mapped(asked, verdict.reply, reply.params)
                facts = [(fact, *laid_out(fact)) for fact in mapped]
            except (BadValue, SourceError):
                raise
            except Exception as wrong:  # one reply's surprise must not cost the others theirs; it is listed
                raise BadValue(f"the mapping failed: {type(wrong).__name__}") from wrong
            number = len(self._replies)
            self._replies.append(reply)
            self._fetched_at.append(reply.fetched_at)
            is_node = bool(self.endpoint.untied)
            for fact, rows, starts, ends in facts:
                if rows:
                    self._columns_of(fact.what).add(number, fact, rows, starts, ends)
                    is_node = is_node or is_at(asked, fact)
            for row, bad in enumerate(bad for left in left_out for bad in zip(left.values, left.reasons, strict=True)):
                self._miss_of(number).add(LeftOut, "", row, *bad)
            if not is_node:
                self._mark(number, asked, [fact for fact, rows, _, _ in facts if rows])
        return mapped

    def _mark(self, number: int, asked: str, facts: Sequence[Fact]) -> None:
        """Add that what was asked for is a node, unless a fact already starts or ends at it.

        A reply that says something may say nothing of it by name: a search finds pages, and not the file.
        """
        if not any(map(begins_well, facts)):
            return
        for kind in self.endpoint.kinds:
            with suppress(BadValue):
                if kind.labels and kind.canonical(asked) == asked:
                    self._columns_of(kind).add(number, Fact(kind, asked, None, {}), 1, asked, "")
                    return

    def _asked_for(self, raw: str) -> str:
        try:
            return self.endpoint.canonical(raw)
        except BadValue as bad:
            raise BadValue(f"asked for {bad.reason}") from bad

    def _reject(self, reply: Reply, path: str, value: object, reason: str, more: int = 0) -> None:
        source, endpoint = self.endpoint.source.name, self.endpoint.name
        self.rejects.append(Reject(source, endpoint, reply.key, path, reading.shown(value), reason, more))

    def _columns_of(self, what: Kind[Any] | Relationship[Any, Any]) -> Columns:
        columns = self._columns.get(what)
        if columns is None:
            columns = self._columns[what] = Columns(what)
        return columns

    def tables(self) -> list[tuple[Group, pa.Table]]:
        """Return the facts collected since the last call, with their keys. Bad values are added to `rejects`.

        Besides its keys and properties a table has the columns `source` (int64, as given to the batch) and
        `fetched_at`.
        """
        encoded = self.encode()
        return [(group, self._plain(encoded, group, table)) for group, table in encoded.tables]

    def _plain(self, encoded: Encoded, group: Group, table: pa.Table) -> pa.Table:
        labels = {"key": group.start, "start": group.start, "end": group.end}
        plain = {"source": pa.array([self.source] * table.num_rows, pa.int64())}
        for name, column in zip(table.column_names, table.columns, strict=True):
            if name in labels:
                plain[name] = encoded.keys[labels[name]].take(column)
            elif name == "precision":
                plain[name] = pa.array(PRECISIONS).take(column)
            else:
                for alias in name.split(ALIASES):
                    plain[alias] = pc.coalesce(plain[alias], column) if alias in plain else column
        return pa.table(plain)

    def encode(self) -> Encoded:
        """Return the facts collected since the last call. Bad values are added to `rejects`."""
        filled = [*self._columns.values(), *self._decoded]
        numbering = Numbering(self.interning, filled)
        fetched = pa.array(self._fetched_at, pa.int64())
        found = [made for columns in filled for made in self._tables(columns, numbering, fetched)]
        for number, missed in self._missed.items():
            kept = self._replies[number]
            reply = kept if isinstance(kept, Reply) else Reply.of(decode(bytes(kept), check=False))
            self._list(reply, missed.located(bytes(reply.content)) or self._located(reply, missed.noted), missed.more)
        self._start()
        self.interning.trim()
        return Encoded(numbering.keys, found)

    def _list(self, reply: Reply, rejects: Iterable[tuple[str, object, str]], more: Mapping[str, int] = NONE) -> None:
        """List the path, value and reason of a reply's rejects: the first MAX_LISTED, and how many more there are.

        `more` counts by reason those that are not among `rejects`.
        """
        more = +Counter(more)
        for number, (path, value, reason) in enumerate(rejects):
            if number < MAX_LISTED:
                self._reject(reply, path, value, reason)
            else:
                more[reason] += 1
        for reason, count in sorted(more.items()):
            self._reject(reply, "$", f"and {count:,} more", reason, count)

    def _located(self, reply: Reply, bad: set[tuple[object, int, Any, str]]) -> Iterator[tuple[str, object, str]]:
        """Yield a reply's bad values, in order, each with the places where the reply has it, and why it is bad."""
        counts: dict[object, Counter[str]] = {}
        for _, _, value, reason in bad:
            counts.setdefault(value, Counter())[reason] += 1
        ordered = sorted(counts, key=lambda value: (type(value).__name__, str(value)))
        wanted = {value: counts[value].total() for value in ordered[:MAX_LISTED]}
        places = reject_paths.paths(self.endpoint, reply.content, wanted)
        for value in ordered:
            for reason, paths in reject_paths.dealt(places.get(value, []), counts[value]).items():
                yield from ((path, value, reason) for path in paths or ["$"])

    def _tables(self, columns: Columns, numbering: Numbering, fetched: pa.Array) -> Iterator[tuple[Group, pa.Table]]:
        """Yield the tables of one kind or relationship type, one for each combination of labels; keys as local_ids."""
        what = columns.what
        made = {
            **{name: pa.nulls(columns.rows, pa.int32()) for name in columns.sides},
            **({"row": counted(columns.rows)} if _can_fail(what) else {}),
            "fetched_at": columns.of_replies(fetched),
            **self._arrays(columns),
        }
        labels_of_sides = []
        for name, kind in columns.sides.items():
            string_ids = columns.spread(columns.keys[name], numbering.string_ids[id(columns.keys[name])])
            made[name], labels = numbering.resolved(kind, string_ids)
            if pc.min(labels).as_py() < 0:
                bad = pc.indices_nonzero(pc.less(labels, 0))
                for row, string_id in zip(bad.to_pylist(), string_ids.take(bad).to_pylist(), strict=True):
                    self._miss(columns, name, row, numbering.bad(kind, string_id))
            labels_of_sides.append(labels)
        table = pa.table(made)
        kinds = columns.sides.values()
        for indices in product(*(range(len(kind.labels)) for kind in kinds)):
            masks = [
                pc.equal(labels, index)
                for labels, index, kind in zip(labels_of_sides, indices, kinds, strict=True)
                if len(kind.labels) > 1 or numbering.has_bad(kind)
            ]
            part = table.filter(reduce(pc.and_, masks)) if masks else table
            names = [kind.labels[index].name for kind, index in zip(kinds, indices, strict=True)]
            if part.num_rows and isinstance(what, Relationship):
                part = self._joined(columns, what, part, *(numbering.keys[name] for name in names))
            if part.num_rows:
                group = Group(names[0], what.type, names[1]) if isinstance(what, Relationship) else Group(names[0])
                yield group, part.drop_columns("row") if _can_fail(what) else part

    def _joined(
        self, columns: Columns, what: Relationship[Any, Any], table: pa.Table, of_start: pa.Array, of_end: pa.Array
    ) -> pa.Table:
        """Put the ends of a type without direction in canonical order, and reject what the type's check refuses."""
        if not what.both_ways and what.check is None:
            return table
        starts, ends = of_start.take(table["start"]), of_end.take(table["end"])
        if what.both_ways:
            swap = pc.greater(starts, ends)
            start, end = table["start"], table["end"]
            table = table.set_column(0, "start", pc.if_else(swap, end, start))
            table = table.set_column(1, "end", pc.if_else(swap, start, end))
            differ = pc.not_equal(starts, ends)
            table, starts, ends = table.filter(differ), starts.filter(differ), ends.filter(differ)
        if what.check is None or not table.num_rows:
            return table
        starts, ends = starts.combine_chunks(), ends.combine_chunks()
        holds = what.check.holds(starts, ends)
        if not pc.all(holds).as_py():
            wrong = pc.invert(holds)
            bad = (starts if what.check.about == "start" else ends).filter(wrong).to_pylist()
            for row, key in zip(table["row"].filter(wrong).to_pylist(), bad, strict=True):
                self._miss(columns, CHECK, row, (key, what.check.fault), what.check.about)
            table = table.filter(holds)
        return table

    def _miss(self, columns: Columns, column: str, row: int, bad: tuple[object, str], side: str = "") -> None:
        """Note a bad value of a row, and the reason. `side` is where it is, if it is not where its column is."""
        missed = self._miss_of(columns.reply_of(row))
        missed.add(columns.what, column, columns.first_row + row, *bad)
        missed.paths.setdefault(bad[0], set()).add(columns.path(side or column, row, bad[0]))

    def _miss_of(self, number: int) -> Missed:
        return self._missed.setdefault(number, Missed())

    def _arrays(self, columns: Columns) -> dict[str, pa.Array]:
        """Return the canonical columns of properties, and `precision`: the coarsest of each row's timestamps."""
        arrays: dict[str, pa.Array] = {}
        precision: pa.Array | None = None
        for names, type_, codes in columns.codes(self.interning.values):
            known = self.interning.values[type_]
            if pc.min(codes).as_py() < 0:
                bad = pc.indices_nonzero(pc.less(codes, 0))
                for row, code in zip(bad.to_pylist(), codes.take(bad).to_pylist(), strict=True):
                    self._miss(columns, names[0], row, known.bad[-code - 1])
            distinct = pc.max_element_wise(codes, 0).dictionary_encode()
            values = [known.canonicals[code] for code in distinct.dictionary.to_pylist()]
            name = ALIASES.join(names)
            if type_ is not Type.TIMESTAMP:
                arrays[name] = pa.array(values, type_.arrow).take(distinct.indices)
                continue
            seconds = pa.array([None if time is None else time.seconds for time in values], pa.int64())
            arrays[name] = seconds.take(distinct.indices)
            exact = [None if time is None else PRECISIONS.index(time.precision) for time in values]
            mine = pa.array(exact, pa.int8()).take(distinct.indices)
            precision = mine if precision is None else pc.min_element_wise(precision, mine)
        return arrays if precision is None else {**arrays, "precision": precision}


def _can_fail(what: Kind[Any] | Relationship[Any, Any]) -> bool:
    """Tell whether two good keys may still be no relationship."""
    return isinstance(what, Relationship) and what.check is not None


def laid_out(fact: Fact) -> tuple[int, str, str]:
    """Return the number of rows of a fact, and the joined text of its starts and of its ends.

    Raises SourceError where they don't fit, TypeError where there is something in them that can't be.
    """
    starts, ends = fact.starts, fact.ends
    if isinstance(starts, str):
        rows, first = 1, starts
    else:
        rows, first = len(starts), "".join(starts)
    if ends is None or isinstance(ends, str):
        if ends is None and isinstance(fact.what, Relationship):  # its rows would take the ends of others
            raise SourceError(f"a mapping gave {fact.what.type} no ends")
        second = ends or ""
    else:
        if not isinstance(starts, str) and len(ends) != rows:
            raise SourceError("a mapping gave two lists of different length")
        rows, second = len(ends), "".join(ends)
    for name, value in fact.properties.items():
        odd = rows and isinstance(value, (list, tuple)) and len(value) != rows
        if odd and is_column(property_of(fact.what, name).type, value):
            raise SourceError("a mapping gave a property a list of another length than its facts")
    return rows, first, second
