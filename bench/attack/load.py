"""The runner's server under load and under attack, and beside waitress and uvicorn with the same model.

All three serve one bundle of the zoo with the runner's own classifier, each on the machine's first CPU; the clients
are one process on the last one. Rounds take turns, and a ratio is of neighbours in one round.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import signal
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _clients
import mutate
import numpy as np
from _served import CPUS, Served, last_cpu, served
from PIL import Image

from edgecnn import formats
from edgecnn.common import stats
from edgecnn.pipeline.deploy import bundle

RUN = Path(__file__).parents[2] / "models" / "zoo" / "colour-90k"
SERVERS = ("edgecnn", "waitress", "uvicorn")
MEMORY_MB = 384
"""What the unit of `deploy --service` allows."""
OVERLOAD_S = 60.0
HOSTILE_REQUESTS = 1600


class Checks:
    """The number of checks that were tried, and those that did not hold."""

    def __init__(self) -> None:
        self.tried = 0
        self.not_held: list[dict[str, Any]] = []

    def holds(self, is_so: bool, what: str, **seen: Any) -> None:
        self.tried += 1
        if not is_so:
            self.not_held.append({"what": what, **seen})


def attack(scratch: Path) -> dict[str, Any]:
    shutil.rmtree(scratch, ignore_errors=True)
    folder = scratch / "bundle"
    bundle.make(formats.choose(RUN, "tflite", "int8")).write(folder)
    checks, rng = Checks(), np.random.default_rng(0)
    small, large, camera = (jpeg(rng, *size) for size in ((64, 64), (1280, 960), (4056, 3040)))
    with last_cpu():
        table = {
            "pictures": {"small": len(small), "large": len(large), "camera": len(camera)},
            "cpus": {"server": CPUS[0], "clients": CPUS[-1]},
            "throughput": throughput(checks, folder, {"small": small, "camera": camera}),
            "slow_bodies": [slow_bodies(checks, folder, small, count) for count in (9, 300)],
            "hoarders": hoarders(checks, folder, small),
            "silent": silent(checks, folder, small),
            "pipelined": pipelined(checks, folder, small),
            "heads": heads(checks, folder, small),
            "large_pictures": large_pictures(checks, folder, rng),
            "hostile": hostile(checks, folder, small),
            "signals": signals(checks, folder, small),
            "overload": overload(checks, folder, large),
        }
    held = checks.tried - len(checks.not_held)
    return {"tried": checks.tried, "held": held, "not_held": checks.not_held, **table}


def jpeg(rng: np.random.Generator, width: int, height: int) -> bytes:
    """A picture about as hard to pack as a photograph."""
    coarse = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(stream, "jpeg", quality=90)
    return stream.getvalue()


def throughput(checks: Checks, folder: Path, pictures: dict[str, bytes]) -> list[dict[str, Any]]:
    """Compare three servers: none is refused, all say the same, and ours takes no more CPU time than waitress.

    The answers a second of the server's CPU time are compared: on a busy machine wall time tells who got the CPU.
    """
    cases = [("small", clients, kept, 7, 1.0) for clients in (1, 10, 100) for kept in (True, False)]
    cases += [("camera", 10, True, 6, 3.0)]
    rows = []
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(served(name, folder)) for name in SERVERS}
        for picture, clients, kept, rounds, seconds in cases:
            request = _clients.post(pictures[picture])
            loads: dict[str, list[_clients.Load]] = {name: [] for name in SERVERS}
            per_cpu_second: dict[str, list[float]] = {name: [] for name in SERVERS}
            for number in range(rounds):
                for name in (*SERVERS[number % 3 :], *SERVERS[: number % 3]):
                    before_s = running[name].cpu_s()
                    load = _clients.closed_loop(running[name].port, request, clients, seconds, kept=kept)
                    per_cpu_second[name].append(load.answers[200] / (running[name].cpu_s() - before_s))
                    loads[name].append(load)
            row: dict[str, Any] = {"picture": picture, "clients": clients, "connections_kept": kept, "rounds": rounds}
            for name in SERVERS:
                times_ms = sorted(ms for load in loads[name] for ms in load.times_ms)
                row[name] = {
                    "answers_per_cpu_second": round(statistics.median(per_cpu_second[name]), 1),
                    "answers_per_second": round(statistics.median(load.per_second for load in loads[name]), 1),
                    "p50_ms": round(stats.quantile(times_ms, 0.5), 2),
                    "p99_ms": round(stats.quantile(times_ms, 0.99), 2),
                    "answers": statuses(sum((load.answers for load in loads[name]), Counter[int]())),
                }
            for other in SERVERS[1:]:
                pairs = zip(per_cpu_second["edgecnn"], per_cpu_second[other], strict=True)
                ratios = sorted(ours / theirs for ours, theirs in pairs)
                low, high = stats.median_interval(ratios)[:2]
                row[f"ratio_to_{other}"] = [round(value, 3) for value in (statistics.median(ratios), low, high)]
            said = {body for name in SERVERS for load in loads[name] for body in load.bodies}
            what = f"{picture} pictures, {clients} clients, connections {'kept' if kept else 'new'}"
            answers = row["edgecnn"]["answers"]
            checks.holds(set(answers) == {"200"}, f"{what}: none is refused", answers=answers)
            checks.holds(len(said) == 1, f"{what}: all answers are the same", said=[str(body) for body in said])
            if clients > 1:
                ratio = row["ratio_to_waitress"]
                checks.holds(ratio[2] >= 1, f"{what}: at least waitress's (median [95 %] of ratios)", ratio=ratio)
            rows.append(row)
    return rows


def statuses(answers: Counter[int]) -> dict[str, int]:
    words = {0: "no answer", -1: "given up"}
    return {words.get(status, str(status)): count for status, count in sorted(answers.items()) if count}


@contextlib.contextmanager
def opened(port: int, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((_clients.HOST, port), _clients.PATIENCE_S))
            with contextlib.suppress(OSError):
                connection.sendall(first)
            sockets.append(connection)
        yield sockets


def healthy(server: Served, picture: bytes, seconds: float = 5.0) -> dict[str, Any]:
    load = _clients.closed_loop(server.port, _clients.post(picture), 4, seconds, kept=False)
    return {"answers": statuses(load.answers), "slowest_ms": round(max(load.times_ms, default=0.0), 1)}


def slow_bodies(checks: Checks, folder: Path, picture: bytes, count: int) -> dict[str, Any]:
    """Many that send a byte a second of 8 MB, and four clients that mean it."""
    stop = threading.Event()
    with served("edgecnn", folder) as server:
        first = b"POST /classify HTTP/1.1\r\nContent-Length: 8000000\r\n\r\n" + picture[:10]
        with opened(server.port, count, first) as sockets:

            def drip() -> None:
                while not stop.wait(1.0):
                    for connection in sockets:
                        with contextlib.suppress(OSError):
                            connection.send(b"x")

            dripping = threading.Thread(target=drip)
            dripping.start()
            good = healthy(server, picture)
            stop.set()
            dripping.join()
            ended = sum(_has_ended(connection) for connection in sockets)
        checks.holds(set(good["answers"]) == {"200"}, f"{count} slow bodies hold nobody up", **good)
        checks.holds(ended == count, "slow bodies are cut off", sent=count, ended=ended)
        return {"slow": count, "cut_off": ended, **good, "peak_mb": server.memory_mb("VmHWM")}


def hoarders(checks: Checks, folder: Path, picture: bytes) -> dict[str, Any]:
    """Eight that send all but the end of 8 MB as fast as they can, wait to be cut off, and begin again."""
    request = b"POST /classify HTTP/1.1\r\nContent-Length: 8000000\r\n\r\n" + bytes(7_900_000)
    stop = threading.Event()
    with served("edgecnn", folder) as server:

        def hoard() -> None:
            while not stop.is_set():
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection((_clients.HOST, server.port), _clients.PATIENCE_S) as connection,
                ):
                    connection.sendall(request)
                    connection.recv(65536)

        hoarding = [threading.Thread(target=hoard) for _ in range(8)]
        for thread in hoarding:
            thread.start()
        time.sleep(1.0)
        good = healthy(server, picture, 15.0)
        stop.set()
        for thread in hoarding:
            thread.join()
        peak_mb = server.memory_mb("VmHWM")
    checks.holds(set(good["answers"]) == {"200"}, "bodies that fill the budget and stop refuse nobody", **good)
    checks.holds(peak_mb < MEMORY_MB, "bodies that fill the budget fit the unit's memory", peak_mb=peak_mb)
    return {"hoarders": 8, **good, "peak_mb": peak_mb}


def _has_ended(connection: socket.socket) -> bool:
    connection.settimeout(_clients.PATIENCE_S)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def silent(checks: Checks, folder: Path, picture: bytes) -> dict[str, Any]:
    """Connections that say nothing, more than there are places."""
    with served("edgecnn", folder) as server, opened(server.port, 400, b""):
        good = healthy(server, picture)
        checks.holds(set(good["answers"]) == {"200"}, "400 silent connections hold nobody up", **good)
        return {"silent": 400, **good}


def pipelined(checks: Checks, folder: Path, picture: bytes) -> dict[str, Any]:
    """Four clients that send one request after the other without a wait, and read the answers."""
    requests = b"GET /healthz HTTP/1.1\r\n\r\n" * 500
    stop = threading.Event()
    with served("edgecnn", folder) as server, opened(server.port, 4, b"") as sockets:

        def send(connection: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while not stop.is_set():
                    connection.sendall(requests)

        def take(connection: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while connection.recv(1 << 20):
                    pass

        busy = [
            threading.Thread(target=target, args=(connection,)) for connection in sockets for target in (send, take)
        ]
        for thread in busy:
            thread.start()
        good = healthy(server, picture)
        stop.set()
        for connection in sockets:
            connection.shutdown(socket.SHUT_RDWR)
        for thread in busy:
            thread.join()
    checks.holds(set(good["answers"]) == {"200"}, "clients that never wait hold nobody up", **good)
    return {"clients": 4, **good}


def heads(checks: Checks, folder: Path, picture: bytes) -> dict[str, Any]:
    """60 connections with 98 headers of 65 kB each."""
    flood = b"GET /healthz HTTP/1.1\r\n" + b"X: %s\r\n" % (b"y" * 65_000) * 98
    with served("edgecnn", folder) as server:
        healthy(server, picture, 1.0)
        before_mb = server.memory_mb("VmHWM")
        with opened(server.port, 60, flood):
            good = healthy(server, picture)
        grown_mb = server.memory_mb("VmHWM") - before_mb
        checks.holds(grown_mb < 20, "60 connections of 6.4 MB of headers take no memory", grown_mb=grown_mb)
        checks.holds(set(good["answers"]) == {"200"}, "a flood of headers holds nobody up", **good)
        return {"connections": 60, "bytes_each": len(flood), "grown_mb": round(grown_mb, 1), **good}


def large_pictures(checks: Checks, folder: Path, rng: np.random.Generator) -> dict[str, Any]:
    """The largest that are taken, sixteen at once: transparent PNGs of 12.3 megapixels in 8 MB."""
    pixels = np.zeros((3040, 4056, 4), np.uint8)
    pixels[:480] = rng.integers(0, 256, pixels[:480].shape, dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png", compress_level=1)
    with served("edgecnn", folder, "--max-wait", "300") as server:  # it is about memory
        load = _clients.closed_loop(server.port, _clients.post(stream.getvalue()), 16, 0.0)
        peak_mb = server.memory_mb("VmHWM")
    answers = statuses(load.answers)
    checks.holds(set(answers) == {"200"}, "16 of the largest pictures are answered", answers=answers)
    checks.holds(peak_mb < MEMORY_MB, "16 of the largest pictures fit the unit's memory", peak_mb=peak_mb)
    return {"bytes_each": len(stream.getvalue()), "answers": answers, "peak_mb": peak_mb}


def hostile(checks: Checks, folder: Path, picture: bytes) -> dict[str, Any]:
    """Damaged requests: each is answered or its connection closed, and no error is the server's own."""
    rng, outcomes = random.Random(0), Counter[int]()
    good = b"POST /classify HTTP/1.1\r\nHost: board\r\nContent-Length: %d\r\n\r\n" % len(picture)
    with served("edgecnn", folder, "--timeout", "2") as server:
        for number in range(HOSTILE_REQUESTS):
            damage = mutate.text_of if number % 2 else mutate.bytes_of
            request = damage(good, rng) + picture if number % 4 < 2 else damage(good + picture, rng)
            with socket.create_connection((_clients.HOST, server.port), _clients.PATIENCE_S) as connection:
                received = b""
                with contextlib.suppress(OSError):
                    connection.sendall(request)
                    connection.shutdown(socket.SHUT_WR)
                    received = connection.recv(65536)
                status = int(received.split()[1]) if received.startswith(b"HTTP/1.1 ") else 0
                outcomes[status] += 1
                checks.holds(status != 500, "a damaged request meets no error of ours", request=str(request[:200]))
        alive = server.ask(_clients.post(picture))
        said = server.said.read_text(encoding="utf-8").splitlines()[1:]
        checks.holds(alive == 200 and not said, "after damaged requests it serves, and has said nothing", said=said)
    return {"requests": HOSTILE_REQUESTS, "answers": statuses(outcomes)}


def signals(checks: Checks, folder: Path, picture: bytes) -> dict[str, Any]:
    """SIGHUP twenty times under load, then SIGTERM: nobody notices, and it ends with 0."""
    with served("edgecnn", folder) as server:

        def again() -> None:
            for _ in range(20):
                time.sleep(0.2)
                os.kill(server.process.pid, signal.SIGHUP)

        reloading = threading.Thread(target=again)
        reloading.start()
        load = _clients.closed_loop(server.port, _clients.post(picture), 10, 6.0)
        reloading.join()
        answers = statuses(load.answers)
        checks.holds(set(answers) == {"200"} and len(load.bodies) == 1, "20 reloads go unnoticed", answers=answers)
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(_clients.PATIENCE_S)
        checks.holds(code == 0, "SIGTERM ends it with 0", code=code)
    return {"reloads": 20, "answers": answers}


def overload(checks: Checks, folder: Path, picture: bytes) -> dict[str, Any]:
    """Ten times as many requests as it can answer, each on a new connection, for a minute."""
    request = _clients.post(picture)
    with served("edgecnn", folder) as server:
        alone = _clients.closed_loop(server.port, request, 10, 5.0)
        samples_mb: list[float] = []
        stop = threading.Event()

        def sample() -> None:
            while not stop.wait(1.0):
                samples_mb.append(round(server.memory_mb(), 1))

        sampling = threading.Thread(target=sample)
        sampling.start()
        load = _clients.open_loop(server.port, request, 10 * alone.per_second, OVERLOAD_S, 2000)
        stop.set()
        sampling.join()
        peak_mb = server.memory_mb("VmHWM")
        end = time.monotonic() + _clients.PATIENCE_S
        while (after := server.ask(request)) != 200 and time.monotonic() < end:  # some still wait in its queue
            time.sleep(0.5)
    half = len(samples_mb) // 2
    growth_mb = max(samples_mb[half:]) - max(samples_mb[:half])
    checks.holds(growth_mb < 8, "memory is flat under overload", first=max(samples_mb[:half]), growth_mb=growth_mb)
    checks.holds(peak_mb < MEMORY_MB, "overload fits the unit's memory", peak_mb=peak_mb)
    checks.holds(len(load.bodies) == 1, "every answer under overload is right", said=len(load.bodies))
    checks.holds(after == 200, "after overload it serves", status=after)
    share = load.per_second / alone.per_second
    checks.holds(share > 0.5, "under overload it answers at least half as many as without", share=share)
    return {
        "seconds": OVERLOAD_S,
        "capacity_per_second": round(alone.per_second, 1),
        "answers": statuses(load.answers),
        "answers_per_second": round(load.per_second, 1),
        "memory_mb": samples_mb,
        "peak_mb": peak_mb,
    }
