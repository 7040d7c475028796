"""The local page: shows the graph, asks it, extends it; served on this machine alone, to the person who started it.

server          starts the server
guard           who may ask (this machine, this page, this token), and what the page itself may do
app             the page's files, and its questions as JSON
graph_api       answers out of the graph: search, one node, neighbours, paths, rankings, Cypher
overview        what matters in the graph
pasted          what a pasted text names, and what of it was left out
evidence        the raw replies behind a fact
jobs            the pipeline in a process of its own, with progress; jobs can be cancelled and retried
waiting         edits that wait while another process writes to the cache
news            what has changed since the page asked last
investigations  saved pictures, and those that nobody has saved yet
static/         the page's scripts and style, and other people's libraries in vendor/
"""
