"""The transform: replies → facts in columns (`facts`) → kept a segment each (`stage`) → merged flat files (`merge`)."""
