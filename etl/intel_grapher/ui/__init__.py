"""The local page: shows the graph, asks it, extends it; served on this machine alone, to the person who started it.

server          starts the server
guard           who may ask (this machine, this page, this token), and what the page itself may do
app             the page's files, and its questions as JSON
graph_api       answers out of the graph: search, one node, neighbours, paths, rankings, Cypher
evidence        the raw replies behind a fact
jobs            the pipeline in a process of its own, with progress; jobs can be cancelled and retried
investigations  saved pictures
static/         the page's scripts and style, and other people's libraries in vendor/
"""
