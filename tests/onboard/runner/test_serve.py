import contextlib
import io
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import small_bundles
from PIL import Image
from served import PATIENCE_S, PICTURE, Running, parsed, peak_kb, running

from edgecnn.onboard.runner import contents
from edgecnn.onboard.runner.classify import Classification
from edgecnn.onboard.runner.metrics import BUCKETS_S, Metrics


def half_sent(server: Running, length: int = len(PICTURE)) -> socket.socket:
    """A request whose body stopped after ten bytes."""
    connection = server.connect()
    connection.sendall(f"POST /classify HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode() + PICTURE[:10])
    return connection


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundles.unpacked(tmp_path_factory.mktemp("serve"))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    with running(folder) as started:
        yield started


def test_it_says_what_the_command_line_says(server: Running, folder: Path) -> None:
    words = [sys.executable, str(folder / "edgecnn.pyz"), "classify", "-"]
    line = json.loads(subprocess.run(words, input=PICTURE, capture_output=True, check=True).stdout)
    status, answer = server.classify()
    assert status == 200
    assert answer["top"] == line["top"]
    assert answer["ms"] > 0


def test_many_at_once_are_all_answered_and_none_gets_anothers_answer(folder: Path) -> None:
    shown = [small_bundles.picture(pixels) for pixels in small_bundles.images(32)]
    with running(folder, "--queue", "40") as server:
        alone = [server.classify(picture)[1]["top"] for picture in shown]
        with ThreadPoolExecutor(16) as pool:
            together = [answer["top"] for _, answer in pool.map(server.classify, shown)]
    assert together == alone


def test_health_names_the_model(server: Running, folder: Path) -> None:
    status, _, body = server.ask("GET", "/healthz")
    sha256 = contents.open_bundle(folder).artifact.description.sha256
    assert status == 200
    assert json.loads(body) == {"status": "ok", "model": "animals-int8.tflite", "sha256": sha256}


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_head_is_get_without_the_body(path: str, server: Running) -> None:
    with_body = server.ask("GET", path)
    status, headers, body = server.ask("HEAD", path)
    assert (status, body) == (200, b"")
    assert headers["Content-Type"] == with_body[1]["Content-Type"]
    assert int(headers["Content-Length"]) > 0


def test_metrics_count_requests_and_time_inferences(folder: Path) -> None:
    with running(folder) as server:
        for _ in range(3):
            server.classify()
        server.classify(b"junk")
        assert server.metric('edgecnn_requests_total{code="200"}') == 3
        assert server.metric('edgecnn_requests_total{code="422"}') == 1
        assert server.metric("edgecnn_inference_seconds_count") == 3
        assert server.metric('edgecnn_inference_seconds_bucket{le="+Inf"}') == 3
        assert server.metric("edgecnn_inference_seconds_sum") > 0
        assert server.metric("edgecnn_queue_depth") == 0
        status, headers, body = server.ask("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert contents.open_bundle(folder).artifact.description.sha256 in body.decode()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/../../../../etc/passwd", 404),
        ("GET", "/..%2f..%2fetc/passwd", 404),
        ("POST", "/labels.txt", 404),
        ("POST", "/classify/../manifest.json", 404),
        ("GET", "/classify", 405),
        ("HEAD", "/labels.txt", 404),
        ("OPTIONS", "/healthz", 405),
        ("PUT", "/classify", 405),
        ("POST", "/healthz", 405),
        ("BREW", "/classify", 501),
    ],
)
def test_other_paths_and_methods_reach_nothing(method: str, path: str, status: int, server: Running) -> None:
    answered, headers, body = server.ask(method, path, b"" if method == "POST" else None)
    assert answered == status
    assert method == "HEAD" or set(json.loads(body)) == {"error"}
    allowed = "POST" if path == "/classify" else "GET, HEAD"
    assert headers.get("Allow") == (allowed if status == 405 else None)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", 411),
        (b"Transfer-Encoding: chunked\r\n", 411),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: 1_0\r\n", 400),
        (b"Content-Length: +10\r\n", 400),
        (b"Content-Length: ten\r\n", 400),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        (b"Content-Length: 8000001\r\n", 413),
        (b"Content-Length: 99999999999999999999999999\r\n", 413),
        (b"Content-Length: 8000001\r\nExpect: 100-continue\r\n", 413),
    ],
)
def test_a_body_must_say_its_length_and_be_bounded(head: bytes, status: int, server: Running) -> None:
    answered, body = server.raw(b"POST /classify HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
    assert answered == status
    assert set(json.loads(body)) == {"error"}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"GET /healthz HTTP/9.9\r\n\r\n", 505),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /healthz HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(200)) + b"\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\n" + b"X: %s\r\n" % (b"y" * 20_000) + b"\r\n", 431),
    ],
)
def test_what_is_hardly_http_is_answered_and_forgotten(request_: bytes, status: int, server: Running) -> None:
    assert server.raw(request_)[0] == status
    assert server.classify()[0] == 200


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"


@pytest.mark.parametrize(
    "body",
    [b"", b"junk", PICTURE[:50], small_bundles.bomb(30_000, 30_000), small_bundles.bomb(5_000, 2_501), EPS],
    ids=["empty", "junk", "cut", "bomb", "a-little-too-large", "postscript"],
)
def test_what_is_no_picture_is_refused(body: bytes, server: Running) -> None:
    status, answer = server.classify(body)
    assert status == 422
    assert answer["error"].startswith("Cannot read a picture of")


def test_how_many_pixels_are_too_many_can_be_said(folder: Path) -> None:
    with running(folder, "--max-pixels", "64") as server:
        assert server.classify(small_bundles.picture(small_bundles.images()[0]))[0] == 200
        status, answer = server.classify(small_bundles.bomb(13, 5))
    assert status == 422
    assert "13 x 5 pixels, 64 are allowed" in answer["error"]


def test_what_a_large_picture_took_is_given_back(folder: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (3500, 3500)).save(stream, "png")
    with running(folder, "--queue", "40") as server, ThreadPoolExecutor(8) as pool:
        first = server.classify(stream.getvalue())
        once_kb = peak_kb(server)
        answers = list(pool.map(server.classify, [stream.getvalue()] * 16))
        many_kb = peak_kb(server)
    assert {status for status, _ in [first, *answers]} == {200}
    assert many_kb < once_kb + 40_000  # threads and bodies, not another picture


def test_a_body_that_ends_early_is_refused(server: Running) -> None:
    with half_sent(server) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert parsed(connection)[0] == 400


def test_a_slow_sender_is_cut_off_as_a_whole_and_holds_nobody_up(folder: Path) -> None:
    with running(folder, "--timeout", "1") as server, half_sent(server) as body, server.connect() as head:
        head.sendall(b"POST /class")
        assert server.classify()[0] == 200
        with contextlib.suppress(OSError):  # a byte now and then does not buy more time
            for byte in PICTURE[10:30]:
                body.send(bytes([byte]))
                head.send(b"i")
                time.sleep(0.1)
        assert parsed(body)[0] == 408
        assert head.recv(1) == b""
        server.wait_until("edgecnn_queue_depth", 0)


def test_a_client_that_hangs_up_leaves_nothing_behind(folder: Path) -> None:
    with running(folder) as server:
        for _ in range(5):
            half_sent(server).close()
        server.wait_until("edgecnn_queue_depth", 0)
        assert server.classify()[0] == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_finishes_what_it_has_begun(number: signal.Signals, folder: Path) -> None:
    with running(folder) as server, half_sent(server) as connection:
        server.wait_until("edgecnn_queue_depth", 1)
        server.process.send_signal(number)
        connection.sendall(PICTURE[10:])
        assert parsed(connection)[0] == 200
        connection.close()
        assert server.process.wait(PATIENCE_S) == 0
        assert server.process.stderr is not None
        assert server.process.stderr.read() == ""


def test_a_taken_port_is_said(server: Running, folder: Path) -> None:
    words = [sys.executable, str(folder / "edgecnn.pyz"), "serve", "--port", str(server.port)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: Cannot listen on 127.0.0.1:{server.port}: ")


def test_by_default_it_listens_to_this_machine_alone(folder: Path) -> None:
    from edgecnn.onboard.runner import cli

    options = cli._parser().parse_args(["serve"])
    assert (options.host, options.port) == ("127.0.0.1", 8080)


def test_a_histogram_counts_each_bound_and_all_below(folder: Path) -> None:
    metrics = Metrics(contents.open_bundle(folder))
    for seconds in (0.0, BUCKETS_S[0], 0.02, 99.0):
        metrics.observe(Classification(top=(("cat", 0.9),), ms=1e3 * seconds, inference_ms=1e3 * seconds))
    text = metrics.text()
    assert 'edgecnn_inference_seconds_bucket{le="0.0001"} 2' in text
    assert 'edgecnn_inference_seconds_bucket{le="0.025"} 3' in text
    assert 'edgecnn_inference_seconds_bucket{le="2.5"} 3' in text
    assert 'edgecnn_inference_seconds_bucket{le="+Inf"} 4' in text
