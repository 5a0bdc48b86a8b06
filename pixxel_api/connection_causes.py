"""Causes of failed connections: which host and port failed, the server's or its proxy's, and why.

The exceptions of the HTTP libraries quote queries, and proxies with their passwords. So their texts
are not passed on, only what the system and OpenSSL say about an error.
"""

from __future__ import annotations

import errno
import http.client
import os
import re
import socket
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import requests
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import exceptions
from urllib3.util import Url, parse_url

from pixxel_api.errors import (
    AddressError,
    ApiError,
    ConnectError,
    InvalidBody,
    ProxyError,
    RequestTimeout,
    TlsError,
    error_class_for,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_DEFAULT_PORTS = {"https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
_PROXY_SCHEMES = frozenset({"http", *_DEFAULT_PORTS})
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_TUNNEL_STATUS = re.compile(r"Tunnel connection failed: (\d{3})\b")
_PROXY_EXCEPTIONS = (exceptions.ProxyError, exceptions.LocationParseError, socket.gaierror)
"""What shows that the proxy cannot be connected to; a proxy resolves the server's host name."""


class Cause(NamedTuple):
    """Why a request failed; the text contains no secret."""

    error_class: type[ApiError]
    text: str


class _Proxy(NamedTuple):
    """The proxy of a request.

    Attributes:
        url: Its URL; without a host if it is invalid.
        name: How texts name it, with its host and port.
        setting: The environment variable that sets it.
    """

    url: Url
    name: str
    setting: str


class _Rule(NamedTuple):
    """The cause that an exception shows.

    Attributes:
        exceptions: Its classes.
        error_class: The class of the error to raise.
        text: The cause: `{peer}` has the host and port, `{setting}` is where they are set, and
            `{detail}` what the system or OpenSSL says.
        codes: Its `reason` (OpenSSL) or `errno`; empty for any.
    """

    exceptions: type[BaseException] | tuple[type[BaseException], ...]
    error_class: type[ApiError]
    text: str
    codes: Collection[str | int | None] = ()


_RULES = (
    _Rule(
        (
            exceptions.LocationValueError,
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
            UnicodeError,  # of the encoding of host names
        ),
        AddressError,
        "the URL of {peer} is invalid; check {setting}",
    ),
    # DNS
    _Rule(
        socket.gaierror,
        ConnectError,
        "cannot resolve the host name of {peer} ({detail}); check the DNS server",
        {socket.EAI_AGAIN},
    ),
    _Rule(
        socket.gaierror,
        AddressError,
        "cannot resolve the host name of {peer} ({detail}); check {setting}",
    ),
    # Connection
    _Rule(ConnectionRefusedError, ConnectError, "{peer} refused the connection; check {setting}"),
    _Rule(
        exceptions.ConnectTimeoutError,
        ConnectError,
        "timed out connecting to {peer}; check the firewall and {setting}",
    ),
    # TLS
    _Rule(
        ssl.SSLCertVerificationError,
        TlsError,
        "the certificate of {peer} is not trusted ({detail}); check {setting}, and "
        "REQUESTS_CA_BUNDLE if its authority is a private one",
    ),
    _Rule(
        ssl.SSLError,
        AddressError,
        "{peer} does not speak TLS; check the port in {setting}, or use http:// there",
        {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"},
    ),
    _Rule(
        (
            http.client.IncompleteRead,
            http.client.RemoteDisconnected,
            ssl.SSLEOFError,
            ssl.SSLZeroReturnError,
        ),
        ConnectError,
        "{peer} closed the connection before the response was complete",
    ),
    _Rule(
        ssl.SSLError,
        TlsError,
        "TLS with {peer} failed ({detail}); check {setting}, and REQUESTS_CA_BUNDLE if it is set",
    ),
    # Response
    _Rule(
        (TimeoutError, exceptions.TimeoutError),
        RequestTimeout,
        "timed out waiting for {peer}; check the network, or raise the setting 'request_timeout'",
    ),
    _Rule(
        (ConnectionResetError, ConnectionAbortedError, BrokenPipeError),
        ConnectError,
        "{peer} reset the connection",
    ),
    _Rule(
        (http.client.HTTPException, exceptions.InvalidHeader),
        AddressError,
        "the response of {peer} is not HTTP; check the port in {setting}",
    ),
    _Rule(
        exceptions.DecodeError,
        InvalidBody,
        "the response of {peer} cannot be decoded as its Content-Encoding says",
    ),
    _Rule(
        OSError,
        ConnectError,
        "no connection to {peer} ({detail}); check {setting}",
        errno.errorcode,
    ),
)


def find_cause(error: Exception, url: str, setting: str = "the setting 'api_url'") -> Cause:
    """Return the cause of an exception of requests or urllib3, or of the system.

    Args:
        error: The exception.
        url: The URL of the request.
        setting: What has the URL, for the text.
    """
    chain = tuple(_iter_chain(error))
    peer = _format_peer(_parse_url(url)) or "the server"
    if type(error) is OSError and (variable := _find_missing_bundle()):
        return Cause(TlsError, f"{variable} names no file, so that {peer} cannot be trusted")
    proxy = _find_proxy(url)
    if proxy is None:
        return _apply_rules(chain, peer, setting)
    cause = _find_invalid_proxy(chain, proxy) or _find_proxy_failure(chain, proxy, peer)
    return cause or _apply_rules(chain, f"{peer} (through {proxy.name})", setting)


def find_cause_of_407(url: str) -> Cause:
    """Return the cause of the status 407 of a request."""
    proxy = _find_proxy(url)
    if proxy is None:
        return Cause(ProxyError, "a proxy in front of the server requires credentials")
    return _missing_credentials(proxy)


def _apply_rules(chain: tuple[BaseException, ...], peer: str, setting: str) -> Cause:
    for rule in _RULES:
        for each in chain:
            if isinstance(each, rule.exceptions) and (not rule.codes or _code(each) in rule.codes):
                text = rule.text.format(peer=peer, setting=setting, detail=_describe(each))
                return Cause(rule.error_class, text)
    return Cause(ConnectError, f"the connection to {peer} failed; check {setting}")


def _find_invalid_proxy(chain: tuple[BaseException, ...], proxy: _Proxy) -> Cause | None:
    """Return the cause if the proxy cannot be used as it is set."""
    if not proxy.url.host:
        return Cause(ProxyError, f"{proxy.setting} must be a URL such as http://host:3128")
    if _scheme_of(proxy.url) not in _PROXY_SCHEMES:
        text = f"{proxy.name} has an unknown scheme; use http:// or https:// in {proxy.setting}"
        return Cause(ProxyError, text)
    if any(isinstance(each, requests.exceptions.InvalidSchema) for each in chain):
        text = f"{proxy.name} needs the package for SOCKS: pip install 'requests[socks]'"
        return Cause(ProxyError, text)
    return None


def _find_proxy_failure(chain: tuple[BaseException, ...], proxy: _Proxy, peer: str) -> Cause | None:
    """Return the cause if it is the proxy that failed, and not the server behind it."""
    if (status := _find_tunnel_status(chain)) == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return _missing_credentials(proxy)
    if status is not None:
        error_class = ConnectError if error_class_for(status).retryable else ProxyError
        return Cause(error_class, f"{proxy.name} returned {status} to a connection with {peer}")
    socks_error = next((each for each in chain if type(each).__module__ == "socks"), None)
    if socks_error is not None and type(socks_error).__name__ != "ProxyConnectionError":
        is_refusal = any(type(each).__name__ == "SOCKS5AuthError" for each in chain)
        error_class = ProxyError if is_refusal else ConnectError
        text = f"{proxy.name} does not connect to {peer} ({socks_error}); check {proxy.setting}"
        return Cause(error_class, text)
    if socks_error is not None or any(isinstance(each, _PROXY_EXCEPTIONS) for each in chain):
        return _apply_rules(chain, proxy.name, proxy.setting)
    return None


def _missing_credentials(proxy: _Proxy) -> Cause:
    return Cause(
        ProxyError,
        f"{proxy.name} requires valid credentials (407); set {proxy.setting} to "
        "http://user:password@host:port",
    )


def _iter_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes, however they are attached, without mere wrappers."""
    found, pending = set[int](), [error]
    while pending:
        each = pending.pop()
        if id(each) in found:
            continue
        found.add(id(each))
        if not isinstance(each, exceptions.NewConnectionError):  # it is a ConnectTimeoutError, too
            yield each
        attached = (each.__context__, each.__cause__, *each.args, getattr(each, "reason", None))
        pending += [other for other in attached if isinstance(other, BaseException)]


def _code(error: BaseException) -> str | int | None:
    """Return OpenSSL's reason, or the system's number, of an error."""
    if isinstance(error, ssl.SSLError):
        return error.reason
    return error.errno if isinstance(error, OSError) else None


def _describe(error: BaseException) -> str:
    """Return what the system or OpenSSL says about an error."""
    match error:
        case ssl.SSLCertVerificationError():
            return error.verify_message
        case ssl.SSLError():
            return str(error.reason)
        case OSError(errno=int(), strerror=str(text)):
            return text
        case _:
            return ""


def _find_missing_bundle() -> str | None:
    """Return the variable that names a file of certificates which does not exist."""
    values = ((name, os.environ.get(name)) for name in _BUNDLE_VARIABLES)
    return next((name for name, path in values if path and not Path(path).exists()), None)


def _find_tunnel_status(chain: tuple[BaseException, ...]) -> int | None:
    """Return the status with which a proxy refused CONNECT."""
    for each in chain:
        if type(each) is OSError and (match := _TUNNEL_STATUS.match(str(each))):
            return int(match[1])
    return None


def _find_proxy(url: str) -> _Proxy | None:
    """Return the proxy that requests uses for a URL."""
    server = _parse_url(url)
    proxy_url = select_proxy(url, get_environ_proxies(url)) if server.host else None
    if proxy_url is None:
        return None
    parsed = _parse_url(proxy_url)
    names = (f"{_scheme_of(server)}_proxy", "all_proxy")
    variables = [spelling for name in names for spelling in (name, name.upper())]
    setting = next((name for name in variables if os.environ.get(name)), "the system's settings")
    return _Proxy(parsed, f"the proxy {_format_peer(parsed)}", setting)


def _parse_url(url: str) -> Url:
    """Parse a URL, or a proxy without a scheme; without a host if it is invalid."""
    try:
        return parse_url(url)
    except exceptions.LocationParseError:
        return Url()


def _scheme_of(url: Url) -> str:
    return url.scheme or "http"


def _format_peer(url: Url) -> str:
    """Return the host and port of a URL; an empty text if it has no host."""
    port = url.port or _DEFAULT_PORTS.get(_scheme_of(url), 80)
    return f"{url.host}:{port}" if url.host else ""
