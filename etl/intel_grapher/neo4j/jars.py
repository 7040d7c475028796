"""Neo4j's jars: downloaded once a user, by jgo, into the user's own Maven cache; a folder of links for each release.

jgo reads the user's own settings (another repository, another cache); nothing here names a host. Its ways that would
leave a torn or a missing jar behind are closed: a file counts only when it is whole, and whatever can't be had stops
the resolution (jgo alone would go on without that part of the tree).

Needs the extra `local-neo4j`.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import Artifact, MavenContext, PythonResolver
from jgo.parse import Coordinate

from intel_grapher.errors import LoadError

SERVER = ("org.neo4j:neo4j", "org.neo4j:neo4j-import-tool", "org.neo4j:neo4j-consistency-check")
"""The server, and those commands of neo4j-admin that it does not bring itself; all of one version."""
PARQUET = (
    "com.fasterxml.woodstox:woodstox-core:7.1.0",
    "org.apache.commons:commons-collections4:4.4",
    "org.apache.hadoop.thirdparty:hadoop-shaded-guava:1.4.0",
    "com.google.re2j:re2j:1.8",
    "commons-logging:commons-logging:1.3.5",
)
"""What the importer needs to read Parquet files, and does not name among its dependencies."""

TRIES = 3
SECONDS_TO_ANSWER = 60
AT_ONCE = 6


def gather(version: str, folder: Path, say: Callable[[str], None]) -> None:
    """Fill a folder with links to a release's jars, downloading what is missing; LoadError: what could not be had."""
    say(f"Looking up what Neo4j {version} consists of")
    settings = GlobalSettings.load()
    context = MavenContext(
        resolver=WholeFiles(),
        repo_cache=settings.repo_cache,
        remote_repos={"central": MAVEN_CENTRAL_URL, **settings.repositories},
        timeout=SECONDS_TO_ANSWER,
    )
    wanted = [f"{name}:{version}" for name in SERVER] + list(PARQUET)
    named, needed = context.resolver.resolve(
        [context.create_dependency(replace(Coordinate.parse(each), scope="compile")) for each in wanted]
    )
    artifacts = [each.artifact for each in (*named, *needed)]
    missing = sum(not (each.cached_path and each.cached_path.exists()) for each in artifacts)
    if missing:
        say(f"Downloading {missing} of {len(artifacts)} jars into {settings.repo_cache}, once for all servers")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jars = list(pool.map(Artifact.resolve, artifacts))
    _link(jars, folder)


def _link(jars: list[Path], folder: Path) -> None:
    """Make a folder of links, in one step; of two processes that do it at once, either may come first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    for jar in jars:
        (new / jar.name).symlink_to(jar.absolute())
    if folder.exists():  # made from a cache that has since been emptied
        folder.rename(new.with_name(f"{new.name}.old"))
    new.rename(folder)
    shutil.rmtree(new.with_name(f"{new.name}.old"), ignore_errors=True)


class WholeFiles(PythonResolver):
    """jgo's resolver, with downloads that arrive whole or not at all."""

    def download(self, artifact: Artifact) -> Path:
        """Return the downloaded file, in its place in the cache."""
        place = artifact.cached_path
        assert place is not None  # noqa: S101 - our context always has a cache
        place.parent.mkdir(parents=True, exist_ok=True)
        for again in range(TRIES):
            time.sleep(again / 2)
            try:
                self._fetch(artifact, place)
            except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
                problem = type(error).__name__  # its text would show the repository's address, and a password in it
            else:
                return place
        raise LoadError(
            f"{artifact} could not be downloaded ({problem}, {TRIES} tries), and a local Neo4j can't be put together "
            "without it. Check the network; if you use a mirror, name it as `central` under [repositories] in jgo's "
            "settings (~/.config/jgo.conf). Any other Neo4j will do as well: `docker compose up -d`, or set NEO4J_URI, "
            "NEO4J_USER and NEO4J_PASSWORD"
        )

    def _fetch(self, artifact: Artifact, place: Path) -> None:
        with tempfile.TemporaryDirectory(prefix=".download-", dir=place.parent) as aside:
            got = super().download(_in_cache(artifact, Path(aside)))
            if got is None or not _is_whole_file(got):
                raise zipfile.BadZipFile
            got.replace(place)


def _in_cache(artifact: Artifact, folder: Path) -> Artifact:
    """Return the same artifact in a context whose cache is that folder."""
    context = MavenContext(
        resolver=artifact.context.resolver,
        repo_cache=folder,
        remote_repos=artifact.context.remote_repos,
        timeout=artifact.context.timeout,
    )
    component = context.project(artifact.groupId, artifact.artifactId).at_version(artifact.version)
    return component.artifact(artifact.classifier, artifact.packaging)


def _is_whole_file(file: Path) -> bool:
    """Tell whether a downloaded file is what its name says; a login page in its stead is not."""
    if file.suffix == ".jar":
        with zipfile.ZipFile(file) as jar:
            return jar.testzip() is None
    text = file.read_bytes()
    return b"<project" in text and text.rstrip().endswith(b"</project>")
