"""`sources`, `schema`: what can be asked, and what the graph is made of."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    _ = app
