from __future__ import annotations

import errno
import gzip
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from loopback import Answer, Loopback, found, loopback, source

from intel_grapher.errors import SourceError
from intel_grapher.fetch import http
from intel_grapher.fetch.http import Client
from intel_grapher.fetch.service import verdict_on
from intel_grapher.source import ApiKey, Request, Source

CANARY = "canary-5f3a/91+bc"
IN_QUERY = ApiKey("LOOPBACK_KEY", query="apikey")
IN_HEADER = ApiKey("LOOPBACK_KEY", header="X-Key", prefix="Bearer ")


def request_of(made: Source, key: str = "example.com") -> Request:
    return next(made.endpoints["names"].requests(key))


def ask(
    made: Source, secret: str = "", request: Request | None = None, max_body: int = http.MAX_BODY
) -> http.HttpReply:
    client = Client(made, max_body=max_body)
    try:
        return client.send(request or request_of(made), secret)
    finally:
        client.close()


def test_a_reply_comes_back_whole(service: Loopback) -> None:
    reply = ask(source(service.home))
    assert (reply.status, reply.body, reply.fault) == (200, found("192.0.2.1").body, "")
    assert service.asked[0].path == "/names"
    assert service.asked[0].query == {"q": "example.com"}


def test_one_connection_serves_many_requests(service: Loopback) -> None:
    ports: set[str] = set()
    service.script = lambda asked: ports.add(asked.headers["host"]) or found()  # type: ignore[func-returns-value]
    accepted = []
    accept = service.server.get_request
    service.server.get_request = lambda: (accepted.append(1), accept())[1]  # type: ignore[method-assign,func-returns-value]
    made = source(service.home)
    client = Client(made)
    for _ in range(5):
        assert not client.send(request_of(made)).fault
    client.close()
    assert len(accepted) == 1


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(b'{"found": true}', cut=4), http.CUT_SHORT),
        (Answer(raw=b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a"'), http.CUT_SHORT),
        (Answer(raw=b"not http at all\r\n\r\n"), http.NOT_HTTP),
        (Answer(raw=b""" """), http.NOT_HTTP),
        (Answer(b"not gzip", headers={"Content-Encoding": "gzip"}), http.BAD_ENCODING),
        (Answer(gzip.compress(b'{"found": true}')[:-1], headers={"Content-Encoding": "gzip"}), http.CUT_SHORT),
        (Answer(gzip.compress(b'{"found": true}')[:-9], headers={"Content-Encoding": "gzip"}), http.CUT_SHORT),
        (Answer(gzip.compress(b'{"found": true}')[:5], headers={"Content-Encoding": "gzip"}), http.CUT_SHORT),
        (Answer(zlib.compress(b'{"found": true}')[:-5], headers={"Content-Encoding": "deflate"}), http.CUT_SHORT),
        (Answer(gzip.compress(b"{}") + b"garbage", headers={"Content-Encoding": "gzip"}), ""),
        (Answer(b"", headers={"Content-Encoding": "gzip"}), ""),
        (Answer(status=302, headers={"Location": "http://192.0.2.7/names"}), http.REDIRECTED),
        (Answer(status=302, headers={"Location": "http://127.0.0.1:1/names"}), http.REDIRECTED),
        (Answer(status=302, headers={"Location": "//localhost/names"}), http.REDIRECTED),
        (Answer(status=301, headers={"Location": "file:///etc/passwd"}), http.REDIRECTED),
        (Answer(status=307, headers={"Location": "http://10.0.0.1/"}), http.REDIRECTED),
        (Answer(status=302, headers={"Location": "http://[::1"}), http.REDIRECTED),
    ],
)
def test_what_is_wrong_is_told_in_fixed_words(service: Loopback, answer: Answer, fault: str) -> None:
    service.script = lambda _: answer
    assert ask(source(service.home)).fault == fault
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("origin", "public"),
    [
        (("https", "192.0.32.10", 443), True),
        (("https", "2606:4700::1", 443), True),
        (("http", "192.0.32.10", 80), False),
        (("https", "192.0.32.10", 8443), False),
        (("https", "10.0.0.1", 443), False),
        (("https", "127.0.0.1", 443), False),
        (("https", "localhost", 443), False),
        (("https", "::1", 443), False),
        (("https", "fe80::1", 443), False),
        (("https", "169.254.169.254", 443), False),
        (None, False),
    ],
)
def test_only_public_addresses_by_https_may_be_forwarded_to(origin: tuple[str, str, int] | None, public: bool) -> None:  # noqa: FBT001
    assert http.is_public(origin) is public


def test_a_source_that_forwards_is_not_sent_to_private_addresses_either(service: Loopback) -> None:
    service.script = lambda _: Answer(status=302, headers={"Location": "https://127.0.0.1:443/names"})
    source = Source("registry", title="Registry", home=service.home, limits=(), forwards=True)
    client = http.Client(source)
    try:
        assert client.send(Request(f"{service.home}/x")).fault == http.REDIRECTED
    finally:
        client.close()
    with pytest.raises(SourceError, match="key"):
        Source("keyed", title="Keyed", home=service.home, limits=(), key=ApiKey("K", header="k"), forwards=True)


def test_a_redirect_within_the_service_is_told_without_the_key(service: Loopback) -> None:
    moved = Answer(status=301, headers={"Location": f"/new?q=example.com&apikey={CANARY}"})
    service.script = lambda _: moved
    reply = ask(source(service.home, key=IN_QUERY), CANARY)
    assert reply.redirect == f"{service.home}/new?q=example.com"
    assert not reply.fault


def test_no_one_there() -> None:
    with loopback() as gone:
        home = gone.home
    refused = ask(source(home))
    assert (refused.fault, refused.sent) == (http.NO_CONNECTION, False)
    nowhere = ask(source("http://nowhere.invalid"))
    assert nowhere.fault in {http.NO_NAME, http.NO_CONNECTION, http.NO_RESOLVER}
    assert not nowhere.sent


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (errno.ENETUNREACH, http.NO_ROUTE),
        (errno.ENETDOWN, http.NO_ROUTE),
        (errno.ECONNREFUSED, http.NO_CONNECTION),
        (errno.EHOSTUNREACH, http.NO_CONNECTION),
    ],
)
def test_a_fault_on_this_side_is_told_from_one_on_the_other(
    service: Loopback, monkeypatch: pytest.MonkeyPatch, number: int, fault: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "refused by the test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    reply = ask(source(service.home))
    assert (reply.fault, reply.sent) == (fault, False)
    assert (fault in http.OWN_SIDE) == (fault == http.NO_ROUTE)


@pytest.mark.parametrize("answer", [Answer(status=500), Answer(b"{}", cut=1), Answer(raw=b"?")])
def test_what_has_reached_the_service_was_sent(service: Loopback, answer: Answer) -> None:
    service.script = lambda _: answer
    assert ask(source(service.home)).sent


def test_slow_answers_time_out(service: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_SECONDS", 0.2)
    service.script = lambda _: Answer(delay=1.0)
    assert ask(source(service.home)).fault == http.TIMED_OUT


def test_an_endless_body_is_given_up(service: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "WHOLE_SECONDS", 0.3)
    service.script = lambda _: Answer(b"{", drip=b" ")
    started = time.monotonic()
    assert ask(source(service.home)).fault == http.TOO_SLOW
    assert time.monotonic() - started < 60  # and not for ever


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, gzip"])
def test_a_bomb_is_stopped_under_a_fixed_memory(service: Loopback, encoding: str) -> None:
    bomb = bytes(200 << 20)
    packed = zlib.compress(bomb) if encoding == "deflate" else gzip.compress(bomb, 1)
    del bomb
    if encoding == "gzip, gzip":
        packed = gzip.compress(packed)
    service.script = lambda _: Answer(packed, headers={"Content-Encoding": encoding})
    tracemalloc.start()
    try:
        reply = ask(source(service.home), max_body=4 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reply.fault == http.TOO_LARGE
    assert peak < 32 << 20


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End what takes longer than 0.3 seconds, as a fetch does while its threads wait."""
    monkeypatch.setattr(http, "WHOLE_SECONDS", 0.3)
    over = threading.Event()

    def now_and_then() -> None:
        while not over.wait(0.05):
            http.hang_up_on_the_slow()

    watching = threading.Thread(target=now_and_then)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


@pytest.mark.parametrize("drip", [b"X", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("home", ["", "http://service.example", "https://service.example"])
def test_an_endless_head_is_given_up_through_a_proxy_too(
    service: Loopback, monkeypatch: pytest.MonkeyPatch, drip: bytes, home: str
) -> None:
    """By a proxy the head of its answer to CONNECT may drip as well."""
    if home:
        through(service, monkeypatch)
    service.script = lambda _: Answer(raw=drip, drip=drip)
    with watched(monkeypatch):
        reply = ask(source(home or service.home))
    assert reply.fault == (http.PROXY if home.startswith("https") and drip != b"X" else http.TOO_SLOW)


def test_an_endless_tls_handshake_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends one byte of a TLS record's header after the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            accepted, _ = server.accept()
            with accepted, suppress(OSError):
                accepted.sendall(b"\x16\x03\x03\x40\x00")
                while True:
                    accepted.sendall(b"\x02")
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        with watched(monkeypatch):
            reply = ask(source(f"https://127.0.0.1:{server.getsockname()[1]}"))
    assert reply.fault == http.TOO_SLOW


def test_what_drips_is_not_asked_again() -> None:
    made = source("http://service.example")
    for status in (0, 200, 503):
        verdict = verdict_on(made.endpoints["names"], http.HttpReply(status, b"{", fault=http.TOO_SLOW))
        assert (verdict.is_answer, verdict.is_transient) == (False, False)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 404 Not Fo",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Len",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No",
    ],
)
@pytest.mark.parametrize("proxied", [False, True])
def test_a_reply_that_ends_in_its_head_is_a_failure(
    service: Loopback, monkeypatch: pytest.MonkeyPatch, head: bytes, *, proxied: bool
) -> None:
    if proxied:
        through(service, monkeypatch)
    service.script = lambda _: Answer(raw=head)
    reply = ask(source("http://service.example" if proxied else service.home))
    assert (reply.status, reply.fault) == (0, http.CUT_SHORT)


@pytest.mark.parametrize("key", [IN_QUERY, IN_HEADER])
@pytest.mark.parametrize("whole", [False, True])
def test_a_quoted_key_that_the_replys_end_cuts_is_taken_out(service: Loopback, key: ApiKey, *, whole: bool) -> None:
    for size in range(3 if not whole else 6, len(CANARY) + 1):
        body = f'{{"you": "{CANARY}", "again": "{CANARY[:size]}'.encode()
        service.script = lambda _, body=body: Answer(body if whole else body + b" " * 9, cut=0 if whole else 9)  # type: ignore[misc]
        reply = ask(source(service.home, key=key), CANARY)
        assert reply.body == b'{"you": "[key]", "again": "[key]'
        assert bool(reply.fault) != whole


@pytest.mark.parametrize("drip", [b"X"])
def test_after_one_that_drips_the_next_one_is_answered(
    service: Loopback, monkeypatch: pytest.MonkeyPatch, drip: bytes
) -> None:
    service.script = lambda _: Answer(raw=drip, drip=drip)
    started = time.monotonic()
    with watched(monkeypatch):
        assert ask(source(service.home)).fault == http.TOO_SLOW
    assert time.monotonic() - started < 60  # and not for ever


def test_certificates_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    pem, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(pem)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    with loopback() as secure:
        secure.server.socket = context.wrap_socket(secure.server.socket, server_side=True)
        home = f"https://localhost:{secure.server.server_port}"
        assert ask(source(home)).fault == http.NOT_TRUSTED
        assert secure.asked == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
        assert ask(source(home)).status == 200
        assert ask(source(home.replace("localhost", "127.0.0.1"))).fault == http.NOT_TRUSTED  # another name


def test_a_plain_endless_body_is_stopped(service: Loopback) -> None:
    service.script = lambda _: Answer(b"{", drip=b" " * 65536)
    assert ask(source(service.home), max_body=1 << 20).fault == http.TOO_LARGE


def test_a_compressed_reply_is_read(service: Loopback) -> None:
    service.script = lambda _: Answer(gzip.compress(b'{"found": true}'), headers={"Content-Encoding": "gzip"})
    assert ask(source(service.home)).body == b'{"found": true}'


@pytest.mark.parametrize("key", [IN_QUERY, IN_HEADER])
def test_the_key_is_sent_and_seen_nowhere(service: Loopback, key: ApiKey, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    service.script = lambda asked: Answer(
        repr((asked.query, asked.headers)).encode(), 500, {"X-Echo": asked.query.get("apikey", CANARY)}
    )
    made = source(service.home, key=key)
    reply = ask(made, CANARY)
    sent = service.asked[0]
    assert sent.query.get("apikey") == CANARY if key.query else sent.headers["x-key"] == f"Bearer {CANARY}"
    shown = repr(reply) + caplog.text + repr(made) + repr(request_of(made))
    assert "canary" not in shown
    assert "[key]" in reply.body.decode()


@pytest.mark.parametrize("key", [IN_QUERY, IN_HEADER])
def test_the_key_is_in_no_fault(key: ApiKey, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with loopback() as gone:
        home = gone.home
    for secret in (CANARY, f"{CANARY}\r\nInjected: yes", f"{CANARY}é"):
        reply = ask(source(home, key=key), secret)
        assert reply.fault
        assert "canary" not in repr(reply) + caplog.text


def test_credentials_in_netrc_are_not_taken(
    service: Loopback, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    ask(source(service.home))
    assert "authorization" not in service.asked[0].headers


def through(proxy: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a service a proxy, by the usual variables."""
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", proxy.home)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


def test_proxies_come_from_the_usual_variables(service: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    through(service, monkeypatch)
    ask(source("http://service.example"))
    assert service.asked[0].headers["host"] == "service.example"


def test_a_proxy_that_is_not_there_has_passed_nothing_on(service: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback() as gone:
        monkeypatch.setenv("http_proxy", gone.home)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    reply = ask(source("http://service.example"))
    assert (reply.fault, reply.sent, service.asked) == (http.PROXY, False, [])


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/names",
        "http://127.0.0.1@192.0.2.1/names",
        "HOME/../names",
        "HOME/%2e%2e/names",
        "ftp://127.0.0.1/names",
        "http://[::1/names",
    ],
)
def test_nothing_leaves_for_elsewhere(service: Loopback, url: str) -> None:
    made = source(service.home)
    reply = ask(made, request=replace(request_of(made), url=url.replace("HOME", service.home)))
    assert reply.fault == http.CANT_SEND
    assert service.asked == []


def test_a_home_that_is_no_url_is_refused() -> None:
    for home in ("service.example", "ftp://service.example", "http://user:secret@service.example"):
        with pytest.raises(SourceError):
            Client(source(home))
