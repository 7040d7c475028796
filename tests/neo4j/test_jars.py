"""The jars come from whatever repository the user's settings name; here it is a small one on the loopback."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from intel_grapher.errors import LoadError
from intel_grapher.neo4j.home import is_whole, library

jars = pytest.importorskip("intel_grapher.neo4j.jars", reason="the extra local-neo4j is not installed")
VERSION = "1.0"


def pom(coordinate: str, *needs: str) -> bytes:
    def element(text: str) -> str:
        group, name, version = text.split(":")
        return f"<groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>"

    dependencies = "".join(f"<dependency>{element(each)}</dependency>" for each in needs)
    body = f"<modelVersion>4.0.0</modelVersion>{element(coordinate)}<dependencies>{dependencies}</dependencies>"
    return f"<project>{body}</project>\n".encode()


def jar() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("Main.class", "code")
    return held.getvalue()


class Repository:
    """A Maven repository of files in memory; `asked` lists every path that was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                body = outer.files.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}/maven"

    def put(self, coordinate: str, *needs: str) -> str:
        """Publish an artifact; return its path without the ending."""
        group, name, version = coordinate.split(":")
        path = f"/maven/{group.replace('.', '/')}/{name}/{version}/{name}-{version}"
        self.files[f"{path}.pom"] = pom(coordinate, *needs)
        self.files[f"{path}.jar"] = jar()
        return path


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    repository = Repository()
    for each in jars.SERVER:
        repository.put(f"{each}:{VERSION}", "org.example:shared:2.0")
    for each in jars.PARQUET:
        repository.put(each)
    repository.put("org.example:shared:2.0", "org.example:deep:3.0")
    repository.put("org.example:deep:3.0")
    settings = tmp_path / "jgo.conf"
    settings.write_text(
        f"[settings]\nrepo_cache = {tmp_path}/maven\n[repositories]\ncentral = http://user:canary@{repository.address}\n"
    )
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    thread = threading.Thread(target=repository.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield repository
    repository.server.shutdown()
    repository.server.server_close()
    thread.join()


def gather() -> Path:
    folder = library(VERSION)
    jars.gather(VERSION, folder, lambda _: None)
    return folder


@pytest.mark.usefixtures("repository")
def test_all_that_is_needed_and_nothing_else() -> None:
    folder = gather()
    wanted = {f"{each.partition(':')[2]}-{VERSION}.jar" for each in jars.SERVER}
    wanted |= {f"{each.partition(':')[2].replace(':', '-')}.jar" for each in jars.PARQUET}
    assert {path.name for path in folder.iterdir()} == wanted | {"shared-2.0.jar", "deep-3.0.jar"}
    assert is_whole(folder)


def test_a_second_time_asks_for_nothing(repository: Repository) -> None:
    gather()
    repository.asked.clear()
    gather()
    assert repository.asked == []


def test_an_emptied_cache_is_filled_again(repository: Repository, tmp_path: Path) -> None:
    folder = gather()
    next(tmp_path.glob("maven/**/deep-3.0.jar")).unlink()
    assert not is_whole(folder)
    repository.asked.clear()
    assert is_whole(gather())
    assert [path for path in repository.asked if path.endswith(".jar")] == ["/maven/org/example/deep/3.0/deep-3.0.jar"]


@pytest.mark.parametrize("ending", ["pom", "jar"])
@pytest.mark.parametrize(
    "served", [None, b"", b"<html>Please log in</html>", "cut"], ids=["none", "empty", "page", "cut"]
)
def test_what_is_not_whole_is_never_kept(
    repository: Repository, tmp_path: Path, ending: str, served: bytes | str | None
) -> None:
    path = f"{repository.put('org.example:deep:3.0')}.{ending}"
    right = repository.files.pop(path)
    if served is not None:
        repository.files[path] = right[:-9] if isinstance(served, str) else served
    with pytest.raises(LoadError, match=r"org\.example:deep.*could not be downloaded") as refused:
        gather()
    assert "docker compose up" in str(refused.value)
    assert "canary" not in str(refused.value)
    assert not library(VERSION).exists()
    assert list(tmp_path.glob(f"maven/**/deep-3.0.{ending}")) == []
    repository.files[path] = right
    assert is_whole(gather())
