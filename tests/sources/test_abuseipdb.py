"""AbuseIPDB: what replies tell, worked out by hand from their JSON."""

from __future__ import annotations

from replies import edge, fixture, node, told


def test_a_check() -> None:
    found = told("abuseipdb", "check", "198.51.100.100", fixture("abuseipdb/check/rapid7_check_ip_data.json"))
    address = "IPAddress 198.51.100.100"
    assert found.nodes == {
        node(
            address,
            abuse_score=100,
            country="CN",
            tags=("Data Center/Web Hosting/Transit",),
            last_seen="2018-12-20T20:55:14Z",
        )
    }
    provider = "Organization Tencent Cloud Computing (Beijing) Co. Ltd"
    assert found.edges == {edge(address, "OPERATED_BY", provider)}
    assert found.rejects == set()


def test_a_block_and_the_blacklist() -> None:
    block = told(
        "abuseipdb", "check-block", "198.51.100.0/24", fixture("abuseipdb/check-block/rapid7_check_cidr_data.json")
    )
    assert block.nodes == {
        node("Network 198.51.100.0/24"),
        node("IPAddress 198.51.100.100", abuse_score=11, country="CN", last_seen="2019-08-28T20:08:34Z"),
    }
    assert block.edges == {edge("IPAddress 198.51.100.100", "IN_NETWORK", "Network 198.51.100.0/24")}
    blacklist = told("abuseipdb", "blacklist", "all", fixture("abuseipdb/blacklist/rapid7_get_blacklist_data.json"))
    assert blacklist.nodes == {node(f"IPAddress 198.51.100.{last}", abuse_score=100) for last in (100, 101, 102)}


def test_an_error_is_no_answer() -> None:
    body = b'{"errors": [{"detail": "The ip address must be a valid IPv4 or IPv6 address.", "status": 422}]}'
    found = told("abuseipdb", "check", "192.0.2.1", body)
    assert (found.outcome, found.nodes, found.edges) == ("unreadable", set(), set())
