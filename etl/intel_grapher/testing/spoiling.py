"""Hypothesis strategies that put faults into a reply: hostile values, missing and doubled members, broken bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from hypothesis import strategies as st

Path_ = tuple[str | int, ...]
HOSTILE: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 2**31, 2**63 - 1, 2**63, 10**30, -(10**30), 0.5, -1e308, 1e-320),
    *("", " ", "-", "0", "0.0.0.0", "null", "N/A", "\x00", "a\x00b.com", "a\r\nb", "\t"),  # noqa: S104 - a placeholder
    *("0000-00-00", "2021-02-30", "99999999999999999999", "1e400", "NaN", "-0", "9" * 32),
    *("x" * 20_000, "." * 300, "a." * 2_000 + "com", "*.example.com", "example.com.", "EXAMPLE.com\r", "xn--\x80"),
    *("../../etc/passwd", "'; DROP TABLE x; --", "`n`) DETACH DELETE n //", "<script>alert(1)</script>", "=1+1"),
    *("\u202egnp.exe", "\ufeffexample.com", "%E2%80%A2example.com", "b\u00fccher.example", "\u0663.example"),
    *("\ud7ff", "\U0010ffff", "http://[::1", "http://a b/", "hxxp://example[.]com/%zz"),
    *("1.2.3.4.5", "66.0.543.66", "::ffff:192.0.2.1", "::1%eth0", "AS", "AS-1", "T", "CVE-0-0"),
    *([], {}, [[]], [{}], [None], {"": None}, [[[[[["x"]]]]]], {"a": {"b": {"c": []}}}, list(range(50)), ["x"] * 50),
)
BROKEN_BYTES: Final = (
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf", b"\xfe\xff"),
    *(b'"', b"\\", b"}", b"{", b"\n"),
)


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:  # noqa: ANN401 - a reply may be anything
    """Yield the path of a reply's every member and item, itself first."""
    yield path
    if isinstance(value, dict):
        for name, member in value.items():
            yield from places(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


@st.composite
def spoiled(draw: st.DrawFn, content: bytes, lines: bool) -> bytes:  # noqa: FBT001 - a strategy's argument
    """Draw a reply with one to three faults in it."""
    parts = content.splitlines() if lines else [content]
    at = draw(st.integers(0, len(parts) - 1))
    try:
        reply = json.loads(parts[at])
    except ValueError:  # a reply that is a text
        spoilt = parts[at].decode("utf-8", "replace")
        for _ in range(draw(st.integers(1, 3))):
            spoilt = draw(_spoilt_text(spoilt))
        parts[at] = spoilt.encode("utf-8", "replace")
    else:
        for _ in range(draw(st.integers(1, 3))):
            reply = draw(_spoilt_value(reply))
        parts[at] = _with_tricks(draw, json.dumps(reply, ensure_ascii=draw(st.booleans()))).encode("utf-8", "replace")
    whole = b"\n".join(parts)
    if draw(st.integers(0, 4)) == 0:
        cut = draw(st.integers(0, len(whole)))
        whole = whole[:cut] + draw(st.sampled_from(BROKEN_BYTES)) + whole[cut + draw(st.integers(0, 2)) :]
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.integers(0, 9)) == 0 else whole


@st.composite
def _spoilt_value(draw: st.DrawFn, reply: Any) -> Any:  # noqa: ANN401 - a reply may be anything
    found = list(places(reply))
    path = found[draw(st.integers(0, len(found) - 1))]
    if not path:
        return draw(st.sampled_from(HOSTILE)) if draw(st.integers(0, 9)) == 0 else reply
    reply = json.loads(json.dumps(reply))
    inside = reply
    for step in path[:-1]:
        inside = inside[step]
    last = path[-1]
    what = draw(st.sampled_from(("delete", "hostile", "hostile", "double", "wrap", "swap", "text")))
    if what == "delete":
        del inside[last]
    elif what == "double" and isinstance(inside, list) and isinstance(last, int):
        inside.insert(last, inside[last])
    elif what == "wrap":
        inside[last] = [inside[last]] if draw(st.booleans()) else {"value": inside[last]}
    elif what == "swap":
        other = found[draw(st.integers(0, len(found) - 1))]
        value = reply
        for step in other:
            value = value[step]
        inside[last] = json.loads(json.dumps(value))
    elif what == "text":
        inside[last] = draw(_spoilt_text(str(inside[last])))
    else:
        inside[last] = draw(st.sampled_from(HOSTILE))
    return reply


def _spoilt_text(text: str) -> st.SearchStrategy[str]:
    cuts = st.integers(0, len(text))
    hostile = st.sampled_from([each for each in HOSTILE if isinstance(each, str)])
    return st.tuples(cuts, cuts, st.one_of(hostile, st.text(max_size=8))).map(
        lambda drawn: text[: min(drawn[:2])] + drawn[2] + text[max(drawn[:2]) :]
    )


def _with_tricks(draw: st.DrawFn, text: str) -> str:
    """Sometimes state a member twice, nest something absurdly, or write what only JSON's parser takes for a number."""
    trick = draw(st.integers(0, 11))
    if trick == 0 and (colon := text.find('": ')) > 0:
        begin = text.rfind('"', 0, colon)
        return f"{text[:begin]}{text[begin : colon + 3]}null, {text[begin:]}"
    if trick == 1:
        deep = draw(st.sampled_from((20, 500, 900, 970, 985, 995, 2_000, 100_000)))
        spot = draw(st.sampled_from((": ", "[", ", ")))
        return text.replace(spot, spot + "[" * deep + "]" * deep + ", " * (spot != ": "), 1) if spot in text else text
    if trick == 2:
        return text.replace(": ", ": 1e999, ", 1) if draw(st.booleans()) else text.replace("0", "NaN", 1)
    return text
