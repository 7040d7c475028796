"""What analysts say, kept in the raw cache under the source `analyst`, so that it survives every rebuild of the graph.

entries     the variants of an entry as one tagged union, and the one check that each must pass, whatever way it came in
overrides   what the entries of a cache change of other sources' facts: nodes and relationships out, nodes that are one
journal     adding an entry to a cache, and listing those that it has

Nothing is ever changed or removed: an undo is an entry too, and can itself be undone.
"""
