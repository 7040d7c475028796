"""What was asked for is a node wherever an answer says something, unless the key is but a file's name."""

import pytest
from replies import node, told

BODY = b'{"results":[{"task":{"url":"http://www.example.net/","uuid":"u1"},"page":{}}]}'


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("example.com", "Domain example.com"),
        ("_dmarc.example.com", "SubDomain _dmarc.example.com"),
    ],
)
def test_what_was_asked_for_is_a_node(key: str, named: str) -> None:
    found = told("urlscan", "search", key, BODY)
    names = {each for each in found.nodes if each[0].startswith(("Domain", "SubDomain"))}
    assert names == ({node(named)} if named else set())


def test_an_answer_of_rejects_alone_makes_no_node() -> None:
    found = told("urlscan", "search", "example.com", b'{"results":[]}')
    assert (found.outcome, found.nodes) == ("not found", set())
