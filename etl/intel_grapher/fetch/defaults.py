"""The defaults of a fetch that its options on the command line show: apart, since the help needs nothing else of it."""

from __future__ import annotations

from typing import Final

PAGES: Final = 10
"""Of one answer."""
PER_KIND: Final = 1000
"""Indicators of each kind in one hop."""
PER_PARENT: Final = 50
"""Indicators that one indicator leads to."""
HUB_FROM: Final = 200
"""Neighbours from which on an indicator is a hub."""
