"""The same transform by hand, in Polars' streaming engine; see `by_duckdb` for what it may take for granted.

python benchmarks/by_polars.py DATA OUT
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
import polars as pl

from intel_grapher.files import Group
from intel_grapher.model import Type

RESOLUTIONS = pl.List(pl.Struct({"last_resolved": pl.String, "ip_address": pl.String, "domain": pl.String}))
TEXTS = pl.List(pl.String)
SHAPES = {
    "threatcrowd/domain": {
        "resolutions": RESOLUTIONS, "hashes": TEXTS, "emails": TEXTS, "subdomains": TEXTS, "votes": pl.Int64,
    },
    "threatcrowd/ip": {"resolutions": RESOLUTIONS, "hashes": TEXTS, "votes": pl.Int64},
    "internetdb/ip": {"cpes": TEXTS, "hostnames": TEXTS, "ports": pl.List(pl.Int64), "tags": TEXTS, "vulns": TEXTS},
    "doh/resolve": {
        "Question": pl.List(pl.Struct({"name": pl.String})),
        "Answer": pl.List(pl.Struct({"name": pl.String, "type": pl.Int64, "data": pl.String})),
    },
}  # fmt: skip
TYPES = {
    Type.TEXT: pl.String, Type.TEXTS: TEXTS, Type.INTEGER: pl.Int64,
    Type.TIMESTAMP: pl.Datetime("ms"),
}  # fmt: skip
SOURCES = ("doh", "internetdb", "threatcrowd")
DOH, INTERNETDB, THREATCROWD = 1, 2, 4
OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IS_NAME = r"^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]*[a-z0-9]$"
IS_ADDRESS = rf"^({OCTET}\.){{3}}{OCTET}$"


def name(of: pl.Expr) -> pl.Expr:
    """Return the canonical form of a name."""
    return of.str.to_lowercase().str.strip_chars_end(".")


def is_domain(of: pl.Expr) -> pl.Expr:
    """Tell whether a name has two labels."""
    return of.str.count_matches(".", literal=True) == 1


class Transform:
    """One run."""

    def __init__(self, data: Path, out: Path) -> None:
        self.out = out
        self.raw = {
            path: pl.scan_ndjson(
                sorted((data / "raw" / path).glob("*.jsonl.zst")),
                schema={"key": pl.String, "fetched_at": pl.String, "body": pl.Struct(shape)},
            ).with_columns(pl.col("fetched_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="ms"))
            for path, shape in SHAPES.items()
        }
        self.manifest: dict[str, dict[str, object]] = {}
        self.mentions: dict[str, list[pl.LazyFrame]] = {}
        (out / "work").mkdir(parents=True)
        for folder in ("nodes", "relationships"):
            (out / folder).mkdir()

    def facts(self, path: str, member: str, bit: int, start: pl.Expr, end: pl.Expr, **more: pl.Expr) -> pl.LazyFrame:
        """Return the facts of a list's items, which are called `r`."""
        items = self.raw[path].select("key", "fetched_at", r=pl.col("body").struct.field(member)).explode("r")
        day = more.get("day", pl.lit(None, pl.Datetime("ms")))
        return items.filter(pl.col("r").is_not_null() & more.get("where", pl.lit(value=True))).select(
            start=start, end=end, day=day, bit=pl.lit(bit, pl.UInt8), fetched_at="fetched_at"
        )

    def merged(self, table: str, *facts: pl.LazyFrame, holds: pl.Expr) -> pl.LazyFrame:
        """Group facts and keep the result; return it."""
        path = self.out / "work" / f"{table}.parquet"
        day = pl.col("day")
        pl.concat(facts).group_by("start", "end").agg(
            first_seen=day.min(), last_seen=day.max(), bits=pl.col("bit").bitwise_or(), fetched_at=pl.max("fetched_at")
        ).filter(holds).with_columns(
            last_resolved=pl.col("last_seen"),
            precision=pl.when(pl.col("first_seen").is_not_null()).then(pl.lit("day")),
        ).sink_parquet(path, compression="lz4", engine="streaming")
        return pl.scan_parquet(path)

    def write(self, group: Group, rows: pl.LazyFrame, *, resolves: bool = False) -> None:
        """Write a group's rows, sorted, with all the schema's columns; count and check them."""
        has = set(rows.collect_schema().names()) - (set() if resolves else {"last_resolved"})
        sources = pl.concat_list(
            [pl.when(pl.col("bits") & (1 << place) != 0).then(pl.lit(each)) for place, each in enumerate(SOURCES)]
        ).list.drop_nulls()
        derived = {"sources": sources}
        if not group.type:
            key = pl.col(group.keys[0])
            derived["algorithm"] = pl.when(key.str.len_bytes() == 32).then(pl.lit("md5")).otherwise(pl.lit("sha256"))
            derived["port"] = key.str.extract(r":(\d+)").cast(pl.Int64)
            derived["transport"] = pl.lit(None, pl.String)
        columns = [
            (pl.col(each.name) if each.name in has else derived.get(each.name, pl.lit(None))).cast(TYPES[each.type])
            .alias(each.name)
            for each in group.properties
        ]  # fmt: skip
        path = self.out / group.folder / f"{group}.parquet"
        rows.select(*group.keys, *columns).sort(group.keys).sink_parquet(path, compression="zstd", engine="streaming")
        checked = pl.scan_parquet(path).select(rows=pl.len(), checksum=pl.struct(pl.all()).hash().sum())
        self.manifest[str(group)] = checked.collect(engine="streaming").row(0, named=True)

    def relationship(self, group: str, rows: pl.LazyFrame) -> None:
        """Write one group of relationships; its keys are mentions of nodes."""
        parsed = Group.parse(group)
        self.write(parsed, rows, resolves=parsed.type == "RESOLVES")
        for label, side in ((parsed.start, "start"), (parsed.end, "end")):
            self.mentions.setdefault(label, []).append(rows.select("bits", "fetched_at", key=side))

    def run(self) -> None:
        """Make all of it."""
        key, r = pl.col("key"), pl.col("r")
        start, end = pl.col("start"), pl.col("end")
        day = r.struct.field("last_resolved").str.to_datetime("%Y-%m-%d", time_unit="ms")
        record = {each: r.struct.field(each) for each in ("name", "type", "data")}
        registrable = key.str.extract(r"([^.]+\.[^.]+)$")
        reports = ("threatcrowd/domain", "threatcrowd/ip")
        resolves = self.merged(
            "resolves",
            self.facts(reports[0], "resolutions", THREATCROWD, key, r.struct.field("ip_address"), day=day),
            self.facts(reports[1], "resolutions", THREATCROWD, name(r.struct.field("domain")), key, day=day),
            self.facts("internetdb/ip", "hostnames", INTERNETDB, name(r), key),
            self.facts("doh/resolve", "Answer", DOH, name(record["name"]), record["data"], where=record["type"] == 1),
            holds=start.str.contains(IS_NAME) & end.str.contains(IS_ADDRESS) & (end != "0.0.0.0"),
        )
        associated = self.merged(
            "associated",
            *(self.facts(each, "hashes", THREATCROWD, key, r.str.to_lowercase()) for each in reports),
            holds=end.str.contains("^([0-9a-f]{32}|[0-9a-f]{64})$"),
        )
        owns = self.merged(
            "owns",
            self.facts(reports[0], "emails", THREATCROWD, r.str.to_lowercase(), registrable),
            holds=start.str.contains("^[^@ ]+@[a-z0-9.-]+$"),
        )
        hosts = self.merged(
            "hosts",
            self.facts(reports[0], "subdomains", THREATCROWD, registrable, name(r)),
            holds=end.str.contains(IS_NAME) & end.str.ends_with(pl.concat_str(pl.lit("."), start)),
        )
        service = pl.concat_str(key, pl.lit(":"), r.cast(pl.String))
        exposes = self.merged(
            "exposes", self.facts("internetdb/ip", "ports", INTERNETDB, key, service), holds=pl.lit(value=True)
        )
        vulnerable = self.merged(
            "vulnerable",
            self.facts("internetdb/ip", "vulns", INTERNETDB, key, r.str.to_uppercase()),
            holds=end.str.contains(r"^CVE-\d{4}-\d{4,}$"),
        )
        alias = self.merged(
            "alias",
            self.facts(
                "doh/resolve", "Answer", DOH, name(record["name"]), name(record["data"]), where=record["type"] == 5
            ),
            holds=start.str.contains(IS_NAME),
        )
        domain, ip = is_domain(start), start.str.contains("^[0-9.]+$")
        for group, rows in {
            "Domain-RESOLVES-IPAddress": resolves.filter(domain),
            "SubDomain-RESOLVES-IPAddress": resolves.filter(~domain),
            "Domain-ASSOCIATED-Hash": associated.filter(~ip & domain),
            "SubDomain-ASSOCIATED-Hash": associated.filter(~ip & ~domain),
            "IPAddress-ASSOCIATED-Hash": associated.filter(ip),
            "Email-OWNS-Domain": owns,
            "Domain-HOSTS-SubDomain": hosts,
            "IPAddress-EXPOSES-Service": exposes,
            "IPAddress-VULNERABLE_TO-Vulnerability": vulnerable,
            "SubDomain-ALIAS_OF-Domain": alias.filter(~domain & is_domain(end)),
        }.items():
            self.relationship(group, rows)
        self.nodes()
        (self.out / "manifest.json").write_bytes(msgspec.json.encode(self.manifest))

    def nodes(self) -> None:
        """Merge and write the nodes of every label."""
        body, threatcrowd = pl.col("body").struct, pl.lit(THREATCROWD, pl.UInt8)
        report = {"key": "key", "bits": threatcrowd, "fetched_at": "fetched_at", "votes": body.field("votes")}
        asked = self.raw["doh/resolve"].select("fetched_at", r=body.field("Question")).explode("r")
        asked = asked.select("fetched_at", key=name(pl.col("r").struct.field("name")), bits=pl.lit(DOH, pl.UInt8))
        named = pl.concat([self.raw["threatcrowd/domain"].select(**report), asked], how="diagonal")
        found = self.raw["internetdb/ip"].select(
            "key", "fetched_at", bits=pl.lit(INTERNETDB, pl.UInt8), tags=body.field("tags"), cpes=body.field("cpes")
        )
        own = {
            "Domain": [named.filter(is_domain(pl.col("key")))],
            "SubDomain": [named.filter(~is_domain(pl.col("key")))],
            "IPAddress": [self.raw["threatcrowd/ip"].select(**report), found],
        }
        for label, mentions in self.mentions.items():
            rows = pl.concat([*mentions, *own.get(label, [])], how="diagonal")
            has = rows.collect_schema().names()
            merged = {"bits": pl.col("bits").bitwise_or(), "fetched_at": pl.max("fetched_at")}
            if "votes" in has:
                merged["votes"] = pl.col("votes").sort_by("fetched_at", "votes").drop_nulls().last()
            for each in {"tags", "cpes"} & set(has):
                items = pl.col(each).filter(pl.col(each).list.len() > 0).explode().drop_nulls().unique().sort()
                merged[each] = items
            grouped = rows.group_by("key").agg(**merged)
            for each in {"tags", "cpes"} & set(has):
                filled = pl.when(pl.col(each).list.len() > 0).then(pl.col(each))
                grouped = grouped.with_columns(filled.alias(each))
            group = Group(label)
            self.write(group, grouped.rename({"key": group.keys[0]}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    Transform(given.data, given.out).run()
