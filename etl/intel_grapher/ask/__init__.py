"""Asking the graph, the embedded one and Neo4j alike: look, find, paths, what ties seeds together, saved queries.

engines    a graph that can be asked Cypher which only reads
reading    what such Cypher may not say
cypher     what is derived from the schema: a node by its key, the key of any node, one step from a node
look       a node, its neighbours by type, what lies between nodes
find       nodes by what a person types or pastes
path       the shortest ways between two nodes, around hubs
rank       what ties seeds together
saved      questions that analysts keep asking, with parameters
"""

from intel_grapher.ask.engines import LIMIT, TIMEOUT, Answer, Graph, Told, opened
from intel_grapher.ask.look import Neighbour, Shown, labels_of, node, show

__all__ = [
    "LIMIT",
    "TIMEOUT",
    "Answer",
    "Graph",
    "Neighbour",
    "Shown",
    "Told",
    "labels_of",
    "node",
    "opened",
    "show",
]
