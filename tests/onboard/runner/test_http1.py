"""A head is taken only if every reader would take it for the same."""

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.onboard.runner import http1
from edgecnn.onboard.runner.http1 import Refused, Reply


def status_of(head: bytes) -> int:
    """200 for a head that is taken."""
    try:
        http1.parse(head)
    except Refused as refused:
        return refused.status
    return 200


def test_a_head_says_what_is_asked_for_and_how_long_the_body_is() -> None:
    request = http1.parse(b"POST /classify?x=1 HTTP/1.1\r\nHost: pi\r\ncontent-LENGTH:\t12 \r\nExpect: 100-Continue")
    assert (request.method, request.path, request.length) == ("POST", "/classify", 12)
    assert request.expects_continue
    assert request.has_body
    assert not request.is_last


@pytest.mark.parametrize(
    ("head", "is_last"),
    [
        (b"GET / HTTP/1.1", False),
        (b"GET / HTTP/1.1\r\nConnection: keep-alive", False),
        (b"GET / HTTP/1.1\r\nConnection: keep-alive, Close", True),
        (b"GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close", True),
        (b"GET / HTTP/1.0", True),
    ],
)
def test_a_connection_is_kept_unless_the_client_says_otherwise(head: bytes, is_last: bool) -> None:
    assert http1.parse(head).is_last == is_last


@pytest.mark.parametrize(
    "lines",
    [
        b"Host: a\r\nHost: b",
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5, 5",
        b"Content-Length: 0x5",
        b"Content-Length: \xb2",
        b"Content-Length:",
        b"Content-Length : 5",
        b" Content-Length: 5",
        b"X: a\r\n b",
        b"X: a\r\n\tContent-Length: 5",
        b"X: a\nContent-Length: 5",
        b"X: a\rContent-Length: 5",
        b"X: a\x00b",
        b"X: a\x7f",
        b"X y: a",
        b"X",
        b": a",
    ],
)
def test_a_header_that_could_be_read_in_two_ways_is_refused(lines: bytes) -> None:
    assert status_of(b"POST /classify HTTP/1.1\r\n" + lines) == 400


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /healthz", 400),
        (b"GET  /healthz HTTP/1.1", 400),
        (b" GET /healthz HTTP/1.1", 400),
        (b"GET /healthz HTTP/1.1 ", 400),
        (b"GET /heal thz HTTP/1.1", 400),
        (b"GET /healthz\x00 HTTP/1.1", 400),
        (b"GET /h\xc3\xa9 HTTP/1.1", 400),
        (b"GET /healthz HTTP/11.1", 400),
        (b"GET /healthz http/1.1", 400),
        (b"G(T /healthz HTTP/1.1", 400),
        (b"\r\nGET /healthz HTTP/1.1", 400),
        (b"", 400),
        (b"PRI * HTTP/2.0", 505),
        (b"TRACE / HTTP/1.1", 501),
        (b"CONNECT pi:80 HTTP/1.1", 501),
        (b"get /healthz HTTP/1.1", 501),
    ],
)
def test_a_request_line_is_a_method_a_target_and_a_version(line: bytes, status: int) -> None:
    assert status_of(line) == status


def test_a_transfer_coding_is_said_beside_a_length_too() -> None:
    assert http1.parse(b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked").is_coded
    assert http1.parse(b"POST / HTTP/1.1\r\nTransfer-Encoding: identity").is_coded


def test_an_unknown_expectation_is_not_met() -> None:
    assert status_of(b"POST / HTTP/1.1\r\nExpect: tea") == 417


def test_a_length_of_many_digits_is_not_converted() -> None:
    assert http1.parse(b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000).length == http1.UNBOUNDED


@given(st.binary(max_size=200))
def test_whatever_comes_is_taken_or_refused(noise: bytes) -> None:
    for head in (noise, b"GET / HTTP/1.1\r\n" + noise):
        assert status_of(head) in {200, 400, 417, 431, 501, 505}


def test_an_answer_is_one_piece() -> None:
    reply = Reply(status=HTTPStatus.OK, body=b"{}", kind="application/json", headers={"Allow": "GET"})
    head, _, body = reply.encode(closes=True).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert {b"Content-Length: 2", b"Connection: close", b"Allow: GET"} <= set(head.split(b"\r\n"))
    assert body == b"{}"
    assert reply.encode(closes=False, bodiless=True).endswith(b"Allow: GET\r\n\r\n")
