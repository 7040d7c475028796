"""The words of a watch: every relationship type has them, and nothing of a service's becomes markup."""

from __future__ import annotations

from pathlib import Path

from intel_grapher import schema
from intel_grapher.cli import news
from intel_grapher.model import NodeRef
from intel_grapher.watch import NewJudgement, NewLink, News, WatchedLink, path_of

HOSTILE = "<script>alert(1)</script>`\n- [x](javascript:1)\x1b[31m\x02<b>"


def some(key: str = HOSTILE) -> News:
    one, other = NodeRef("Domain", "example.com"), NodeRef("URL", key)
    link = WatchedLink(one, "ON", "<-", other, "", "", ("doh",))
    judgement = NewJudgement(one, "malicious", "unknown", key, ("doh",))
    return News(0, 2, [], [NewLink(link, [other] * 5, listed=True)], [judgement])


def test_words_are_for_types_that_there_are() -> None:
    assert news.PHRASES.keys() <= {name.lower() for name in schema.RELATIONSHIPS}
    assert news.phrase("TWEETED", "->") == "TWEETED"


def test_nothing_of_a_service_becomes_markup() -> None:
    page = news.as_html(some(), 50)
    assert "<script" not in page
    assert "<b>" not in page
    markdown = news.as_markdown(some(), 50)
    assert len(markdown.splitlines()) == 4
    assert "\x1b" not in markdown
    text = news.as_text(some(), 50)
    assert "\x1b" not in text
    assert len(text.splitlines()) == 3


def test_long_news_are_counted() -> None:
    assert news.as_text(some("k"), 1).splitlines()[-1] == "… 1 more (--limit)"
    assert "3 and 2 more" not in news.as_text(some("k"), 1)
    assert "k, k, k and 2 more" in news.as_text(some("k"), 9)


def test_the_name_of_a_watch_is_one_file_below_its_folder(tmp_path: Path) -> None:
    for name in ("../../etc/passwd", "", "..", "a/b", "x" * 999, "\x00"):
        assert path_of(tmp_path, name).parent == tmp_path / "watches"
