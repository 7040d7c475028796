"""A real TAXII 2.1 server, medallion, on the loopback address, with one collection."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from werkzeug.serving import make_server

ID = "0000000c-0000-4000-8000-000000000000"
OBJECTS = 7


def stored(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a stored indicator, and its line in the manifest."""
    moment = f"2026-03-{number:02}T00:00:00.000Z"
    object_ = {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--{number:08x}-0000-4000-8000-000000000000",
        "created": moment, "modified": moment, "pattern": f"[domain-name:value = 'c{number}.example.org']",
        "pattern_type": "stix", "valid_from": moment,
    }  # fmt: skip
    media = "application/stix+json;version=2.1"
    return object_, {"date_added": moment, "id": object_["id"], "media_type": media, "version": moment}


@contextmanager
def medallion(
    folder: Path, *, writable: bool = False, most: int = 1 << 20
) -> Iterator[tuple[str, Callable[[int], None]]]:
    """Yield the address of a server with one collection, and a function that adds an object to it.

    One that is `writable` is empty, and takes at most so many bytes in a request.
    """
    from medallion import application_instance, connect_to_backend, register_blueprints, set_config  # noqa: PLC0415

    kept = [] if writable else [stored(number) for number in range(1, OBJECTS + 1)]
    collection = {
        "id": ID, "title": "Indicators", "can_read": True, "can_write": writable,
        "media_types": ["application/stix+json;version=2.1"],
        "objects": [each for each, _ in kept], "manifest": [each for _, each in kept],
    }  # fmt: skip
    information = {"title": "One", "versions": ["application/taxii+json;version=2.1"], "max_content_length": most}
    data = {
        "/discovery": {"title": "A server", "api_roots": ["http://127.0.0.1/api1/"], "default": ""},
        "api1": {"information": information, "status": [], "collections": [collection]},
    }
    path = folder / "taxii.json"
    path.write_text(json.dumps(data))
    application = application_instance
    if not application.blueprints:
        register_blueprints(application)
    set_config(application, "users", {"users": {"user": "password"}})
    set_config(application, "taxii", {"taxii": {"max_page_size": 1000 if writable else 3}})
    application.medallion_backend = connect_to_backend(
        {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend", "filename": str(path)}
    )
    server = make_server("127.0.0.1", 0, application)
    home = f"http://127.0.0.1:{server.server_port}"
    application.medallion_backend.data["/discovery"]["api_roots"] = [f"{home}/api1/"]

    def add(number: int) -> None:
        object_, line = stored(number)
        held = application.medallion_backend.data["api1"]["collections"][0]
        held["objects"].append(object_)
        held["manifest"].append(line)

    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield home, add
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
