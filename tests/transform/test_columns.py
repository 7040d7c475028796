"""Raw strings in columns: they come back as the mappings gave them, whatever is in them and however they came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intel_grapher.errors import SourceError
from intel_grapher.model import Fact
from intel_grapher.schema import OWNS
from intel_grapher.transform.columns import Columns, counted
from intel_grapher.transform.facts import laid_out

STRING = st.text(max_size=5)  # of any characters: a column tells bytes from characters
PAIRS = st.lists(st.tuples(STRING, STRING), min_size=1, max_size=4)


@st.composite
def facts(draw: st.DrawFn) -> tuple[Fact, list[tuple[str, str]]]:
    """A fact and its rows: one string to one, one to many, many to one, or pairwise."""
    pairs = draw(PAIRS)
    starts: str | list[str] = [start for start, _ in pairs]
    ends: str | list[str] = [end for _, end in pairs]
    if draw(st.booleans()):
        starts = starts[0]
    if draw(st.booleans()):
        ends = ends[0]
    rows = 1 if isinstance(starts, str) and isinstance(ends, str) else len(pairs)
    said = [(starts if isinstance(starts, str) else starts[row], ends if isinstance(ends, str) else ends[row])
            for row in range(rows)]  # fmt: skip
    return Fact(OWNS, starts, ends, {}), said


@given(st.lists(facts(), min_size=1, max_size=6))
def test_strings_come_back_row_by_row(given_: list[tuple[Fact, list[tuple[str, str]]]]) -> None:
    columns = Columns(OWNS)
    for place, (fact, _) in enumerate(given_):
        columns.add(place, fact, *laid_out(fact))
    found = []
    for side in ("start", "end"):
        array = columns.keys[side].array()
        array.validate(full=True)
        found.append(array.take(columns.spread(columns.keys[side], counted(len(array)))).to_pylist())
    assert list(zip(*found, strict=True)) == [row for _, rows in given_ for row in rows]


def test_a_relationship_without_ends_is_an_error_and_takes_no_others() -> None:
    with pytest.raises(SourceError, match="OWNS no ends"):
        laid_out(Fact(OWNS, ["me@example.com", "you@example.com"], None, {}))
