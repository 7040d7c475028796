"""The embedded graph: a projection of the flat files in LadybugDB, made beside, proved, swapped in, only read.

    graph/graph.lbug        the store, as it was built from a set of flat files
    graph/graph.lbug.wal    the overlay, if there is one: what has changed since, in the engine's log
    graph/manifest.json     the manifest of the files that both together hold
    graph/proof.json        sizes and checksums of store and overlay, as they were when they were proved

Nothing ever touches the store in use: what replaces it is made in `.graph.new`, and one rename puts it in place when
parity holds. Who has the old one open goes on reading it. What fails or is killed leaves the old one as it was; what it
left beside is removed by the next. All tables of the schema exist, so that a query over a label without nodes finds
none.

store         opening and reading
statements    the engine's Cypher that makes tables, fills them and changes rows
build         a new store from all rows, or the old one with an overlay; its place is taken in one step
overlay       few changed rows as an overlay, and the proof that store and overlay together hold the files' rows
"""

from intel_grapher.load.embedded.store import (
    MANIFEST,
    STORE,
    Embedded,
    EmbeddedStore,
    open_embedded,
    open_manifest,
)

__all__ = [
    "MANIFEST",
    "STORE",
    "Embedded",
    "EmbeddedStore",
    "open_embedded",
    "open_manifest",
]
