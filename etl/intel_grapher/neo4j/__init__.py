"""A Neo4j server of one's own, put together from packages, and the connection to any."""
