"""Orphans: what intel-grapher has written to a store, and nothing there names any more."""

from __future__ import annotations

import re
from typing import Final

from intel_grapher.cache.listing import PAGES, SharedListing
from intel_grapher.objects import GRACE_SECONDS, Objects, Stat
from intel_grapher.set_copy import SharedSets

_OURS: Final = re.compile(
    rf"(raw|failed|imports)/\w+/\w+/[0-9a-f-]+\.jsonl\.zst|{PAGES}/[0-9a-f]+\.json|sets/[0-9a-f]{{16}}/.+"
)


def orphans(objects: Objects) -> list[Stat]:
    """Return the orphans that are older than GRACE_SECONDS, by name.

    Nothing else below the URL is among them: no object of somebody else's, and none that counts. A segment that was
    retired, or a set that others took the place of, is an orphan when that is as long ago. The time is the store's. The
    objects are listed before what names them is read, so that none that is named meanwhile is among them.
    """
    long_ago = objects.now() - GRACE_SECONDS
    found = [each for each in objects.names() if _OURS.fullmatch(each.name) and each.modified < long_ago]
    listing, sets = SharedListing(objects).read(), SharedSets(objects)
    named = {*listing.pages, *listing.segments}
    named |= {name for name, since in listing.retired.items() if since >= long_ago}
    for each in sets.read().sets:
        if not each.since or each.since >= long_ago:
            named |= {f"sets/{each.id}/files.json", *(file.object for file in sets.files(each).values())}
    return sorted(each for each in found if each.name not in named)
