"""The transform on a Spark cluster: the same mappings, rules and files as on one machine, and the same checksums.

    segments ─ tasks: find or map ─▶ staged segments, in a folder that all machines share          (executors, run)
    their footers and a sample of their keys ─▶ jobs, and which keys go into which part             (plan)
    staged facts ─ keys as texts, overrides ─▶ rows ─ shuffle by part ─ groupBy, merge rules ─ sort  (executors, rules)
                                                         ─▶ Parquet and CSV parts, each with its content

The driver chooses the bounds of the parts from the sample, by both keys of a relationship, so that a hub's
relationships lie in many parts, and the rows cross the network once. All that Spark runs of ours is in `executors`.
"""
