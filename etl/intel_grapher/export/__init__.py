"""Results for other tools: the whole graph, or a part of it, in the formats that they read.

part       what is exported: the rows of the flat files, whole or of chosen nodes, as a stream
choose     which nodes: a neighbourhood, or nodes that a query or a case names
markings   what analysts say of nodes: verdicts, and to whom they may be passed on
format     the contract of a format, and the list of all formats
xml        text as XML has it
formats/   one file for each format

A format is one file in `formats/` that has a `Format` called `format`. The command line, the table in
`docs/exchange.md` and the tests that hold for all formats find it by themselves. Its `write` takes a `Part` and writes
to a binary stream. It asks the part for rows, group by group, and keeps none of them, so that memory is bounded
whatever the graph's size. It looks at no clock and makes no random number: the same rows give the same bytes.

What a format has no place for is counted, by what it is, and the command says so. Texts of services and analysts are
escaped by the rules of the format; none becomes markup, a formula or a statement.
"""
