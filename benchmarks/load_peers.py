"""One peer of the loader, through its own public interface, over Bolt: run by load.py in the peers' environment.

    python load_peers.py PEER SPEC.json        NEO4J_URI and NEO4J_PASSWORD in the environment

PEER is one of the functions below; `bare` says how, and the rows of a batch: `bare create 10000`. The server's
constraints are there already. Each peer gets the rows as it likes them best, and makes the same graph. Where we write
the Cypher (bare, etl_lib), moments come as seconds, and the server makes moments of them, as for ours. Where a peer
writes it, moments can only come as such. `graphio integers` leaves them seconds: a lesser graph, and the quicker one.
"""

# ruff: noqa: PLC0415, ANN401 - a peer is imported only where it is run, and some have no types

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

BATCHES = {"graphio": 10_000, "etl_lib": 10_000, "nodestream": 10_000, "cartography": 10_000}
AUTH = ("neo4j", os.environ["NEO4J_PASSWORD"])
URI = os.environ["NEO4J_URI"]
Row = dict[str, Any]


def batches(path: str, size: int, *, seconds: bool = False) -> Iterator[list[Row]]:
    """Yield a Parquet file's rows as dictionaries; moments as datetime, or as seconds since 1970."""
    for batch in pq.ParquetFile(path).iter_batches(size):
        columns = [
            column.cast(pa.timestamp("s", "UTC")).cast(pa.int64())
            if seconds and pa.types.is_timestamp(column.type)
            else column
            for column in batch.columns
        ]
        yield pa.table(columns, batch.schema.names).to_pylist()


def split(row: Row, *keys: str) -> Row:
    """Return a row's properties: what is not null, and no key."""
    return {name: value for name, value in row.items() if name not in keys and value is not None}


def cypher(part: Row, rows: str, verb: str = "MERGE") -> str:
    """Return the statement that one would write by hand for a label or a type; `verb` is MERGE or CREATE."""
    moment = "CASE WHEN row.{0} IS NULL THEN NULL ELSE datetime({{epochSeconds: row.{0}}}) END"
    values = [
        f"{name}: {moment.format(name) if name in part['moments'] else f'row.{name}'}" for name in part["columns"]
    ]
    given = "{" + ", ".join(values) + "}"
    if part["type"]:
        return (
            f"UNWIND ${rows} AS row MATCH (a:{part['start']} {{{part['start_key']}: row.start}}) "
            f"MATCH (b:{part['end']} {{{part['end_key']}: row.end}}) "
            + (
                f"CREATE (a)-[r:{part['type']} {given}]->(b)"
                if verb == "CREATE"
                else f"MERGE (a)-[r:{part['type']}]->(b) SET r += {given}"
            )
        )
    key = part["start_key"]
    return f"UNWIND ${rows} AS row {verb} (n:{part['start']} {{{key}: row.{key}}}) SET n += {given}"


def bare(spec: list[Row], verb: str, size: str) -> None:
    """Load with the driver alone, in a loop; `verb` is create or merge."""
    import neo4j

    with neo4j.GraphDatabase.driver(URI, auth=AUTH) as driver, driver.session() as session:
        for part in spec:
            statement = cypher(part, "rows", verb.upper())
            for rows in batches(part["path"], int(size), seconds=True):
                session.execute_write(lambda work, rows=rows, it=statement: work.run(it, rows=rows).consume())


def graphio(spec: list[Row], moments: str = "") -> None:
    """Load with graphio's NodeSet and RelationshipSet, which can create where the database is empty."""
    import neo4j
    from graphio import NodeSet, RelationshipSet

    size = BATCHES["graphio"]
    with neo4j.GraphDatabase.driver(URI, auth=AUTH) as driver:
        for part in spec:
            for rows in batches(part["path"], size * 10, seconds=moments == "integers"):
                if part["type"]:
                    some = RelationshipSet(
                        part["type"], [part["start"]], [part["end"]], [part["start_key"]], [part["end_key"]]
                    )
                    for row in rows:
                        some.add_relationship(
                            {part["start_key"]: row["start"]},
                            {part["end_key"]: row["end"]},
                            split(row, "start", "end"),
                        )
                else:
                    some = NodeSet([part["start"]], merge_keys=[part["start_key"]])
                    for row in rows:
                        some.add_node(split(row))
                some.create(driver, batch_size=size)


def etl_lib(spec: list[Row]) -> None:
    """Load with neo4j-etl-lib: nodes one batch after the other, relationships in its parallel way."""
    from etl_lib.core.ETLContext import ETLContext
    from etl_lib.task.data_loading.ParallelParquetLoad2Neo4jTask import ParallelParquetLoad2Neo4jTask
    from etl_lib.task.data_loading.ParquetLoad2Neo4jTask import ParquetLoad2Neo4jTask

    workers = int(os.environ.get("WORKERS", "2"))
    context = ETLContext(
        {"NEO4J_URI": URI, "NEO4J_DATABASE": "neo4j", "NEO4J_USERNAME": AUTH[0], "NEO4J_PASSWORD": AUTH[1]}
    )
    for part in spec:
        given = cypher(part, "batch")
        if part["type"]:

            class Relationships(ParallelParquetLoad2Neo4jTask):
                def _query(self, given: str = given) -> str:
                    return given

                def _id_extractor(self):  # noqa: ANN202 - its own type
                    def place(row: Row) -> tuple[int, int]:
                        return hash(row["start"]) % 10, hash(row["end"]) % 10

                    place.table_size = 10
                    return place

            task = Relationships(
                context, Path(part["plain"]), batch_size=BATCHES["etl_lib"], table_size=10, max_workers=workers
            )
        else:

            class Nodes(ParquetLoad2Neo4jTask):
                def _cypher_query(self, given: str = given) -> str:
                    return given

            task = Nodes(context, Path(part["plain"]), batch_size=BATCHES["etl_lib"])
        if not task.execute().success:
            raise SystemExit("etl_lib failed")


def nodestream(spec: list[Row]) -> None:
    """Load with nodestream's writer for Neo4j."""
    from nodestream.databases.writer import GraphDatabaseWriter
    from nodestream.model import (
        DesiredIngestion,
        Node,
        PropertySet,
        Relationship,
        RelationshipCreationRule,
        RelationshipWithNodes,
    )

    async def work() -> None:
        writer = GraphDatabaseWriter.from_file_data(
            database="neo4j", batch_size=BATCHES["nodestream"], uri=URI, username=AUTH[0], password=AUTH[1],
            use_apoc=True, chunk_size=BATCHES["nodestream"], collect_stats=False, execute_chunks_in_parallel=False,
        )  # fmt: skip
        for part in spec:
            for rows in batches(part["path"], BATCHES["nodestream"]):
                for row in rows:
                    if part["type"]:
                        start = Node(part["start"], PropertySet({part["start_key"]: row["start"]}), PropertySet())
                        end = Node(part["end"], PropertySet({part["end_key"]: row["end"]}), PropertySet())
                        tie = Relationship(part["type"], PropertySet(), PropertySet(split(row, "start", "end")))
                        rule = RelationshipCreationRule.CREATE
                        ingest = RelationshipWithNodes(start, end, tie, relationship_creation_rule=rule).into_ingest()
                    else:
                        key = part["start_key"]
                        ingest = DesiredIngestion(
                            source=Node(part["start"], PropertySet({key: row[key]}), PropertySet(split(row, key)))
                        )
                    await writer.write_record(ingest)
            await writer.flush()
        await writer.finish(None)

    asyncio.run(work())


def cartography(spec: list[Row]) -> None:
    """Load with cartography's `load` and `load_matchlinks`, from schemas declared as its modules do."""
    import neo4j
    from cartography.client.core.tx import load, load_matchlinks
    from cartography.models.core.common import PropertyRef
    from cartography.models.core.nodes import CartographyNodeProperties, CartographyNodeSchema
    from cartography.models.core.relationships import (
        CartographyRelProperties,
        CartographyRelSchema,
        LinkDirection,
        make_source_node_matcher,
        make_target_node_matcher,
    )

    def frozen(name: str, base: type, values: Row) -> Any:
        fields = [(each, type(value), field(default=value)) for each, value in values.items()]
        return make_dataclass(name, fields, bases=(base,), frozen=True)()

    updated = {"lastupdated": PropertyRef("lastupdated", set_in_kwargs=True)}
    with neo4j.GraphDatabase.driver(URI, auth=AUTH) as driver, driver.session() as session:
        for part in spec:
            own = {name: PropertyRef(name) for name in part["columns"]}
            if part["type"]:
                scope = {
                    each: PropertyRef(each, set_in_kwargs=True) for each in ("_sub_resource_label", "_sub_resource_id")
                }
                properties = frozen("Properties", CartographyRelProperties, {**updated, **scope, **own})
                schema = frozen("Schema", CartographyRelSchema, {
                    "target_node_label": part["end"],
                    "target_node_matcher": make_target_node_matcher({"id": PropertyRef("end")}),
                    "source_node_label": part["start"],
                    "source_node_matcher": make_source_node_matcher({"id": PropertyRef("start")}),
                    "direction": LinkDirection.OUTWARD,
                    "rel_label": part["type"],
                    "properties": properties,
                })  # fmt: skip
            else:  # its nodes are known by `id`
                own = {"id": PropertyRef(part["start_key"]), **own}
                schema = frozen("Schema", CartographyNodeSchema, {
                    "label": part["start"],
                    "properties": frozen("Properties", CartographyNodeProperties, {**updated, **own}),
                })  # fmt: skip
            for rows in batches(part["path"], BATCHES["cartography"]):
                if part["type"]:
                    load_matchlinks(
                        session, schema, rows, lastupdated=1, _sub_resource_label="Bench", _sub_resource_id="1"
                    )
                else:
                    load(session, schema, rows, lastupdated=1)


def py2neo(spec: list[Row]) -> None:
    """Load as the seed article does: py2neo, one item a transaction, `LIMIT` of each part."""
    from py2neo import Graph, Node, Relationship

    graph = Graph(URI, auth=AUTH)
    for part in spec:
        for row in next(batches(part["path"], int(os.environ["LIMIT"])), []):
            if part["type"]:
                start = Node(part["start"], **{part["start_key"]: row["start"]})
                end = Node(part["end"], **{part["end_key"]: row["end"]})
                tie = Relationship(start, part["type"], end, **split(row, "start", "end"))
                start.__primarylabel__, start.__primarykey__ = part["start"], part["start_key"]
                end.__primarylabel__, end.__primarykey__ = part["end"], part["end_key"]
                graph.merge(tie)
            else:
                graph.merge(Node(part["start"], **split(row)), part["start"], part["start_key"])


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    peer, *told = sys.argv[1].split()
    globals()[peer](json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")), *told)
