"""intel-grapher: indicators of compromise in, one deduplicated graph out."""

__version__ = "0.1.0"
