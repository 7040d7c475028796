"""Fetch, transform and load as one function."""

from __future__ import annotations

from pathlib import Path
from threading import Timer

import pytest
from campaign import campaign
from loopback import found, loopback, source

from intel_grapher.cache import Cache
from intel_grapher.errors import BusyError
from intel_grapher.fetch.summary import Summary
from intel_grapher.files import Files, Manifest
from intel_grapher.load import Embedded, Loaded
from intel_grapher.lock import locked
from intel_grapher.pipeline import PipelineOptions, Places, run
from intel_grapher.transform import Options as TransformOptions


@pytest.fixture
def places(tmp_path: Path) -> Places:
    campaign(tmp_path, sources="analyst", load=False)
    return Places(tmp_path / "data", tmp_path / "import", Embedded(tmp_path / "data" / "graph", 256 << 20))


def options(finished: list[object], stages: list[str], patience: float = 0.0) -> PipelineOptions:
    return PipelineOptions(
        transforming=TransformOptions(processes=1),
        progress=lambda stage, _step, _done, _total: stages.append(stage),
        finished=finished.append,
        patience=patience,
    )


def test_without_indicators_files_and_graph_are_made_anew_and_nothing_is_asked(places: Places) -> None:
    finished: list[object] = []
    stages: list[str] = []
    result = run(places, options=options(finished, stages))
    assert result.summary is None
    assert [type(each) for each in finished] == [Manifest, Loaded]
    assert finished == [result.manifest, result.loaded]
    assert list(dict.fromkeys(stages)) == ["transform", "load"]
    assert result.loaded is not None
    assert result.loaded.nodes == sum(each.rows for each in Files(places.import_).manifest().nodes.values())
    assert result.loaded.parity.equal


def test_what_the_sources_answer_is_kept_before_the_files_are_made(places: Places) -> None:
    finished: list[object] = []
    stages: list[str] = []
    with loopback() as service:
        service.script = lambda _asked: found("192.0.2.1")
        result = run(
            places, [("domain", "example.com")], sources=[source(service.home)], options=options(finished, stages)
        )
    assert result.summary is not None
    assert result.summary.sources["loopback"].found == 1
    assert [type(each) for each in finished] == [Summary, Manifest, Loaded]
    assert list(dict.fromkeys(stages)) == ["fetch", "transform", "load"]
    with Cache(places.data) as cache:
        assert cache.history("example.com", "loopback")


def test_an_interrupted_fetch_ends_the_pipeline(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intel_grapher.pipeline.fetch", lambda *_arguments: Summary({}, interrupted=True))
    result = run(places, [("domain", "example.com")], sources=[])
    assert result.summary is not None
    assert (result.manifest, result.loaded) == (None, None)
    assert not places.import_.exists()


def test_another_process_at_the_files_is_waited_for_as_long_as_patience_lasts(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intel_grapher.pipeline.RETRY", 0.05)
    with locked(places.import_.parent / ".import.lock", "the files"), pytest.raises(BusyError):
        run(places, options=options([], []))
    other = locked(places.import_.parent / ".import.lock", "the files")
    other.__enter__()
    Timer(0.3, other.__exit__, (None, None, None)).start()
    assert run(places, options=options([], [], patience=60)).loaded is not None
