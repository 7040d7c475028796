"""Texts in columns: delimiters, headers, what a column holds, several values in a cell."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intel_grapher.errors import BadValue
from intel_grapher.intake.table import BARREN, Table, parse_columns, read_table

MD5, SHA1, SHA256 = "c" * 32, "b" * 40, "a" * 64


def table(text: str) -> Table:
    found = read_table(text)
    assert found is not None
    return found


def keys(text: str) -> list[str]:
    return [entry.found.key for entry in table(text).entries]


def test_the_values_overrule_the_names() -> None:
    found = table(f"Indicator,Data,Notes\ndomain,evil.example,c2\nsha256,{SHA256},x\n")
    assert [(column.name, column.role) for column in found.columns] == [
        ("Indicator", "left out"),
        ("Data", "indicator"),
        ("Notes", "comment"),
    ]
    assert [entry.found.key for entry in found.entries] == ["evil.example", SHA256]
    assert found.leftovers == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    rows = [("type", "value", "comment"), ("domain", "evil.example", "x"), ("ip", "192.0.2.1", "y")]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    assert table(text).delimiter == delimiter
    assert keys(text) == ["evil.example", "192.0.2.1"]


def test_a_table_may_have_no_header() -> None:
    assert keys("evil.example,192.0.2.1\nworse.example,192.0.2.2\n") == [
        *("evil.example", "192.0.2.1", "worse.example", "192.0.2.2"),
    ]


def test_several_values_may_stand_in_a_cell() -> None:
    assert keys(f'name,hashes\nx,"{SHA256},{SHA1},{MD5}"\ny,"{SHA256}"\n') == [SHA256, SHA1, MD5, SHA256]


def test_composites_of_misp_are_parted() -> None:
    text = (
        "uuid,event_id,category,type,value,comment,to_ids,date\n"
        "1,2,Network activity,domain|ip,evil.example|192.0.2.1,c,1,20240102\n"
        f"1,2,Payload delivery,filename|sha256,x.exe|{SHA256},c,1,20240103\n"
        "1,2,Network activity,ip-dst|port,192.0.2.2|443,c,1,20240104\n"
    )
    found = table(text)
    assert [(entry.found.key, entry.found.port, entry.first) for entry in found.entries] == [
        ("evil.example", 0, "20240102"),
        ("192.0.2.1", 0, "20240102"),
        (SHA256, 0, "20240103"),
        ("192.0.2.2", 443, "20240104"),
    ]
    assert [(leftover.raw, leftover.reason) for leftover in found.leftovers] == [("x.exe", "a file name")]


def test_a_header_may_stand_behind_a_comment_sign() -> None:
    text = (
        '# "first_seen_utc","dst_ip","dst_port","c2_status","last_online","malware"\n'
        '"2021-03-01 02:05:01","192.0.2.9","443","online","2021-03-05","Emotet"\n'
    )
    [entry] = table(text).entries
    assert (entry.found.key, entry.found.port) == ("192.0.2.9", 443)
    assert (entry.first, entry.last, entry.malware, entry.line) == ("2021-03-01 02:05:01", "2021-03-05", "Emotet", 2)


@pytest.mark.parametrize(
    "header", ["Listingdate,SHA1,Listingreason", "date,ja3_md5,reason", "date,imphash,reason", "date,reference,reason"]
)
def test_a_digest_that_is_no_files_is_left_out(header: str) -> None:
    value = "https://blog.example/post" if "reference" in header else SHA1
    found = table(f"# {header}\n2024-01-02 10:11:12,{value},AsyncRAT C&C\n2024-01-03 10:11:12,{value},Other C&C\n")
    assert found.entries == []
    assert [leftover.reason for leftover in found.leftovers] == [BARREN, BARREN]


def test_a_row_without_an_indicator_is_left_out_with_a_reason() -> None:
    found = table("value,note\nevil.example,x\n,nothing\n192.0.2.1,y\n")
    assert [(leftover.line, leftover.reason) for leftover in found.leftovers] == [(3, BARREN)]


@pytest.mark.parametrize("text", ["", "\n\n", "evil.example\n192.0.2.1\n", "# only a comment, with a comma\n"])
def test_what_is_in_no_columns_is_no_table(text: str) -> None:
    assert read_table(text) is None


@given(st.text(alphabet='a.,;|\t"\n1 x/:#', max_size=200))
def test_nothing_is_raised_for_any_text(text: str) -> None:
    read_table(text)


def test_a_map_says_what_columns_are() -> None:
    text = "colour,what,more\nred,evil.example,worse.example\nblue,192.0.2.1,\n"
    assert keys(text) == ["evil.example", "worse.example", "192.0.2.1"]
    found = read_table(text, parse_columns("what=indicator, 0=comment"))
    assert found
    assert [(entry.found.key, entry.comment) for entry in found.entries] == [
        ("evil.example", "red"),
        ("192.0.2.1", "blue"),
    ]
    assert [column.role for column in found.columns] == ["comment", "indicator", "left out"]


def test_a_map_finds_the_header_and_makes_a_table_of_any_text() -> None:
    found = read_table("some title\n\nHost;Seen at\nevil.example;2024-01-02\n", parse_columns("Seen at=first_seen"))
    assert found
    assert [(entry.found.key, entry.first) for entry in found.entries] == [("evil.example", "2024-01-02")]
    only = read_table("evil.example\n", parse_columns("0=indicator"))
    assert only
    assert [entry.found.key for entry in only.entries] == ["evil.example"]


@pytest.mark.parametrize("text", ["indicator", "=indicator", "0=nothing", "Note"])
def test_what_is_no_map_is_refused(text: str) -> None:
    with pytest.raises(BadValue, match="is no COLUMN=ROLE"):
        parse_columns(text)


@pytest.mark.parametrize("text", ["Nope=indicator", "7=indicator"])
def test_a_map_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(BadValue, match="it has: a, b"):
        read_table("a,b\nevil.example,x\n", parse_columns(text))


def test_what_a_row_says_besides_stays_with_its_indicators() -> None:
    found = table('value,Comment,tags,confidence,family\nevil.example,c2,"a, b",80%,Emotet\n192.0.2.1,,,,\n')
    first, second = found.entries
    assert (first.comment, first.tags, first.confidence, first.malware) == ("c2", "a, b", 80, "Emotet")
    assert (second.comment, second.tags, second.confidence, second.malware) == ("", "", None, "")
    words = table("value,confidence\nevil.example,high\n192.0.2.1,low\n")
    assert [column.role for column in words.columns] == ["indicator", "left out"]


def test_a_header_may_stand_above_one_column() -> None:
    assert keys("domain\nevil.example\nworse.example\n") == ["evil.example", "worse.example"]
    assert read_table("note\nevil.example\n") is None


@given(st.text(alphabet='a.,;|\t"\n1 x/:#', max_size=120), st.sampled_from(["0=indicator", "a=type", "1=date,0=tags"]))
def test_nothing_but_a_missing_column_is_raised_for_any_text(text: str, mapped: str) -> None:
    with suppress(BadValue):
        read_table(text, parse_columns(mapped))


def test_a_quoted_cell_may_have_several_lines() -> None:
    found = table('ioc,note\n"a.example\nb.example","two\n\nlines of ""it"""\nc.example,"by good.example\ntoday"\n')
    assert [(entry.found.key, entry.comment, entry.line) for entry in found.entries] == [
        ("a.example", 'two  lines of "it"', 2),
        ("b.example", 'two  lines of "it"', 2),
        ("c.example", "by good.example today", 6),
    ]
    assert found.leftovers == []


@pytest.mark.parametrize("first", ['a.example,"open', 'a.example,"x,"', 'a.example,5" disk', '"a.example,x'])
def test_a_quote_that_is_not_closed_swallows_no_other_row(first: str) -> None:
    assert keys(f'ioc,note\n{first}\nb.example,y\n\nc.example,"z"\n') == ["a.example", "b.example", "c.example"]


def test_a_remark_reports_nothing() -> None:
    found = table("ioc,note\na.example,moved from good.example\nb.example,see good.example\n")
    assert [entry.found.key for entry in found.entries] == ["a.example", "b.example"]


def test_a_url_keeps_its_commas_in_a_quoted_cell() -> None:
    text = 'url,note\n"http://evil.example/x,y;z",a\n"http://evil.example/a, http://evil.example/b",b\n'
    assert keys(text) == ["http://evil.example/x,y;z", "http://evil.example/a", "http://evil.example/b"]


def test_names_of_files_are_no_domains_by_their_column_or_type() -> None:
    assert keys(f"filename,md5\nrun.sh,{MD5}\nsetup.zip,{MD5}\n") == [MD5, MD5]
    assert keys(f"run.sh,{MD5}\nsetup.zip,{MD5}\n") == [MD5, MD5]
    typed = "type,value\nfilename,run.sh\nemail-subject,evil.example\nregistry-key,x.example\ndomain,b.example\n"
    found = table(typed)
    assert [entry.found.key for entry in found.entries] == ["b.example"]
    assert {leftover.reason for leftover in found.leftovers} == {"of a type that is no indicator"}


def test_excel_s_line_before_a_table_is_no_header() -> None:
    found = table("sep=;\ndomain;note\nevil.example;x\nworse.example;y\n")
    assert [column.name for column in found.columns] == ["domain", "note"]
    assert ([entry.found.key for entry in found.entries], found.leftovers) == (["evil.example", "worse.example"], [])


def test_a_port_may_be_a_fraction_s_spelling_and_an_impossible_one_is_listed() -> None:
    found = table("ip,port\n192.0.2.1,443.0\n192.0.2.2,99999\n192.0.2.3,80\n")
    assert [entry.found.port for entry in found.entries] == [443, 0, 80]
    assert [(leftover.raw, leftover.reason) for leftover in found.leftovers] == [("99999", "an impossible port")]


def test_the_first_and_the_last_address_of_a_range_are_its_networks() -> None:
    text = "start_ip,end_ip,owner\n192.0.2.0,192.0.2.255,x\n198.51.100.0,198.51.100.127,y\n203.0.113.9,,z\n"
    assert keys(text) == ["192.0.2.0/24", "198.51.100.0/25", "203.0.113.9"]
