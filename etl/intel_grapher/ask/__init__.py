"""Asking the graph, the embedded one and Neo4j alike: look, find, paths, what ties seeds together, saved queries.

engines    a graph that can be asked Cypher which only reads
pool       the graph of a page: open for many questions at once, opened anew after a load
sandbox    processes of their own for a user's Cypher, within a bound of memory and time; `bolt`: on a Neo4j
values     answers, and values of either engine as JSON has them
readonly   what Cypher that only reads may not say
cypher     what is derived from the schema: a node by its key, the key of any node, one step from a node
look       a node, its neighbours by type, what lies between nodes
find       nodes by what a person types
path       the shortest ways between two nodes, around hubs
rank       what ties seeds together
documents  answers as JSON
named      the nodes that the rows of an answer name
saved      questions that analysts keep asking, with parameters
"""

from intel_grapher.ask.engines import LIMIT, TIMEOUT, Graph, RecordingGraph, opened
from intel_grapher.ask.look import Neighbour, Shown, labels_of, node, show
from intel_grapher.ask.values import Answer

__all__ = [
    "LIMIT",
    "TIMEOUT",
    "Answer",
    "Graph",
    "Neighbour",
    "RecordingGraph",
    "Shown",
    "labels_of",
    "node",
    "opened",
    "show",
]
