"""Heads of HTTP/1.1 requests, read strictly (RFC 9112): one that two readers could read differently is refused."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

from edgecnn import __version__

HEAD_BYTES = 16_384
"""The longest head: the request line and all headers together."""
HEADERS = 100
END = b"\r\n\r\n"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
"""The methods whose answer depends on the path; any other is not implemented."""
UNBOUNDED = 10**18
"""A length that stands for all longer ones, whose digits are not converted."""

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/(\d)\.(\d)")
_HEADER = re.compile(rf"({_TOKEN}):[ \t]*((?:[!-~\x80-\xff](?:[ \t!-~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*")


class Refused(Exception):
    """A request that is answered with an error, after which its connection is closed."""

    def __init__(self, status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers or {}


@dataclass(frozen=True, kw_only=True)
class Request:
    """The head of an HTTP request."""

    method: str
    path: str
    """The target without its query."""
    length: int | None
    """The bytes of the body by Content-Length; None without one."""
    is_coded: bool
    """Whether a Transfer-Encoding says where the body ends; such a body is not read."""
    expects_continue: bool
    """Whether the client sends its body only after a 100."""
    is_last: bool
    """Whether the client wants the connection closed after the answer."""

    @property
    def has_body(self) -> bool:
        return self.is_coded or bool(self.length)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The answer to a request."""

    status: HTTPStatus
    body: bytes
    kind: str
    """The media type of the body."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, *, closes: bool, bodiless: bool = False) -> bytes:
        """Return the answer as it is sent, in one piece."""
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Server: edgecnn/{__version__}",
            f"Date: {_date(int(time.time()))}",
            f"Content-Type: {self.kind}",
            f"Content-Length: {len(self.body)}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            *(["Connection: close"] if closes else []),
        ]
        return "\r\n".join(lines).encode("latin-1") + END + (b"" if bodiless else self.body)


@functools.lru_cache(1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def too_long(head: bytes | bytearray) -> Refused:
    """Return the refusal of a head longer than HEAD_BYTES, which begins with `head`."""
    if b"\r\n" not in head:
        return Refused(HTTPStatus.REQUEST_URI_TOO_LONG, "the request line is too long")
    return Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"at most {HEAD_BYTES} bytes of headers are taken")


def parse(head: bytes) -> Request:
    """Read a head without the empty line that ends it. Raises Refused."""
    first, *lines = head.decode("latin-1").split("\r\n")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        raise Refused(HTTPStatus.BAD_REQUEST, "the request line is not one of HTTP")
    method, target, major, minor = match.groups()
    if major != "1":
        raise Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here")
    if len(lines) > HEADERS:
        raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"at most {HEADERS} headers are taken")
    headers = _headers(lines)
    if method not in METHODS:
        raise Refused(HTTPStatus.NOT_IMPLEMENTED, "this method is not implemented")
    if len(headers.get("host", [])) > 1:
        raise Refused(HTTPStatus.BAD_REQUEST, "Host is given twice")
    connection = ",".join(headers.get("connection", [])).lower()
    return Request(
        method=method,
        path=target.partition("?")[0],
        length=_length(headers.get("content-length", [])),
        is_coded="transfer-encoding" in headers,
        expects_continue=_expects_continue(headers.get("expect", [])) and minor != "0",
        is_last=minor == "0" or "close" in (option.strip() for option in connection.split(",")),
    )


def _headers(lines: list[str]) -> dict[str, list[str]]:
    """Read headers: values by name in lower case. A continued line is refused like any other fault."""
    headers: dict[str, list[str]] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "a header is not one line of a name, a colon and a value")
        headers.setdefault(match[1].lower(), []).append(match[2])
    return headers


def _length(values: list[str]) -> int | None:
    if not values:
        return None
    if len(values) > 1 or not (values[0].isascii() and values[0].isdecimal()):
        raise Refused(HTTPStatus.BAD_REQUEST, "Content-Length is not one number")
    return int(values[0]) if len(values[0]) <= 18 else UNBOUNDED


def _expects_continue(values: list[str]) -> bool:
    if any(value.lower() != "100-continue" for value in values):
        raise Refused(HTTPStatus.EXPECTATION_FAILED, "100-continue is the only expectation that is met")
    return bool(values)
