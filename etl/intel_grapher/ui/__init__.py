"""The page: see the graph, ask it, extend it. On this machine alone, for the one who started it.

server      starts it
safety      who may ask: this machine, this page, this token; and what the page itself may do
app         the page's files, and its questions as JSON
looking     find, read, grow: answers out of the graph
evidence    the raw replies behind a fact
editing     the analyst's own facts: added, listed, undone
jobs        fetch, transform and load, in a process of their own, with progress
keeping     investigations, saved and opened again
static/     the page: plain modules, and what others wrote in vendor/
"""
