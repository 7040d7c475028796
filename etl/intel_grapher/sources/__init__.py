"""One file for each service: its address, rate, key, typed replies, and one mapping for each endpoint."""
