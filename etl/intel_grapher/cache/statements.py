"""The tables of the index, and the statements that read and write them.

The first column of a query tells whether the row is the one that was written: its seal holds.
"""

from collections.abc import Sequence
from typing import Final

VERSION: Final = 3
"""Of the tables. An index of another version is made anew."""


def _crc(*terms: str) -> str:
    """Return the SQL expression of the checksum of a row of these terms. One that is NULL makes an error."""
    text = " || '/' || ".join(terms)
    return f"crc32(CAST({text} AS BLOB))"


def _numbered(count: int) -> list[str]:
    return [f"?{number}" for number in range(1, count + 1)]


def _seal(columns: Sequence[str]) -> str:
    """Return the SQL expression of the checksum of a row of `replies`. The prime lets no single bit go unnoticed."""
    segment, folder, offset, length, key, params, at, status, by, mark = columns
    numbers = f"({segment} * 3 + {folder} * 5 + {offset} * 7 + {length} * 11 + {at} * 13 + {status} * 17) % 4294967291"
    return f"crc32({mark}, crc32(CAST({params} || '/' || {by} || '/' || {key} AS BLOB), {numbers}))"


_COLUMNS: Final = ("segment", "folder", "offset", "length", "key", "params", "fetched_at", "status", "import", "digest")
INSERT: Final = f"INSERT INTO replies VALUES ({', '.join(_numbered(10))}, {_seal(_numbered(10))})"  # noqa: S608
_IS_SEALED: Final = (
    f"(r.seal = {_seal([f'r.{name}' for name in _COLUMNS])} AND typeof(r.key) = 'text' AND typeof(r.params) = 'text'"
    " AND typeof(r.import) = 'text')"
)
SEGMENT_SEAL: Final = _crc("folder", "name", "indexed", "records", "coalesce(mark, '')", "coalesce(mark_crc, '')")
FOLDER_SEAL: Final = _crc("id", "area", "source", "endpoint")
SCHEMA: Final = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS folders (
        id INTEGER PRIMARY KEY, area TEXT, source TEXT, endpoint TEXT, seal INTEGER, UNIQUE (area, source, endpoint)
    );
    CREATE TABLE IF NOT EXISTS segments (
        id INTEGER PRIMARY KEY, folder INTEGER, name TEXT,
        indexed INTEGER,                 -- bytes, uncompressed, up to the end of the last record that is known
        records INTEGER,                 -- of it in `replies`
        mark INTEGER, mark_crc TEXT,     -- where the last record begins and its checksum: is it still the same file?
        seal INTEGER,
        UNIQUE (folder, name)
    );
    CREATE TABLE IF NOT EXISTS replies (
        segment INTEGER, folder INTEGER, offset INTEGER, length INTEGER, key TEXT, params TEXT,
        fetched_at INTEGER, status INTEGER,
        import TEXT,                     -- the id of the import that brought it; empty for one that was fetched
        digest BLOB, seal INTEGER,
        PRIMARY KEY (segment, offset)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS replies_by_key ON replies (key, folder, params, fetched_at);
    PRAGMA user_version = {VERSION};
    COMMIT;
"""
FOLDER: Final = "(SELECT id FROM folders WHERE area = ? AND source = ? AND endpoint = ?)"
NEWEST: Final = f"""
    SELECT {_IS_SEALED} AND s.id IS NOT NULL, r.fetched_at, r.digest, r.status, s.name, r.offset, r.length, r.import
    FROM replies r LEFT JOIN segments s ON s.id = r.segment
    WHERE r.key = ? AND r.folder = {FOLDER} AND r.params = ?
"""  # noqa: S608 - only our own constants go in
HISTORY: Final = f"""
    SELECT {_IS_SEALED} AND s.id IS NOT NULL AND f.id IS NOT NULL,
           f.area, f.source, f.endpoint, r.params, r.fetched_at, r.status, s.name, r.offset, r.length, r.digest,
           r.import
    FROM replies r LEFT JOIN segments s ON s.id = r.segment LEFT JOIN folders f ON f.id = r.folder
    WHERE r.key = :key AND f.source IS coalesce(:source, f.source) AND f.endpoint IS coalesce(:endpoint, f.endpoint)
          AND f.area IS NOT 'imports'
    ORDER BY r.fetched_at DESC, f.area DESC, f.source, f.endpoint, r.params, r.digest DESC
"""  # noqa: S608 - only our own constants go in
HELD: Final = f"""
    SELECT total({_IS_SEALED}) = count(*) AND f.id IS NOT NULL,
           f.area, r.key, f.source, f.endpoint, r.params, r.fetched_at, r.status, r.digest,
           max(CASE WHEN r.fetched_at > ? THEN r.fetched_at - 1000000000000 ELSE r.fetched_at END)
    FROM json_each(?) asked CROSS JOIN replies r ON r.key = asked.value LEFT JOIN folders f ON f.id = r.folder
    WHERE f.source IS coalesce(?, f.source) AND NOT (? AND is_out(r.import, r.digest))
    GROUP BY r.key, r.folder, r.params
"""  # noqa: S608 - only our own constants go in
HAS: Final = f"""
    SELECT {_IS_SEALED}, import FROM replies r
    WHERE key = ? AND folder = {FOLDER} AND params = ? AND fetched_at = ? AND digest = ?
"""  # noqa: S608 - only our own constants go in
ROWS: Final = f"""
    SELECT {_IS_SEALED}, offset, length, key, params, fetched_at, status, import, digest FROM replies r
    WHERE segment = (SELECT id FROM segments WHERE folder = {FOLDER} AND name = ?) ORDER BY offset
"""  # noqa: S608 - only our own constants go in
SUMMARY: Final = f"""
    SELECT total({_IS_SEALED}) = count(*)
               AND count(*) = (SELECT sum(records) FROM segments s WHERE s.folder = r.folder) AND f.id IS NOT NULL,
           f.area, f.source, f.endpoint, count(*), count(DISTINCT r.key), sum(r.length),
           min(r.fetched_at), max(r.fetched_at)
    FROM replies r LEFT JOIN folders f ON f.id = r.folder
    GROUP BY r.folder ORDER BY f.area DESC, f.source, f.endpoint
"""  # noqa: S608 - only our own constants go in
STATUSES: Final = """
    SELECT 1, f.area, f.source, f.endpoint, r.status, count(*)
    FROM replies r JOIN folders f ON f.id = r.folder GROUP BY f.id, r.status
"""
OUT: Final = """
    SELECT 1, f.area, f.source, f.endpoint, count(*)
    FROM replies r JOIN folders f ON f.id = r.folder WHERE is_out(r.import, r.digest) GROUP BY f.id
"""
BROUGHT: Final = """
    SELECT 1, count(DISTINCT digest) FROM replies r WHERE import = ? AND NOT is_out(r.import, r.digest)
"""
RECORDS: Final = "SELECT 1, coalesce(sum(records), 0) FROM segments"
FOLDERS: Final = f"SELECT seal = {FOLDER_SEAL} FROM folders"  # noqa: S608 - only our own constants go in
SEGMENTS: Final = f"SELECT seal = {SEGMENT_SEAL} FROM segments"  # noqa: S608 - only our own constants go in
KNOWN: Final = f"""
    SELECT seal = {SEGMENT_SEAL}, id, indexed FROM segments WHERE folder = {FOLDER} AND name = ?
"""  # noqa: S608 - only our own constants go in
