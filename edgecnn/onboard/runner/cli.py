"""The command line of `python3 edgecnn.pyz`: data goes to stdout, everything else to stderr."""

from __future__ import annotations

import argparse
import contextlib
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecnn import __version__
from edgecnn.common import bugs, documents
from edgecnn.common.escapes import say
from edgecnn.errors import EXIT_PASS, EdgecnnError, EnvironmentUnfit, UsageError
from edgecnn.onboard import unknown
from edgecnn.onboard.picture_sizes import MAX_SERVED_PIXELS
from edgecnn.onboard.runner import contents
from edgecnn.onboard.runner.contents import Contents

EMULATED = "linux,dummy-virt"
"""The name in the device tree of qemu's `-M virt`."""
INTERRUPTED = 130
BROKEN_PIPE = 141


def main(folder: Path, arguments: Sequence[str] | None = None) -> int:
    """Answer one command with the bundle in `folder`, and return the exit code."""
    try:
        options = _parser().parse_args(arguments)
        return int(options.command(contents.open_bundle(folder), options))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            sys.stdout.close()
        return BROKEN_PIPE
    except Exception as problem:
        error = bugs.explained(problem)
        say(f"error: {error.sentence}", file=sys.stderr)
        if error.hint:
            say(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code


def classify(bundle: Contents, options: argparse.Namespace) -> int:
    """Print a line of JSON for each picture or sound; the line has "error" if it cannot be read."""
    from edgecnn.onboard import picture_files
    from edgecnn.onboard.runner import asked
    from edgecnn.onboard.runner.classify import Classifier

    runtime, code = bundle.manifest.runtime, EXIT_PASS
    classifier = Classifier(bundle.artifact, runtime, options.num_threads, choice=options.unknown)
    wanted = picture_files.asked_about(bundle.artifact)
    for name, picture in asked.pictures(options.pictures, options.camera, wanted):
        if isinstance(picture, EdgecnnError):
            code, line = picture.exit_code, {"picture": name, "error": picture.sentence}
        else:
            try:
                line = {"picture": name, **classifier(picture).table()}
            except EdgecnnError as error:
                code, line = error.exit_code, {"picture": name, "error": error.sentence}
        say(documents.to_json(line, None, letters=True), flush=True)
    return code


def selftest(bundle: Contents, options: argparse.Namespace) -> int:
    """Replay the golden vectors: exit code 0 if they are as exported, 2 if off by a step or two, 1 if different."""
    from edgecnn.onboard import runtimes
    from edgecnn.onboard.runner import selftest as replay

    comparison = replay.selftest(bundle, options.num_threads)
    table = replay.table(bundle, comparison)
    if options.json:
        say(documents.to_json(table, None))
    else:
        needed = ("numpy", runtimes.get(bundle.manifest.runtime).PACKAGE)
        packages = ", ".join(f"{name} {table['packages'].get(name, 'of unknown version')}" for name in needed)
        say(f"{comparison.verdict}: {comparison.sentence} ({comparison.pictures} pictures, {comparison.values} values)")
        say(f"{table['model']} on {table['runtime']}: {packages}, Python {table['python']}")
        say(f"on {table['machine']}")
        if table["cause"]:
            say(table["cause"])
    return comparison.exit_code


def bench(bundle: Contents, options: argparse.Namespace) -> int:
    """Time the model as `edgecnn bench` does, in one window of this process."""
    import dataclasses

    from edgecnn.common import stats
    from edgecnn.common.units import digits, duration, interval
    from edgecnn.onboard import measure
    from edgecnn.onboard.job import Job, Timing
    from edgecnn.records import environment

    here, card = environment.here(), bundle.artifact
    if here.model == EMULATED:
        raise EnvironmentUnfit("An emulated machine has no time of its own, so it cannot tell a latency.")
    job = Job.for_artifact(card, bundle.manifest.runtime, options.num_threads)
    timing = Timing(warmup_runs=options.warmup_runs, num_runs=options.num_runs, min_secs=options.min_secs)
    window = measure.window(job, timing)
    if options.json:
        table: dict[str, Any] = {"model": card.name, "sha256": card.description.sha256, "runtime": job.runtime}
        table |= {"num_threads": job.num_threads, "environment": environment.to_table(here)}
        say(documents.to_json(table | {"window": dataclasses.asdict(window)}, None))
        return EXIT_PASS
    times = sorted(window.times_ms)
    middle, low, high = (stats.quantile(times, 0.5), *stats.median_interval(times)[:2])
    tail = [stats.quantile(times, 0.9), stats.quantile(times, 0.99), window.init_ms, window.first_ms]
    row = [card.name, job.runtime, str(job.num_threads), str(len(times)), interval(middle, low, high)]
    row += [*map(duration, tail), digits((window.peak_rss_bytes - window.baseline_rss_bytes) / 1e6)]
    head = ["file", "runtime", "threads", "n", "p50 [95 %]", "p90", "p99", "init", "first", "peak MB"]
    say(f"on {environment.machine_name(here)}", file=sys.stderr)
    say(f"{here.os}, Python {here.python}: one process, the graph alone", file=sys.stderr)
    for line in (head, row):
        say(
            "  ".join(cell.ljust(max(map(len, column))) for cell, *column in zip(line, head, row, strict=True)).rstrip()
        )
    return EXIT_PASS


def serve(bundle: Contents, options: argparse.Namespace) -> int:
    """Answer HTTP until SIGTERM or Ctrl-C; on SIGHUP go on with the release that is current then.

    A bundle that is not a release is loaded anew from its folder.
    """
    from edgecnn.onboard.runner import running
    from edgecnn.onboard.runner import serve as http
    from edgecnn.onboard.runner.classify import Classifier
    from edgecnn.onboard.runner.server import Limits, LoadedModel

    def load() -> LoadedModel:
        current = contents.open_bundle(bundle.folder)
        runtime = current.manifest.runtime
        threads, most, choice = options.num_threads, options.max_pixels, options.unknown
        return LoadedModel(current, Classifier(current.artifact, runtime, threads, most, choice))

    limits = Limits(
        queue=options.queue,
        waiting_bytes=options.max_waiting_bytes,
        body_bytes=options.max_body_bytes,
        timeout_s=options.timeout,
        wait_s=options.max_wait,
    )
    with running.registered(bundle.folder) as registration:
        hangup = registration.hear if registration else None
        left = http.serve(load, options.host, options.port, limits, running.handed_over(), hangup)
        if registration and left:
            registration.become(left)
    return EXIT_PASS


def serve_options(text: str) -> tuple[str, ...]:
    """Return the words of options of `serve`, which takes them.

    Args:
        text: As a shell would take them: "--port 8081 --unknown off".

    Raises:
        UsageError: `serve` would refuse them.
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"{text!r} are no options of serve: {error}.", "--port 8081") from None
    if {"-h", "--help"} & set(words):
        raise UsageError("--help is nothing to serve with.", f"{contents.PROGRAM} serve --help")
    unknown.require_choice(_parser().parse_args(["serve", *words]).unknown)
    return words


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise UsageError(message, f"{self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=contents.PROGRAM, description="Run this bundle's model: pictures in, or sounds, and classes out."
    )
    parser.add_argument("--version", action="version", version=f"edgecnn {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(command: Any, help: str) -> argparse.ArgumentParser:
        command_parser: argparse.ArgumentParser = commands.add_parser(command.__name__, help=help, description=help)
        command_parser.set_defaults(command=command)
        command_parser.add_argument(
            "--num-threads", type=_at_least_1, default=1, help="threads of the runtime (%(default)s)"
        )
        return command_parser

    classify_parser = add(
        classify, "Print a line of JSON for each picture, or for each WAV file if the model hears sounds."
    )
    classify_parser.add_argument("pictures", nargs="*", help="files, folders, or - for one on stdin")
    classify_parser.add_argument("--camera", action="store_true", help="take a picture with picamera2")
    _add_unknown(classify_parser)

    selftest_parser = add(selftest, "Compare this machine's answers with those of the one that exported the model.")
    selftest_parser.add_argument("--json", action="store_true", help="print the result as JSON")

    bench_parser = add(bench, "Time the model here.")
    bench_parser.add_argument("--warmup-runs", type=int, default=20, help="untimed runs (%(default)s)")
    bench_parser.add_argument("--num-runs", type=_at_least_1, default=50, help="least timed runs (%(default)s)")
    bench_parser.add_argument("--min-secs", type=float, default=2.0, help="least timed seconds (%(default)s)")
    bench_parser.add_argument("--json", action="store_true", help="print the result as JSON, every sample in it")

    serve_parser = add(serve, "Answer POST /classify, GET /healthz and GET /metrics.")
    _add_unknown(serve_parser)
    serve_parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve_parser.add_argument("--port", type=_port, default=8080, help="(%(default)s; 0 takes a free one)")
    serve_parser.add_argument(
        "--max-wait", type=_seconds, default=30.0, help="seconds a picture may wait (%(default)s)"
    )
    serve_parser.add_argument(
        "--queue", type=_at_least_1, help="pictures that may wait (as many as the bytes below hold)"
    )
    serve_parser.add_argument(
        "--max-waiting-bytes", type=_at_least_1, default=32_000_000, help="of all pictures (%(default)s)"
    )
    serve_parser.add_argument(
        "--max-body-bytes", type=_at_least_1, default=8_000_000, help="of a picture (%(default)s)"
    )
    serve_parser.add_argument(
        "--timeout", type=_seconds, default=10.0, help="seconds a request may take to arrive (%(default)s)"
    )
    serve_parser.add_argument(
        "--max-pixels", type=_at_least_1, default=MAX_SERVED_PIXELS, help="of a picture (%(default)s)"
    )
    return parser


def _add_unknown(parser: argparse.ArgumentParser) -> None:
    words = "when to answer unknown: auto (as the card says), off, or the least known_score (%(default)s)"
    parser.add_argument("--unknown", default="auto", metavar="WHEN", help=words)


def _at_least_1(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)
