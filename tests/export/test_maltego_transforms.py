"""Local transforms, run as Maltego runs them: the configuration's command, its parameters, a value, fields."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from command import Desk, Ran
from hypothesis import given as generated
from hypothesis import settings
from hypothesis import strategies as st
from maltego_trx.maltego import MaltegoMsg

from intel_grapher import maltego
from intel_grapher.ask import saved as queries
from intel_grapher.ask.saved import Parameter, Saved
from intel_grapher.model import NodeRef

Links = dict[tuple[str, str, str], dict[str, str]]


@pytest.fixture(scope="module")
def desk(site: Path) -> Desk:
    return Desk(site)


def message(ran: Ran) -> tuple[Links, list[str]]:
    """Return entities by type, value and link, with their fields; and the messages."""
    assert ran.code == 0, ran.err
    root = ET.fromstring(ran.out)  # noqa: S314 - of what we made ourselves
    found: Links = {}
    for each in root.iter("Entity"):
        fields = {str(field.get("Name")): field.text or "" for field in each.iter("Field")}
        found[str(each.get("Type")), each.findtext("Value") or "", fields["link#maltego.link.label"]] = fields
    return found, [f"{each.get('MessageType')}: {each.text}" for each in root.iter("UIMessage")]


def test_what_is_around_an_entity(desk: Desk) -> None:
    found, told = message(desk.run("maltego", "around", "--", "invoice-portal[.]example", "fqdn=x"))
    link = found["maltego.IPv4Address", "192.0.2.10", "RESOLVES"]
    assert link[maltego.NODE] == "IPAddress:192.0.2.10"
    assert link["link#intel-grapher.first_seen"].startswith("2026-04-11")
    assert (
        found["maltego.EmailAddress", "billing@invoice-portal.example", "OWNS"]["link#maltego.link.direction"]
        == "output-to-input"
    )
    assert "Inform: Domain invoice-portal.example: suspicious" in told


def test_the_field_of_an_entity_names_its_very_node(desk: Desk) -> None:
    (_, name, _), fields = next(
        (key, it)
        for key, it in message(desk.run("maltego", "around", "--", "d195ce778dcb3eb032f7122fffaaca94"))[0].items()
        if it[maltego.NODE].startswith("Malware:")
    )
    escaped = fields[maltego.NODE].replace("\\", "\\\\").replace("#", "\\#").replace("=", "\\=")
    found, _ = message(desk.run("maltego", "around", "--", "another value", f"a=1#{maltego.NODE}={escaped}"))
    assert ("maltego.Hash", "d195ce778dcb3eb032f7122fffaaca94", "DETECTED_AS") in found, name


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["around", "--", "nowhere.example"], "not in the graph"),
        (["around", "--", "-x"], "not in the graph"),
        (["around", "--db", "none", "--", "example.com"], "no graph"),
        (["plan", "--", "Paper Lantern"], "no source can be asked about"),
        (["query", "none", "--", "example.com"], "no saved query"),
        (["query", "hubs", "--", "example.com"], "not about one thing"),
        (["query", "co-hosted", "--", "not a name"], "name="),
    ],
)
def test_what_goes_wrong_is_a_message_for_maltego(desk: Desk, arguments: list[str], says: str) -> None:
    found, told = message(desk.run("maltego", *arguments))
    assert found == {}
    assert told[0].startswith("FatalError: ")
    assert says in told[0]


def test_a_plan_asks_nothing_and_an_answer_that_is_kept_is_shown(desk: Desk, tmp_path: Path) -> None:
    assert "0 requests: none; " in message(desk.run("maltego", "plan", "-s", "threatcrowd", "--", "example.com"))[1][0]
    own = Desk(tmp_path / "own")
    shutil.copytree(desk.folder, own.folder)
    found, told = message(own.run("maltego", "ask", "-s", "threatcrowd", "--requests", "0", "--", "example.com"))
    assert ("maltego.IPv4Address", "198.51.100.23", "RESOLVES") in found
    assert told


def test_a_saved_query_gives_the_nodes_that_its_rows_name(desk: Desk) -> None:
    found, told = message(desk.run("maltego", "query", "registrant-pivot", "--", "example.com"))
    assert ("maltego.Domain", "cdn-update.example", "registrant-pivot") in found
    assert told[0].startswith("Inform: registrant-pivot: ")


def test_maltego_runs_what_the_configuration_says(desk: Desk, tmp_path: Path) -> None:
    ran = desk.run("maltego", "config", "-o", str(tmp_path / "made.mtz"))
    assert ran.code == 0, ran.err
    with zipfile.ZipFile(tmp_path / "made.mtz") as archive:
        parts = {name: ET.fromstring(archive.read(name)) for name in archive.namelist()}  # noqa: S314 - our own
    names = {str(each.get("name")) for each in parts["Servers/Local.tas"].iter("Transform")}
    assert names == {str(each.get("name")) for each in parts["TransformSets/intel-grapher.set"].iter("Transform")}
    assert {f"TransformRepositories/Local/{name}.transform{end}" for name in names for end in ("", "settings")} <= set(
        parts
    )
    assert "intelgrapher.query.co-hosted.Domain" in names
    assert "intelgrapher.query.co-hosted.Hash" not in names
    assert "intelgrapher.query.hubs.Unknown" not in names
    told_of = parts["TransformRepositories/Local/intelgrapher.query.co-hosted.Domain.transformsettings"]
    told = {str(each.get("name")).rpartition(".")[2]: each.text or "" for each in told_of.iter("Property")}
    assert told["working-directory"] == str(desk.folder)
    command = [told["command"], *shlex.split(told["parameters"]), "example.com", "fqdn=example.com#whois-info="]
    done = subprocess.run(
        command, cwd=told["working-directory"], env=desk.environment, capture_output=True, text=True, check=True
    )
    assert ("maltego.Domain", "cdn-update.example", "co-hosted") in message(Ran(0, done.stdout, done.stderr))[0]


def test_a_query_of_ones_own_takes_any_entity() -> None:
    own = Saved("own", "Mine.", "MATCH (n) RETURN n", (Parameter("what", "a text"),))
    assert [(each.takes, each.words) for each in maltego.transforms([own])[3:]] == [(maltego.ANY, ("query", "own"))]
    assert len({each.name for each in maltego.transforms(queries.saved().values())}) == len(
        maltego.transforms(queries.saved().values())
    )


@generated(st.text(max_size=60), st.text(max_size=90))
def test_any_value_and_any_fields_are_read(value: str, fields: str) -> None:
    read = maltego.given(value, fields)
    assert read.value == value
    assert "" not in read.fields or "=" in fields


@generated(
    st.dictionaries(st.from_regex(r"[a-z.]{1,9}", fullmatch=True), st.text(st.characters(codec="utf-8"), max_size=20))
)
def test_fields_are_read_as_maltego_writes_them(fields: dict[str, str]) -> None:
    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace("#", "\\#").replace("=", "\\=")

    written = "#".join(f"{name}={escaped(value)}" for name, value in fields.items())
    assert maltego.given("x", written).fields == fields


@settings(max_examples=50)
@generated(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_no_text_breaks_the_message_or_is_markup(key: str, link: str, told: str) -> None:
    response = maltego.Response()
    response.add(NodeRef("Malware", key), link, told={"note": told})
    response.say(told)
    root = ET.fromstring(response.text())  # noqa: S314 - of what we made ourselves
    shown = next(root.iter("Label")).text or ""
    assert "<" not in shown.replace("<br/>", "")
    entity = ET.tostring(next(root.iter("Entity")), encoding="unicode")
    assert MaltegoMsg(f"<a>{entity}<Limits SoftLimit='12'/></a>").Type == "maltego.Phrase"
