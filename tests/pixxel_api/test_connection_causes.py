"""Each cause of a failed connection has its own line, with the host and port that it concerns."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import pytest
import trustme

import pixxel_api.client as client_module
from pixxel_api import errors, retry
from pixxel_api.client import Client, RequestLog
from tests.pixxel_api.network_faults import (
    BUFFER_BYTES,
    connect_proxy,
    fill_backlog,
    find_dead_port,
    send_nothing,
    serve_connections,
    socks_proxy,
)
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.pixxel_api.test_client import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PASSWORD = "proxy-s3cret"
API = "https://api.invalid"
API_PEER = "api.invalid:443"
AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("127.0.0.1")
PAST = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Network:
    """What a case sets up; everything is closed after the test.

    Attributes:
        folder: A folder for files.
        variables: Environment variables of the case.
        request_timeout: Seconds; few where the case waits for them.
    """

    stack: ExitStack
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    request_timeout: float = 30.0

    def serve(self, *scripts: bytes | None, **options: object) -> ScriptedServer:
        return self.stack.enter_context(ScriptedServer(*scripts, **options))  # type: ignore[arg-type]  # by name

    def listen(self, handle: Callable[[socket.socket], None]) -> str:
        return self.stack.enter_context(serve_connections(handle))

    def trust(self, content: bytes | None = None) -> None:
        """Set the file of trusted authorities; by default it has the one of the tests."""
        path = self.folder / "authority.pem"
        path.write_bytes(AUTHORITY.cert_pem.bytes() if content is None else content)
        self.variables["REQUESTS_CA_BUNDLE"] = str(path)

    def set_proxy(self, peer: str, scheme: str = "http") -> None:
        self.variables["HTTPS_PROXY"] = f"{scheme}://user:{PASSWORD}@{peer}"


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)
    with ExitStack() as stack:
        yield Network(stack, tmp_path)


def refuse(_: Network) -> tuple[str, str]:
    peer = f"127.0.0.1:{find_dead_port()}"
    return f"http://{peer}", peer


def reset(network: Network) -> tuple[str, str]:
    server = network.serve(None, reset=True)
    return server.url, server.peer


def close(network: Network) -> tuple[str, str]:
    server = network.serve(None)
    return server.url, server.peer


def close_in_body(network: Network) -> tuple[str, str]:
    server = network.serve(answer(body=b'{"a"', length=99))
    return server.url, server.peer


def stay_silent(network: Network) -> tuple[str, str]:
    network.request_timeout = 0.2
    peer = network.listen(send_nothing)
    return f"http://{peer}", peer


def accept_nothing(network: Network) -> tuple[str, str]:
    network.request_timeout = 0.2
    peer = network.stack.enter_context(fill_backlog())
    return f"http://{peer}", peer


def reject_any_bytes(connection: socket.socket) -> None:
    connection.recv(BUFFER_BYTES)
    connection.sendall(answer(400))


def speak_plain_http(network: Network) -> tuple[str, str]:
    peer = network.listen(reject_any_bytes)
    return f"https://{peer}", peer


def speak_ssh(network: Network) -> tuple[str, str]:
    server = network.serve(b"SSH-2.0-OpenSSH_9.6\r\n")
    return server.url, server.peer


def untrusted(network: Network) -> tuple[str, str]:
    server = network.serve(answer(), tls=CERTIFICATE)
    return server.url, server.peer


def expired(network: Network) -> tuple[str, str]:
    network.trust()
    old = AUTHORITY.issue_cert("127.0.0.1", not_before=PAST.replace(year=2019), not_after=PAST)
    server = network.serve(answer(), tls=old)
    return server.url, server.peer


def of_another_host(network: Network) -> tuple[str, str]:
    network.trust()
    server = network.serve(answer(), tls=AUTHORITY.issue_cert("10.0.0.1"))
    return server.url, server.peer


def missing_bundle(network: Network) -> tuple[str, str]:
    network.variables["REQUESTS_CA_BUNDLE"] = str(network.folder / "missing.pem")
    return untrusted(network)


def invalid_bundle(network: Network) -> tuple[str, str]:
    network.trust(b"no certificate")
    return untrusted(network)


def dead_proxy(network: Network) -> tuple[str, str]:
    network.set_proxy(peer := f"127.0.0.1:{find_dead_port()}")
    return API, f"the proxy {peer}"


def misspelt_proxy(network: Network) -> tuple[str, str]:
    network.set_proxy("prxy.invalid:3128")
    return API, "the proxy prxy.invalid:3128"


def unknown_scheme_of_proxy(network: Network) -> tuple[str, str]:
    network.set_proxy("127.0.0.1:3128", "htp")
    return API, "the proxy 127.0.0.1:3128"


def proxy_without_port_number(network: Network) -> tuple[str, str]:
    network.set_proxy("127.0.0.1:port")
    return API, "HTTPS_PROXY"


def silent_proxy(network: Network) -> tuple[str, str]:
    _, peer = stay_silent(network)
    network.set_proxy(peer)
    return API, f"{API_PEER} (through the proxy {peer})"


def proxy_without_tls(network: Network) -> tuple[str, str]:
    network.set_proxy(peer := network.listen(reject_any_bytes), "https")
    return API, f"the proxy {peer}"


def proxy_with_other_password(network: Network) -> tuple[str, str]:
    network.set_proxy(peer := network.listen(connect_proxy("another")))
    return API, f"the proxy {peer}"


def forwarding_proxy_with_other_password(network: Network) -> tuple[str, str]:
    peer = network.serve(answer(407)).peer
    network.variables["HTTP_PROXY"] = f"http://user:{PASSWORD}@{peer}"
    return "http://api.invalid", f"the proxy {peer}"


def proxy_without_route(network: Network) -> tuple[str, str]:
    network.set_proxy(peer := network.serve(answer(502)).peer)
    return API, f"the proxy {peer}"


def proxy_that_forbids(network: Network) -> tuple[str, str]:
    network.set_proxy(peer := network.serve(answer(403)).peer)
    return API, f"the proxy {peer}"


def untrusted_behind_proxy(network: Network) -> tuple[str, str]:
    server = network.serve(answer(), tls=CERTIFICATE)
    network.set_proxy(peer := network.listen(connect_proxy(PASSWORD)))
    return server.url, f"{server.peer} (through the proxy {peer})"


def dead_socks_proxy(network: Network) -> tuple[str, str]:
    network.set_proxy(peer := f"127.0.0.1:{find_dead_port()}", "socks5h")
    return API, f"the proxy {peer}"


def socks_proxy_without_route(network: Network) -> tuple[str, str]:
    network.set_proxy(peer := network.listen(socks_proxy(0, status=5)), "socks5h")
    return API, f"the proxy {peer}"


def socks_proxy_with_other_password(network: Network) -> tuple[str, str]:
    network.set_proxy(peer := network.listen(socks_proxy(255, status=0)), "socks5h")
    return API, f"the proxy {peer}"


class Case(NamedTuple):
    """A failed connection.

    Attributes:
        set_up: Returns the base URL, and how the error must name the failed host and port (`peer`).
        error_class: The class of the error.
        text: Part of the error.
    """

    set_up: Callable[[Network], tuple[str, str]]
    error_class: type[errors.ApiError]
    text: str


CLOSED = "closed the connection before the response was complete"
TEMPORARY = [
    Case(refuse, errors.ConnectError, "{peer} refused the connection; check the setting 'api_url'"),
    Case(reset, errors.ConnectError, "{peer} reset the connection"),
    Case(close, errors.ConnectError, f"{{peer}} {CLOSED}"),
    Case(close_in_body, errors.ConnectError, f"{{peer}} {CLOSED}"),
    Case(stay_silent, errors.RequestTimeout, "timed out waiting for {peer}; "),
    Case(accept_nothing, errors.ConnectError, "timed out connecting to {peer}; check the firewall"),
    Case(dead_proxy, errors.ConnectError, "{peer} refused the connection; check HTTPS_PROXY"),
    Case(silent_proxy, errors.RequestTimeout, "timed out waiting for {peer}; "),
    Case(
        proxy_without_route,
        errors.ConnectError,
        f"{{peer}} returned 502 to a connection with {API_PEER}",
    ),
    Case(dead_socks_proxy, errors.ConnectError, "{peer} refused the connection; check HTTPS_PROXY"),
    Case(
        socks_proxy_without_route,
        errors.ConnectError,
        f"{{peer}} does not connect to {API_PEER} (Socket error: 0x05: Connection refused)",
    ),
]
PERMANENT = [
    Case(
        speak_plain_http,
        errors.AddressError,
        "{peer} does not speak TLS; check the port in the setting 'api_url', or use http://",
    ),
    Case(speak_ssh, errors.AddressError, "the response of {peer} is not HTTP; check the port"),
    Case(
        untrusted,
        errors.TlsError,
        "the certificate of {peer} is not trusted (unable to get local issuer certificate)",
    ),
    Case(
        expired,
        errors.TlsError,
        "the certificate of {peer} is not trusted (certificate has expired)",
    ),
    Case(
        of_another_host,
        errors.TlsError,
        "the certificate of {peer} is not trusted (IP address mism",
    ),
    Case(missing_bundle, errors.TlsError, "REQUESTS_CA_BUNDLE names no file, so that {peer} "),
    Case(invalid_bundle, errors.TlsError, "TLS with {peer} failed (NO_CERTIFICATE_OR_CRL_FOUND)"),
    Case(misspelt_proxy, errors.ConnectError, "cannot resolve the host name of {peer} ("),
    Case(unknown_scheme_of_proxy, errors.ProxyError, "{peer} has an unknown scheme; use http://"),
    Case(
        proxy_without_port_number,
        errors.ProxyError,
        "{peer} must be a URL such as http://host:3128",
    ),
    Case(
        proxy_without_tls,
        errors.AddressError,
        "{peer} does not speak TLS; check the port in HTTPS_PROXY, or use http:// there",
    ),
    Case(
        proxy_with_other_password,
        errors.ProxyError,
        "{peer} requires valid credentials (407); set HTTPS_PROXY to http://user:password@",
    ),
    Case(
        forwarding_proxy_with_other_password,
        errors.ProxyError,
        "{peer} requires valid credentials (407); set HTTP_PROXY to http://user:password@",
    ),
    Case(
        proxy_that_forbids,
        errors.ProxyError,
        f"{{peer}} returned 403 to a connection with {API_PEER}",
    ),
    Case(untrusted_behind_proxy, errors.TlsError, "the certificate of {peer} is not trusted ("),
    Case(
        socks_proxy_with_other_password,
        errors.ProxyError,
        f"{{peer}} does not connect to {API_PEER} (Socket error: All offered SOCKS5",
    ),
]


def send_and_fail(
    network: Network, url: str, monkeypatch: pytest.MonkeyPatch, *, retry_once: bool
) -> errors.ApiError:
    """Send a request that must fail, after one retry or none; return the error."""
    for name, value in network.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(retry, "_BACKOFF", lambda _: 0.0)
    monkeypatch.setattr(Client, "_stop_retrying", lambda _self, state: state.attempt_number > 1)
    requests: list[RequestLog] = []
    client = Client(
        TOKEN,
        url=url,
        user_agent="tests/1",
        request_timeout=network.request_timeout,
        on_request=requests.append,
    )
    with pytest.raises(errors.ApiError) as caught:
        client.send_with_retries("GET", "/v0/orders", params={"q": "s3cret"})
    client.close()
    assert len(requests) == 1 + retry_once
    assert "s3cret" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("case", TEMPORARY, ids=[each.set_up.__name__ for each in TEMPORARY])
def test_temporary_cause_is_named_in_retry_warning_and_error(
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    case: Case,
) -> None:
    url, peer = case.set_up(network)
    with caplog.at_level(logging.WARNING, retry.__name__):
        error = send_and_fail(network, url, monkeypatch, retry_once=True)
    assert type(error) is case.error_class
    assert case.text.format(peer=peer) in str(error)
    assert caplog.messages == [f"{error}; retrying in 0.0 s"]


@pytest.mark.parametrize("case", PERMANENT, ids=[each.set_up.__name__ for each in PERMANENT])
def test_permanent_cause_fails_at_once(
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    case: Case,
) -> None:
    monkeypatch.setattr(socket, "EAI_AGAIN", socket.EAI_NONAME)  # without a DNS server
    url, peer = case.set_up(network)
    error = send_and_fail(network, url, monkeypatch, retry_once=False)
    assert isinstance(error, case.error_class)
    assert case.text.format(peer=peer) in str(error)


@pytest.mark.parametrize(
    ("code", "error_class", "is_retried"),
    [
        (socket.EAI_NONAME, errors.AddressError, False),
        (socket.EAI_AGAIN, errors.ConnectError, True),
    ],
)
def test_dns_failure_is_retried_if_temporary(
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    error_class: type[errors.ApiError],
    *,
    is_retried: bool,
) -> None:
    """A real DNS server would decide which of the two a test gets."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    error = send_and_fail(network, API, monkeypatch, retry_once=is_retried)
    assert type(error) is error_class
    assert f"cannot resolve the host name of {API_PEER} (Name or service not known)" in str(error)


def test_dns_failure_after_response_is_retried(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host exists, so that its name will be resolved again."""
    server = network.serve(answer())
    client = Client(TOKEN, url=server.url, user_agent="tests/1")
    client.send_with_retries("GET", "/v0/orders")
    resolve, failures = socket.getaddrinfo, [socket.gaierror(socket.EAI_NONAME, "not known")]

    def fail_once(*args: object, **options: object) -> object:
        if failures:
            raise failures.pop()
        return resolve(*args, **options)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(socket, "getaddrinfo", fail_once)
    monkeypatch.setattr(retry, "_BACKOFF", lambda _: 0.0)
    client.send_with_retries("GET", "/v0/orders")
    assert not failures
    assert len(server.requests) == 2


def test_socks_proxy_without_its_package_fails_at_once() -> None:
    code = (
        "import sys\n"
        "sys.modules['socks'] = None\n"
        "from pixxel_api.client import Client\n"
        "from pixxel_api.errors import ProxyError\n"
        "try:\n"
        f"    Client('t', url='{API}', user_agent='t').send_with_retries('GET', '/ping')\n"
        "except ProxyError as error:\n"
        "    print(error)\n"
    )
    environment = {"ALL_PROXY": f"socks5h://user:{PASSWORD}@127.0.0.1:1080"}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert result.stdout == (
        "GET /ping: the proxy 127.0.0.1:1080 needs the package for SOCKS: "
        "pip install 'requests[socks]'\n"
    )
    assert result.stderr == ""


def test_proxy_and_private_authority_work_as_set(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the faults above could be those of the test's own servers."""
    server = network.serve(answer(), tls=CERTIFICATE)
    network.trust()
    network.set_proxy(network.listen(connect_proxy(PASSWORD)))
    for name, value in network.variables.items():
        monkeypatch.setenv(name, value)
    client = Client(TOKEN, url=server.url, user_agent="tests/1")
    client.send_with_retries("GET", "/v0/orders")
    client.close()
    assert len(server.requests) == 1


def test_first_connection_is_retried_for_a_short_time_only(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "FIRST_CONNECT_DEADLINE", 0.0)
    url, _ = refuse(network)
    requests: list[RequestLog] = []
    client = Client(TOKEN, url=url, user_agent="tests/1", on_request=requests.append)
    with pytest.raises(errors.ConnectError):
        client.send_with_retries("GET", "/v0/orders")
    assert len(requests) == 1
