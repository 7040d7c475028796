"""Texts in columns: delimiters, headers, what a column holds, several values in a cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intel_grapher.intake.table import BARREN, Table, read_table

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
        ("Notes", "left out"),
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
