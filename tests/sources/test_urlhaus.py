"""URLhaus: a real list, and samples, worked out by hand."""

from __future__ import annotations

import json
from hashlib import md5, sha256

from replies import edge, fixture, node, sample, told

SEED = b"intel-grapher sample 4"
MD5, SHA256 = f"Hash {md5(SEED, usedforsecurity=False).hexdigest()}", f"Hash {sha256(SEED).hexdigest()}"
LURE, LURE_PAGE = "URL http://cdn-update.example/lantern.exe", "Report https://urlhaus.abuse.ch/url/9000001/"


def test_a_real_list_of_a_country() -> None:
    found = told("urlhaus", "feeds_country", "JP", fixture("urlhaus/feeds_country/JP__02Jan2022.csv"))
    url, address, when = "URL http://113.41.108.164:56856/mozi.m", "IPAddress 113.41.108.164", "2022-01-01T20:50:03Z"
    assert node(url, status="offline", tags=("malware_download",)) in found.nodes
    assert {each for each in found.edges if each[0] == url} == {edge(url, "ON", address, when)}
    assert edge(address, "ANNOUNCED_BY", "ASN AS17506", when) in found.edges
    url, name = "URL http://heavylance.co.jp/Invoice-for-0285603-03/22/2018/", "Domain heavylance.co.jp"
    address, when = "IPAddress 153.127.242.166", "2018-03-24T16:03:48Z"
    assert edge(url, "ON", name, when) in found.edges
    assert edge(name, "RESOLVES", address, when, last_resolved=when) in found.edges
    urls = {name for name, _ in found.nodes if name.startswith("URL ")}
    # 6,913 entries of 6,856 spellings: seven URLs are there with and without :80 or :443, and one is none.
    assert len(urls) == 6856 - 7 - 1
    assert ("$[763]", "1https://yasukouchi.jp/jxi8lyjxk.tar", "not a URL") in found.rejects


def test_three_entries_of_a_real_list() -> None:
    found = told("urlhaus", "feeds_country", "JP", fixture("urlhaus/feeds_country/JP__02Jan2022.csv"))
    bare, by_name = "URL http://124.255.20.23:51099/Mozi.m", "URL https://mitsui-jyuku.mixh.jp/uploads/800nH6.exe"
    folder = "URL http://zerone.jp/about/EN_US/Information/05_19/"
    tags = ("malware_download",)
    assert {each for each in found.edges if each[0] in {bare, by_name, folder}} == {
        edge(bare, "ON", "IPAddress 124.255.20.23", "2022-01-02T03:04:07Z"),
        edge(by_name, "ON", "SubDomain mitsui-jyuku.mixh.jp", "2020-04-19T01:04:27Z"),
        edge(folder, "ON", "Domain zerone.jp", "2019-05-11T06:52:19Z"),
    }
    assert {each for each in found.nodes if each[0] in {bare, by_name, folder}} == {
        node(each, status="offline", tags=tags) for each in (bare, by_name, folder)
    }
    twice = "2022-01-02T03:04:07Z", "2021-12-27T07:24:04Z"
    assert {each for each in found.edges if "IPAddress 124.255.20.23" in (each[0], each[2])} == {
        edge(bare, "ON", "IPAddress 124.255.20.23", twice[0]),
        edge("URL http://124.255.20.23:51099/mozi.a", "ON", "IPAddress 124.255.20.23", twice[1]),
        *(edge("IPAddress 124.255.20.23", "ANNOUNCED_BY", "ASN AS4686", seen) for seen in twice),
    }
    assert node("IPAddress 124.255.20.23", country="JP") in found.nodes


def test_the_newest_state_of_a_url_that_is_listed_twice() -> None:
    rows = (
        '"2022-01-03 00:00:00","http://example.com/x","offline","malware_download","example.com","192.0.2.1","64500","JP"',
        '"2022-01-02 00:00:00","http://example.com/x","online","malware_download","example.com","192.0.2.1","64500","JP"',
    )
    found = told("urlhaus", "feeds_country", "JP", "\n".join(rows).encode())
    assert node("URL http://example.com/x", status="offline", tags=("malware_download",)) in found.nodes


def test_the_page_of_a_host() -> None:
    body = {"query_status": "ok", "urlhaus_reference": "https://urlhaus.abuse.ch/host/192.0.2.1/", "urls": []}
    found = told("urlhaus", "host", "192.0.2.1", json.dumps(body).encode())
    assert found.edges == {
        edge("IPAddress 192.0.2.1", "REPORTED_IN", "Report https://urlhaus.abuse.ch/host/192.0.2.1/")
    }


def test_what_a_url_gave() -> None:
    key = "http://cdn-update.example/lantern.exe"
    found = told("urlhaus", "url", key, sample("urlhaus", "url", key))
    other_seed = b"intel-grapher sample 5"
    other_md5 = f"Hash {md5(other_seed, usedforsecurity=False).hexdigest()}"
    other_sha256 = f"Hash {sha256(other_seed).hexdigest()}"
    assert found.nodes == {
        node(LURE, status="online", tags=("exe",)),
        node(
            SHA256, size=123456, file_type="exe", names=("lantern.exe",),
            imphash="68217517f5cda2c1741ec9d0ad6f94f4", ssdeep="96:abc:def", tlsh="T1C4A1",
        ),
        node(other_sha256, size=0, file_type="unknown"),
    }  # fmt: skip
    assert found.edges == {
        edge(LURE, "ON", "Domain cdn-update.example"),
        edge(LURE, "REPORTED_IN", LURE_PAGE, "2026-07-28T09:01:02Z"),
        edge(LURE, "DELIVERS", SHA256, "2026-07-28"),
        edge(LURE, "DELIVERS", other_sha256, "2026-08-02"),
        edge(min(MD5, SHA256), "SAME_FILE", max(MD5, SHA256)),
        edge(min(other_md5, other_sha256), "SAME_FILE", max(other_md5, other_sha256)),
        edge(SHA256, "DETECTED_AS", "Malware LanternLoader", "2026-07-28"),
    }


def test_the_fuzzy_digests_of_what_a_url_gave() -> None:
    key, file = "http://example.com/x", "a" * 64
    fuzzy = {"imphash": "c" * 32, "ssdeep": "3:a:b", "tlsh": "T1"}
    body = {"query_status": "ok", "url": key, "payloads": [{"response_sha256": file, "filename": "x.exe", **fuzzy}]}
    found = told("urlhaus", "url", key, json.dumps(body).encode())
    assert node(f"Hash {file}", names=("x.exe",), **fuzzy) in found.nodes
    assert found.edges == {
        edge(f"URL {key}", "ON", "Domain example.com"),
        edge(f"URL {key}", "DELIVERS", f"Hash {file}"),
    }
    assert found.rejects == set()


def test_a_dump_of_either_number_of_columns() -> None:
    found = told("urlhaus", "csv_recent", "recent", sample("urlhaus", "csv_recent", "recent"))
    older, older_page = "URL http://example.net/l", "Report https://urlhaus.abuse.ch/url/9000004/"
    assert found.nodes == {node(LURE, status="online", tags=("PaperLantern", "exe")), node(older, status="offline")}
    assert found.edges == {
        edge(LURE, "ON", "Domain cdn-update.example"),
        edge(older, "ON", "Domain example.net"),
        edge(LURE, "REPORTED_IN", LURE_PAGE, "2026-07-28T09:01:02Z"),
        edge(older, "REPORTED_IN", older_page, "2026-08-01T00:00:00Z"),
    }
    assert found.rejects == {("$[7]", '"9000005","cut', "not a URL")}


def test_a_sentence_in_place_of_a_list_is_a_failure() -> None:
    for endpoint in ("csv_recent", "feeds_country"):
        found = told("urlhaus", endpoint, "k", b"Too many connections")
        assert (found.nodes, found.edges) == (set(), set())
        assert found.rejects == {("", "Too many connections", "the service reports a failure")}
