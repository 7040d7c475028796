"""Loading of a Neo4j: over Bolt into a live database, or by `neo4j-admin` into one that is replaced as a whole.

session     an open session with a server; its rows read back for parity
cypher      all Cypher that a load sends, derived from the schema
batches     rows of a Parquet file as the parameters of one transaction
node_ids    the server's ids of the nodes that a load made
writer      transactions that overlap, and what becomes of a row that the server refuses
resume      a whole load over Bolt, which goes on where it was when it was killed or refused
prune       deletion of what the files no longer have, as far as a load wrote it
admin       a store imported beside the live one, checked, swapped in
handoff     arguments of `neo4j-admin`; a folder to import from on a server that is out of reach

A server of our own is `intel_grapher.neo4j`'s, which knows nothing of the schema and the files.
"""
