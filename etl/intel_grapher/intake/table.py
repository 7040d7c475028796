"""A text in columns: its delimiter, its header, and what each column holds, by its name and by its values."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from intel_grapher import keys, times
from intel_grapher.errors import BadValue
from intel_grapher.intake import words
from intel_grapher.intake.lines import values_of
from intel_grapher.intake.text import SHOWN, Leftover
from intel_grapher.keys.addresses import GREATEST_PORT

DELIMITERS = ",;\t|"
SAMPLE = 200  # rows that a column's meaning is read from
LONGEST = 65_536  # characters of a line; a longer one is one cell
ENOUGH = 0.5  # share of a column's cells that must be of one sort
BARREN = "a row without an indicator"

NO_INDICATORS_TYPE = "of a type that is no indicator"
NO_FILES_DIGEST = "a fingerprint of another thing than a file"
# What docs/intake.md says of a table: the format, what is read, what is left out.
READS = (
    ("table: CSV, TSV, `;` or `|`, with or without a header",
     ("columns of indicators by their values, several in a cell and composites of MISP; first and last seen, date, "
     "port, malware, comment, tags, confidence by name; `--columns` says it otherwise"),
     ("all other columns, which `cache add` names; digests in columns or of types that are no file's; rows without an "
     "indicator, each listed")),
)  # fmt: skip

INDICATOR, TYPE, FIRST, LAST, DATE, PORT, MALWARE, COMMENT, TAGS, CONFIDENCE, OTHER = ROLES = (
    *("indicator", "type", "first seen", "last seen", "date", "port", "malware", "comment", "tags", "confidence"),
    "left out",
)

# Names of columns, folded: lower case, words parted by _.
_NAMES = {
    **dict.fromkeys(("first_seen", "firstseen", "first_observed", "dateadded", "date_added", "added"), FIRST),
    **dict.fromkeys(("last_seen", "lastseen", "last_online", "last_observed"), LAST),
    **dict.fromkeys(("date", "created", "listingdate", "timestamp", "time", "reported", "published"), DATE),
    **dict.fromkeys(("type", "indicator_type", "ioc_type", "attribute_type", "kind", "category"), TYPE),
    **dict.fromkeys(("port", "dst_port", "dport", "dstport", "c2_port"), PORT),
    **dict.fromkeys(("malware", "malware_family", "family", "malware_printable", "signature"), MALWARE),
    **dict.fromkeys(("comment", "comments", "note", "notes", "description", "context", "remark", "remarks"), COMMENT),
    **dict.fromkeys(("tag", "tags"), TAGS),
    **dict.fromkeys(("confidence", "confidence_level", "confidence_score"), CONFIDENCE),
}
# Columns whose values are the row's source or another thing's fingerprint: no indicators, whatever they look like.
_NEVER = re.compile(
    r"(?:.*_)?(?:reference|references|ref|refs|report|source|sources|link|links|urlhaus_link|permalink|reporter|author|"
    r"contact|ja3s?|ja3_md5|ja3s_md5|jarm|imphash|ssdeep|tlsh|vhash|authentihash|telfhash|thumbprint|serial|"
    r"cert(?:ificate)?_(?:md5|sha1|sha256)|id|uuid|attribute_id|event_id|object_id|"
    r"file|filename|file_name|file_path|filepath|path|process|user_agent|useragent)"
)
_CERTIFICATES = {"listingdate", "sha1", "listingreason"}  # abuse.ch's SSL blacklist: the digests are certificates'
_NO_INDICATOR_TYPE = re.compile(
    r"(?:win_)?(?:file|process|registry|reg|mutex|pipe|user_?agent|(?:e?mail_)?subject|text|comment|yara|sigma|snort|pattern|cmd|command)"
    r"(?:_?(?:name|path|key|value|line|agent|rule))*"
)
_SEPARATOR_LINE = re.compile(r"\"?sep=.\"?", re.IGNORECASE)  # what Excel writes before a table
_RANGE_ENDS = (
    re.compile(r"(?:(?:ip|range|network|address)_?)?(?:start|first|from|begin)(?:_?(?:ip|address))?"),
    re.compile(r"(?:(?:ip|range|network|address)_?)?(?:end|last|to|stop)(?:_?(?:ip|address))?"),
)
_ADDRESS_AND_PORT = re.compile(r"([0-9A-Fa-f.:]+)\|([0-9]{1,5})")
_INDICATOR_NAME = re.compile(
    r"(?:.*_)?(?:ioc|iocs|ioc_value|indicator|indicators|value|data|observable|url|urls|domain|domains|hostname|host|"
    r"fqdn|email|cve|ip|ips|ip_address|ipaddress|ipv4|ipv6|address|addr|hash|hashes|md5|sha1|sha256|sha512|cidr|"
    r"network|netblock|asn)"
)


_OPEN_CELL = re.compile(r'(?:\A|[,;\t|])\s*"(?:[^"]|"")*\Z')
_CLOSED_CELL = re.compile(r'(?:[^"]|"")*"(?=\s*(?:[,;\t|]|\Z))')

# A row's type that says of a digest that it is no file's.
_OTHERS_DIGEST = re.compile(
    r".*(?:\bja3|jarm|imphash|authentihash|x509|ssl|\btls|certificate|cert\b|pdb|mutex).*", re.IGNORECASE
)


class TableColumn(NamedTuple):
    """A column: its name in the header ("" without one), and its role."""

    name: str
    role: str


class RowIndicator(NamedTuple):
    """An indicator of a row, and what else the row says, as it is spelt; "" where it says nothing."""

    found: words.Identified
    raw: str
    line: int
    first: str
    last: str
    malware: str
    comment: str = ""
    tags: str = ""
    confidence: int | None = None


class Table(NamedTuple):
    """What a text in columns holds. A column whose role is OTHER is left out."""

    delimiter: str
    columns: list[TableColumn]
    entries: list[RowIndicator]
    leftovers: list[Leftover]


def parse_columns(text: str) -> dict[str, str]:
    """Return the role of each column that a map names: "0=indicator,Note=comment" by number from 0, or by name.

    Raises BadValue for what is no map, or a role that there is not.
    """
    roles: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, role = part.rpartition("=")
        role = role.strip().lower().replace("_", " ")
        role = OTHER if role in {"-", "skip", "none"} else role
        if not equals or not name.strip() or role not in ROLES:
            raise BadValue(f"{part!r} is no COLUMN=ROLE; the roles are {', '.join(ROLES)}")
        roles[name.strip()] = role
    return roles


def read_table(text: str, mapped: Mapping[str, str] | None = None) -> Table | None:
    """Return a table's indicators and what of it was left out; None for a text that is in no columns.

    `mapped` has roles of columns, as `parse_columns` returns them; the other columns have those that are found, but for
    indicators where a role of `mapped` is that. Raises BadValue where the table has no such column.
    """
    lines = [(number, line) for number, line in _whole_rows(text) if line.strip("\x00\ufeff \t")]
    if lines and _SEPARATOR_LINE.fullmatch(lines[0][1].strip("\ufeff ")):
        del lines[0]
    sample = [line for _, line in lines if not line.lstrip().startswith("#")][:SAMPLE]
    delimiter = _delimiter(sample) or (DELIMITERS[0] if _is_one_column(sample) else "")
    if not delimiter and not mapped:
        return None
    header, rows = _parted(lines, delimiter or DELIMITERS[0], [name for name in mapped or () if not name.isdigit()])
    columns = _columns(header, [row for _, row in rows[:SAMPLE]])
    if mapped:
        columns = _as_mapped(columns, mapped)
    table = Table(delimiter, columns, [], [])
    text_of = dict(lines)
    ends = _ends(columns)
    for number, row in rows:
        _read_row(number, text_of[number].strip(), _as_networks(row, ends) if ends else row, table)
    return table


def _whole_rows(text: str) -> Iterator[tuple[int, str]]:
    """Yield the rows of a text with the numbers of their first lines; lines of one quoted cell are joined by a space.

    A quote that is not closed as one should be, within LONGEST characters, ends with its line.
    """
    lines = text.splitlines()
    index = 0
    while index < len(lines):
        number, row, tail = index + 1, [lines[index]], lines[index]
        size = len(tail)
        index += 1
        while tail.count('"') % 2 and not row[0].lstrip().startswith("#") and _OPEN_CELL.search(tail):
            end = next((at for at in range(index, len(lines)) if '"' in lines[at].replace('""', "")), len(lines))
            size += sum(map(len, lines[index : end + 1]))
            closed = _CLOSED_CELL.match(lines[end]) if end < len(lines) and size <= LONGEST else None
            if closed is None:
                break
            row += lines[index : end + 1]
            tail = lines[end][closed.end() :]
            index = end + 1
        yield number, " ".join(row)


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that parts most lines into one and the same number of cells; "" for none."""
    best, best_share = "", 0.0
    for delimiter in DELIMITERS:
        counts = Counter(len(cells(line, delimiter)) for line in lines)
        width, common = max(counts.items(), key=lambda item: (item[0] > 1, item[1]), default=(0, 0))
        share = common / len(lines) if lines else 0.0
        if width > 1 and share > max(best_share, ENOUGH):
            best, best_share = delimiter, share
    return best


def _is_one_column(lines: list[str]) -> bool:
    """Tell whether lines are a header with the name of indicators, and below it one value each."""
    return (
        len(lines) > 1
        and _INDICATOR_NAME.fullmatch(_folded(lines[0])) is not None
        and all(not line.strip() or len(line.split()) == 1 for line in lines)
        and _share(lines[1:], _holds_indicators) >= ENOUGH
    )


def cells(line: str, delimiter: str = ",") -> list[str]:
    """Return a line's cells; the line as one cell where it is no CSV. A quote left open ends with its line."""
    if len(line) > LONGEST:
        return [line]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]
    except csv.Error:
        return [line]


def _as_mapped(columns: list[TableColumn], mapped: Mapping[str, str]) -> list[TableColumn]:
    """Return the columns with the roles of a map."""
    names = [_folded(column.name) for column in columns]
    roles = [OTHER if column.role == INDICATOR and INDICATOR in mapped.values() else column.role for column in columns]
    for name, role in mapped.items():
        index = int(name) if name.isdecimal() else names.index(_folded(name)) if _folded(name) in names else len(names)
        if index >= len(names):
            there = ", ".join(column.name or str(number) for number, column in enumerate(columns))
            raise BadValue(f"a table without the column {name!r}; it has: {there}")
        roles[index] = role
    return [TableColumn(column.name, role) for column, role in zip(columns, roles, strict=True)]


def _parted(
    lines: list[tuple[int, str]], delimiter: str, named: Collection[str]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header's cells ([] without one) and the rows. A header may stand behind a #, as abuse.ch's do.

    The first row that has all of the names in `named` is the header in any case.
    """
    rows = [(number, cells(line, delimiter)) for number, line in lines if not line.lstrip().startswith("#")]
    comments = [line.lstrip().lstrip("#").strip() for _, line in lines if line.lstrip().startswith("#")]
    width = Counter(len(row) for _, row in rows).most_common(1)[0][0] if rows else 0
    wanted = set(map(_folded, named))
    for index, (_, row) in enumerate(rows[:SAMPLE] if wanted else []):
        if wanted <= set(map(_folded, row)):
            return row, rows[index + 1 :]
    if rows and _is_header(rows[0][1], rows[1:SAMPLE]):
        return rows[0][1], rows[1:]
    headers = [names for names in (cells(line, delimiter) for line in comments) if len(names) == width]
    good = [names for names in headers if _is_header(names, [])]
    return (good[-1], rows) if good else ([], rows)


def _is_header(names: list[str], rows: list[tuple[int, list[str]]]) -> bool:
    """Tell whether cells are a header's: words that are no values, and a name that columns have or values below."""
    if any(map(_found, names)):
        return False
    folded = list(map(_folded, names))
    return any(name in _NAMES or _INDICATOR_NAME.fullmatch(name) for name in folded) or any(
        _share([row[index] for _, row in rows if index < len(row)], _holds_indicators) >= ENOUGH
        for index in range(len(names))
    )


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_").removesuffix("_utc")


def _columns(header: list[str], rows: list[list[str]]) -> list[TableColumn]:
    width = max([len(header), *map(len, rows)], default=0)
    names = [*header, *[""] * (width - len(header))]
    folded = [_folded(name) for name in names]
    roles = []
    for index, name in enumerate(folded):
        cells = [row[index] for row in rows if index < len(row) and row[index]]
        roles.append(_role(name, cells, certificates=set(folded) >= _CERTIFICATES))
    return [TableColumn(name, role) for name, role in zip(names, roles, strict=True)]


def _role(name: str, cells: list[str], *, certificates: bool) -> str:
    """Return a column's role: its name's where one is known, unless its values say otherwise."""
    are_files = not name and cells and all(map(_may_be_a_file, cells))
    if are_files or _NEVER.fullmatch(name) or (certificates and name == "sha1"):
        return OTHER
    by_name = _NAMES.get(name, OTHER)
    # A remark may name an indicator among its words; what it names is not reported by the row.
    if _share(cells, _is_all_indicators if by_name == COMMENT else _holds_indicators) >= ENOUGH:
        return INDICATOR
    if by_name in {FIRST, LAST, DATE} and _share(cells, _is_moment) < ENOUGH:
        return OTHER
    if by_name == CONFIDENCE and _share(cells, lambda cell: _percent(cell) is not None) < ENOUGH:
        return OTHER
    if by_name == OTHER and cells and _INDICATOR_NAME.fullmatch(name) and any(map(_holds_indicators, cells)):
        return INDICATOR
    return by_name


def _may_be_a_file(cell: str) -> bool:
    found = words.classify(cell)
    return isinstance(found, words.Unusable) and found.reason in {words.FILE_NAME, words.AMBIGUOUS}


def _share(cells: list[str], holds: Callable[[str], bool]) -> float:
    return sum(map(bool, map(holds, cells))) / len(cells) if cells else 0.0


def _is_moment(cell: str) -> bool:
    try:
        times.parse(cell)
    except BadValue:
        return False
    return True


def _percent(cell: str) -> int | None:
    """Return a confidence of 0 to 100; None for what is none."""
    digits = cell.removesuffix("%").strip()
    return int(digits) if digits.isdecimal() and len(digits) < 4 and int(digits) <= 100 else None  # noqa: PLR2004


_BETWEEN = re.compile(r"[\s|]+|[,;](?=\s*\S)")
_BETWEEN_URLS = re.compile(r"[\s|]+|[,;](?=\s*(?:[a-z][a-z0-9+.*-]{1,9}\[?:\]?//|\s))", re.IGNORECASE)


def _parts(cell: str) -> Iterator[str]:
    """Yield the values of a cell: several may stand in one, and MISP joins pairs by |."""
    if pair := _ADDRESS_AND_PORT.fullmatch(cell):
        yield f"[{pair[1]}]:{pair[2]}" if ":" in pair[1] else f"{pair[1]}:{pair[2]}"
        return
    has_url = "://" in keys.refang(cell)
    for part in re.split(_BETWEEN_URLS if has_url else _BETWEEN, cell):
        if word := words.trimmed(part):
            yield word


def _found(cell: str) -> words.Identified | None:
    found = words.classify(cell, is_value=True) if cell and not cell.isdigit() else None
    return found if isinstance(found, words.Identified) else None


def _holds_indicators(cell: str) -> bool:
    parts = list(_parts(cell))
    return bool(parts) and any(map(_found, parts)) and len(parts) <= 2 + 2 * sum(map(bool, map(_found, parts)))


def _is_all_indicators(cell: str) -> bool:
    return bool(parts := list(_parts(cell))) and all(map(_found, parts))


def _read_row(number: int, line: str, row: list[str], table: Table) -> None:
    """Add a row's indicators to a table; a row without any is a leftover."""
    by_role: dict[str, str] = {}
    for column, cell in zip(table.columns, row, strict=False):
        if cell and column.role != INDICATOR:
            by_role.setdefault(column.role, cell)
    first = by_role.get(FIRST) or by_role.get(DATE, "")
    last = by_role.get(LAST) or first
    before = len(table.entries)
    port = by_role.get(PORT, "").removesuffix(".0")  # as pandas and Excel write it
    if port.isdecimal() and int(port) > GREATEST_PORT:
        table.leftovers.append(Leftover(number, port[:SHOWN], "an impossible port"))
    listed = len(table.leftovers)
    for column, cell in zip(table.columns, row, strict=False):
        if column.role != INDICATOR:
            continue
        for part in _parts(cell):
            found = _of_type(words.classify(part, is_value=True), by_role.get(TYPE, ""))
            if isinstance(found, words.Identified):
                found = _with_port(found, port)
                malware, comment, tags = (by_role.get(role, "") for role in (MALWARE, COMMENT, TAGS))
                confidence = _percent(by_role.get(CONFIDENCE, ""))
                table.entries.append(RowIndicator(found, part, number, first, last, malware, comment, tags, confidence))
            elif found is not None:
                table.leftovers.append(Leftover(number, part[:SHOWN], found.reason))
    if len(table.entries) == before and len(table.leftovers) == listed:
        table.leftovers.append(Leftover(number, line[:SHOWN], BARREN))


def _of_type(found: words.Identified | words.Unusable | None, kind: str) -> words.Identified | words.Unusable | None:
    """Return a value of a row whose type says what it is; one that is no indicator by it is unusable."""
    if isinstance(found, words.Identified):
        if found.kind == "hash" and _OTHERS_DIGEST.fullmatch(kind):
            return words.Unusable(NO_FILES_DIGEST)
        if _NO_INDICATOR_TYPE.fullmatch(_folded(kind)):
            return words.Unusable(NO_INDICATORS_TYPE)
    return found


def _with_port(found: words.Identified, port: str) -> words.Identified:
    if found.kind == "ip" and not found.port and port.isdecimal() and 0 < int(port) <= GREATEST_PORT:
        return found._replace(port=int(port))
    return found


def _as_networks(row: list[str], ends: tuple[int, int]) -> list[str]:
    """Return a row with the networks of a range in place of its first address, and nothing in that of its last."""
    first, last = ends
    if last >= len(row) or not row[first] or not row[last]:
        return row
    found = values_of(f"{row[first]} - {row[last]}")
    changed = row.copy()
    changed[first] = " ".join(found.values) if found and found.values else f"{row[first]}-{row[last]}"
    changed[last] = ""
    return changed


def _ends(columns: list[TableColumn]) -> tuple[int, int] | None:
    """Return where the first and the last address of a range stand; None where no two columns are that."""
    found = []
    for form in _RANGE_ENDS:
        found += [
            at for at, column in enumerate(columns) if column.role == INDICATOR and form.fullmatch(_folded(column.name))
        ]
    return (found[0], found[1]) if len(found) == 2 else None  # noqa: PLR2004 - a pair
