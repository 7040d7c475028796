"""The same transform by hand, in DuckDB SQL: what a good engineer would write for these four endpoints alone.

    python benchmarks/by_duckdb.py DATA OUT [--staged] [--memory MIB]

It knows what the generated data are like: names lie in `.example`, so that two labels make a domain; there are no
IPv6 addresses; every date is a day. Canonical forms and validation come after grouping wherever that is the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import duckdb
import msgspec

from intel_grapher.files import Group, content
from intel_grapher.model import Type
from intel_grapher.sql import literal, quoted

TYPES = {
    Type.TEXT: "VARCHAR", Type.TEXTS: "VARCHAR[]", Type.INTEGER: "BIGINT",
    Type.TIMESTAMP: "TIMESTAMP",
}  # fmt: skip
SOURCES = ("doh", "internetdb", "threatcrowd")
DOH, INTERNETDB, THREATCROWD = 1, 2, 4
SHAPES = {
    "threatcrowd/domain": "STRUCT(resolutions STRUCT(last_resolved VARCHAR, ip_address VARCHAR)[], hashes VARCHAR[], "
    "emails VARCHAR[], subdomains VARCHAR[], votes BIGINT)",
    "threatcrowd/ip": "STRUCT(resolutions STRUCT(last_resolved VARCHAR, domain VARCHAR)[], hashes VARCHAR[], "
    "votes BIGINT)",
    "internetdb/ip": "STRUCT(cpes VARCHAR[], hostnames VARCHAR[], ports BIGINT[], tags VARCHAR[], vulns VARCHAR[])",
    "doh/resolve": 'STRUCT(Question STRUCT("name" VARCHAR)[], Answer STRUCT("name" VARCHAR, "type" BIGINT, '
    '"data" VARCHAR)[])',
}
OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
IS_NAME = f"regexp_full_match({{}}, '({LABEL}\\.)+[a-z]{LABEL}')".replace("{0,61}", "{{0,61}}")
IS_ADDRESS = f"(regexp_full_match({{0}}, '({OCTET}\\.){{{{3}}}}{OCTET}') AND {{0}} <> '0.0.0.0')"
IS_DIGEST = "regexp_full_match({}, '[0-9a-f]{{32}}|[0-9a-f]{{64}}')"
IS_DOMAIN = "NOT contains({0}[position('.' IN {0}) + 1:], '.')"
NAME = "rtrim(lower({}), '.')"
REGISTRABLE = "array_to_string(string_split({}, '.')[-2:], '.')"
MERGED = (
    "min(day) AS first_seen, max(day) AS last_seen, max(day) AS last_resolved, "
    "CASE WHEN count(day) > 0 THEN 'day' END AS precision, bit_or(bit) AS bits, max(fetched_at) AS fetched_at"
)


def statements() -> list[str]:
    """Return what makes one table for each kind of relationship, both keys canonical, merged."""

    def table(name: str, query: str, *holds: str) -> str:
        return (
            f'CREATE TABLE {name} AS SELECT * FROM (SELECT start, "end", {MERGED} FROM ({query}) GROUP BY ALL) '
            f"WHERE {' AND '.join(holds)}"
        )

    def facts(start: str, end: str, bit: int, query: str, day: str = "NULL::TIMESTAMP") -> str:
        return f'SELECT {start} AS start, {end} AS "end", {day} AS day, {bit}::UTINYINT AS bit, fetched_at FROM {query}'

    name, ip = IS_NAME.format("start"), IS_ADDRESS.format('"end"')
    day = "strptime(r.last_resolved, '%Y-%m-%d')"

    def each(path: str, member: str) -> str:
        return f'(SELECT "key", fetched_at, unnest(body.{member}) AS r FROM {quoted(path)})'

    return [
        table(
            "resolves",
            " UNION ALL ".join(
                [
                    facts("key", "r.ip_address", THREATCROWD, each("threatcrowd/domain", "resolutions"), day),
                    facts(NAME.format("r.domain"), "key", THREATCROWD, each("threatcrowd/ip", "resolutions"), day),
                    facts(NAME.format("r"), "key", INTERNETDB, each("internetdb/ip", "hostnames")),
                    facts(NAME.format("r.name"), "r.data", DOH, each("doh/resolve", "Answer") + " WHERE r.type = 1"),
                ]
            ),
            name,
            ip,
        ),
        table(
            "associated",
            " UNION ALL ".join(
                facts("key", "lower(r)", THREATCROWD, each(f"threatcrowd/{of}", "hashes")) for of in ("domain", "ip")
            ),
            IS_DIGEST.format('"end"'),
        ),
        table(
            "owns",
            facts("lower(r)", REGISTRABLE.format("key"), THREATCROWD, each("threatcrowd/domain", "emails")),
            "regexp_full_match(start, '[^@ ]+@[a-z0-9.-]+')",
        ),
        table(
            "hosts",
            facts(REGISTRABLE.format("key"), NAME.format("r"), THREATCROWD, each("threatcrowd/domain", "subdomains")),
            IS_NAME.format('"end"'),
            "ends_with(\"end\", '.' || start)",
        ),
        table("exposes", facts("key", "key || ':' || r", INTERNETDB, each("internetdb/ip", "ports")), "true"),
        table(
            "vulnerable_to",
            facts("key", "upper(r)", INTERNETDB, each("internetdb/ip", "vulns")),
            "regexp_full_match(\"end\", 'CVE-[0-9]{4}-[0-9]{4,}')",
        ),
        table(
            "alias_of",
            facts(
                NAME.format("r.name"), NAME.format("r.data"), DOH, each("doh/resolve", "Answer") + " WHERE r.type = 5"
            ),
            name,
        ),
    ]


def relationships() -> dict[str, str]:
    """Return each group's rows."""
    domain, domain_end = IS_DOMAIN.format("start"), IS_DOMAIN.format('"end"')
    ip = "regexp_matches(start, '^[0-9.]+$')"
    return {
        "Domain-RESOLVES-IPAddress": f"resolves WHERE {domain}",
        "SubDomain-RESOLVES-IPAddress": f"resolves WHERE NOT ({domain})",
        "Domain-ASSOCIATED-Hash": f"associated WHERE NOT ({ip}) AND {domain}",
        "SubDomain-ASSOCIATED-Hash": f"associated WHERE NOT ({ip}) AND NOT ({domain})",
        "IPAddress-ASSOCIATED-Hash": f"associated WHERE {ip}",
        "Email-OWNS-Domain": "owns",
        "Domain-HOSTS-SubDomain": "hosts",
        "IPAddress-EXPOSES-Service": "exposes",
        "IPAddress-VULNERABLE_TO-Vulnerability": "vulnerable_to",
        "SubDomain-ALIAS_OF-Domain": f"alias_of WHERE NOT ({domain}) AND {domain_end}",
    }


def nodes(made: list[str]) -> dict[str, str]:
    """Return each label's merged rows."""
    none = "NULL::BIGINT AS votes, NULL::VARCHAR[] AS tags, NULL::VARCHAR[] AS cpes"
    mentions: dict[str, list[str]] = {}
    for group in map(Group.parse, made):
        for label, key in ((group.start, "start"), (group.end, '"end"')):
            mentions.setdefault(label, []).append(
                f'SELECT {key} AS "key", bits, fetched_at, {none} FROM {quoted(str(group))}'
            )
    named = (
        f'(SELECT "key", {THREATCROWD}::UTINYINT AS bits, fetched_at, body.votes AS votes, NULL::VARCHAR[] AS tags, '
        f'NULL::VARCHAR[] AS cpes FROM "threatcrowd/domain" UNION ALL '
        f"SELECT {NAME.format('r.name')}, {DOH}, fetched_at, NULL, NULL, NULL FROM "
        '(SELECT fetched_at, unnest(body.Question) AS r FROM "doh/resolve"))'
    )
    domain = IS_DOMAIN.format('"key"')
    mentions["Domain"].append(f"SELECT * FROM {named} WHERE {domain}")
    mentions["SubDomain"].append(f"SELECT * FROM {named} WHERE NOT ({domain})")
    mentions["IPAddress"] += [
        f'SELECT "key", {THREATCROWD}::UTINYINT, fetched_at, body.votes, NULL, NULL FROM "threatcrowd/ip"',
        f'SELECT "key", {INTERNETDB}::UTINYINT, fetched_at, NULL, body.tags, body.cpes FROM "internetdb/ip"',
    ]

    def all_of(name: str) -> str:
        return f"list_sort(list_distinct(flatten(list({name}) FILTER (len({name}) > 0)))) AS {name}"

    merged = (
        "bit_or(bits) AS bits, max(fetched_at) AS fetched_at, "
        "arg_max(votes, ROW(fetched_at, votes)) FILTER (votes IS NOT NULL) AS votes, "
        f"{all_of('tags')}, {all_of('cpes')}"
    )
    plain = "bit_or(bits) AS bits, max(fetched_at) AS fetched_at"
    return {
        label: f'SELECT "key", {merged if label.endswith(("Domain", "Address")) else plain} '
        f"FROM ({' UNION ALL '.join(queries)}) GROUP BY ALL"
        for label, queries in sorted(mentions.items())
    }


def rows(group: Group, has: set[str]) -> str:
    """Return a group's columns, as the schema has them, out of what was merged."""
    names = ", ".join(literal(each) for each in SOURCES)
    derived = {
        "sources": f"list_filter([{names}], lambda name, place: (bits >> (place - 1)::UTINYINT) & 1 = 1)",
        "algorithm": "CASE length(\"key\") WHEN 32 THEN 'md5' ELSE 'sha256' END",
        "port": "string_split(string_split(\"key\", ':')[-1], '/')[1]::BIGINT",
        "transport": "NULL",
    }
    key = ['start, "end"'] if group.type else [f'"key" AS {quoted(group.keys[0])}']
    return ", ".join(
        key
        + [
            f"{derived.get(each.name) or (quoted(each.name) if each.name in has else f'NULL::{TYPES[each.type]}')} "
            f"AS {quoted(each.name)}"
            for each in group.properties
        ]
    )


def main(data: Path, out: Path, memory: int, *, staged: bool) -> None:
    """Write the files and a manifest of counts and checksums."""
    (out / "work").mkdir(parents=True)
    connection = duckdb.connect(str(out / "work" / "db"))
    connection.execute(f"SET memory_limit = '{memory}MiB'; SET threads = 2; SET preserve_insertion_order = false")
    connection.execute(f"SET temp_directory = {literal(str(out / 'work' / 'spill'))}")
    for path, shape in SHAPES.items():
        query = (
            f"SELECT * FROM read_json({literal(f'{data}/raw/{path}/*.jsonl.zst')}, format = 'newline_delimited', "
            f"compression = 'zstd', "
            f"columns = {{'key': 'VARCHAR', 'fetched_at': 'TIMESTAMP', 'body': {literal(shape)}}})"
        )
        connection.execute(f"CREATE {'TABLE' if staged else 'VIEW'} {quoted(path)} AS {query}")
    for statement in statements():
        connection.execute(statement)
    manifest = {}

    def write(name: str, has: set[str], relation: str) -> None:
        group = Group.parse(name)
        (out / group.folder).mkdir(exist_ok=True)
        path = literal(str(out / group.folder / f"{name}.parquet"))
        order = 'start, "end"' if group.type else quoted(group.keys[0])
        connection.execute(
            f"COPY (SELECT {rows(group, has)} FROM {relation} ORDER BY {order}) TO {path} (COMPRESSION zstd)"
        )
        manifest[name] = content(connection, f"read_parquet({path})", group)

    times = {"first_seen", "last_seen", "precision", "fetched_at"}
    for name, relation in relationships().items():
        connection.execute(f"CREATE VIEW {quoted(name)} AS FROM {relation}")
        write(name, times | ({"last_resolved"} if "RESOLVES" in name else set()), relation)
    for label, query in nodes(list(relationships())).items():
        has = {"votes", "tags", "cpes", "fetched_at"} if label.endswith(("Domain", "Address")) else {"fetched_at"}
        write(label, has, f"({query})")
    (out / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--memory", type=int, default=4096)
    parser.add_argument("--staged", action="store_true")
    given = parser.parse_args()
    main(given.data, given.out, given.memory, staged=given.staged)
