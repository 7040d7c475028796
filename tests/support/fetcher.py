"""A fetch in a process of its own, to be killed, or to run beside another: HOME DATA LEDGER HOSTS [REQUESTS PER]…

DATA is a folder, or the URL of a store.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from pathlib import Path

from loopback import source

from intel_grapher.cache import Cache
from intel_grapher.fetch.run import FetchOptions, fetch
from intel_grapher.objects import place
from intel_grapher.source import ApiKey, Rate

if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG)
    home, data, ledger, hosts, *rates = sys.argv[1:]
    queue = os.environ.get("QUEUE", "")
    if "LEASE" in os.environ:  # the import takes a while, which fetches without a Redis do not take either
        vars(import_module("intel_grapher.fetch.redis_ledger"))["LEASE"] = float(os.environ["LEASE"])
    limits = tuple(Rate(int(n), float(per)) for n, per in zip(rates[::2], rates[1::2], strict=True))
    names = [("domain", name) for name in Path(hosts).read_text().split()]
    made = source(home, limits=limits, key=ApiKey("LOOPBACK_KEY", query="apikey", required=False))
    with Cache(place(data, "data")) as cache:
        summary = fetch(cache, [made], names, FetchOptions(ledger=ledger, queue=queue))
    sys.stderr.write(f"{summary}\n")
    sys.exit(0 if summary.complete else 3)
