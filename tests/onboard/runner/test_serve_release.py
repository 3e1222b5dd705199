"""A running server and its files: they may be removed under it, and read anew when it is told to."""

import contextlib
import importlib.metadata
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import small_bundles
from PIL import Image
from served import PATIENCE_S, PICTURE, Running, running

from edgecnn.boards.ssh import provision
from edgecnn.onboard import preprocessing
from edgecnn.onboard.runner import contents
from edgecnn.onboard.runner.classify import Classifier

PACKAGES = ("numpy", "pillow", "ai-edge-litert")


def image(mode: str) -> Image.Image:
    rng = np.random.default_rng(3)
    return Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).convert(mode)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def orientation() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def of_every_format() -> dict[str, bytes]:
    """Pictures that take a reader's rarer ways too."""
    rgb = image("RGB")
    made = {
        "junk": b"junk",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "JPEG": saved(rgb, "JPEG"),
        "JPEG, turned": saved(rgb, "JPEG", exif=orientation()),
        "JPEG, CMYK": saved(image("CMYK"), "JPEG"),
        "JPEG, two": saved(rgb, "MPO", save_all=True, append_images=[rgb]),
        "PNG": saved(rgb, "PNG", exif=orientation()),
        "PNG, palette": saved(image("P"), "PNG", transparency=3),
        "PNG, 16 bits": saved(Image.fromarray(np.arange(768, dtype=np.uint16).reshape(24, 32) * 80), "PNG"),
        "BMP": saved(rgb, "BMP"),
        "GIF": saved(image("P"), "GIF", save_all=True, append_images=[image("P").rotate(90)], transparency=1),
        "WEBP": saved(image("RGBA"), "WEBP", exif=orientation()),
        "PPM": saved(rgb, "PPM"),
        "TIFF": saved(rgb, "TIFF", compression="tiff_lzw", exif=orientation()),
        "TIFF, LAB": saved(image("LAB"), "TIFF"),
        "TIFF, CMYK": saved(image("CMYK"), "TIFF"),
        "AVIF": saved(rgb, "AVIF") if "AVIF" in preprocessing.formats() else b"",
    }
    assert set(preprocessing.formats()) - {"HEIF"} <= {name.split(",")[0] for name in made}
    return made


def release(folder: Path, kind: str) -> Path:
    """A bundle with its packages beside it, as a board has it: nothing else of this installation is needed."""
    unpacked = small_bundles.unpacked(folder, kind)
    for name in provision.pinned(PACKAGES):
        for file in importlib.metadata.files(name) or ():
            source, target = Path(str(file.locate())), unpacked / "packages" / file
            if source.suffix != ".pyc" and source.is_file() and ".." not in file.parts:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    return unpacked


@contextlib.contextmanager
def alone(unpacked: Path) -> Iterator[Running]:
    """The server of a release, as `run` starts it."""
    words = [sys.executable, "-X", "utf8", "-S", "-s", str(unpacked / "edgecnn.pyz"), "serve", "--port", "0"]
    here = {**os.environ, "PYTHONPATH": str(unpacked / "packages")}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=here) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            port = re.search(r":(\d+)$", line.strip())
            assert port, line + process.stderr.read()
            yield Running(process, int(port[1]))
        finally:
            process.kill()


def test_its_files_may_be_removed_under_it(tmp_path: Path) -> None:
    unpacked = release(tmp_path, "int8")
    bundle = contents.open_bundle(unpacked)
    classifier = Classifier(bundle.artifact, bundle.manifest.runtime)
    with alone(unpacked) as server:
        shutil.rmtree(unpacked)
        answers = {name: server.classify(picture) for name, picture in of_every_format().items()}
        for name, picture in of_every_format().items():
            status, answer = answers[name]
            if name in ("junk", "svg"):
                assert status == 422, name
            else:
                assert (status, answer.get("top")) == (200, json.loads(json.dumps(classifier(picture).table()))["top"])
        assert server.ask("GET", "/healthz")[0] == server.ask("GET", "/metrics")[0] == 200
        server.process.send_signal(signal.SIGHUP)
        assert server.process.stderr is not None
        assert server.process.stderr.readline().startswith(f"error: {unpacked} is not a bundle: ")
        assert server.classify()[0] == 200


def model(folder: Path, seed: int) -> tuple[str, list[object]]:
    """(sha256, the classes of PICTURE) of a bundle."""
    made = small_bundles.made(folder / f"exported-{seed}", seed=seed)
    made.write(folder / "bundle")
    bundle = contents.open_bundle(folder / "bundle")
    top = Classifier(bundle.artifact, bundle.manifest.runtime)(PICTURE).table()["top"]
    return bundle.artifact.description.sha256, top


def test_at_sighup_it_answers_with_what_its_folder_holds_then_and_never_with_a_mixture(tmp_path: Path) -> None:
    old = model(tmp_path, 0)
    seen: list[tuple[str, list[object]]] = []
    with running(tmp_path / "bundle") as server:
        new = model(tmp_path, 1)
        assert new != old
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                status, answer = server.classify()
                assert status == 200
                seen.append((answer["sha256"], answer["top"]))

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            wait_until(lambda: len(seen) > 3)
            assert old in seen
            assert new not in seen
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: new in seen)
        finally:
            stop.set()
            asking.join()
        assert json.loads(server.ask("GET", "/healthz")[2])["sha256"] == new[0]
        assert new[0] in server.ask("GET", "/metrics")[2].decode()
    assert [answer for answer in seen if answer not in (old, new)] == []
    assert seen == sorted(seen, key=(old, new).index)  # once new, always new


def test_what_cannot_be_loaded_leaves_the_old_model_in_place(tmp_path: Path) -> None:
    old = model(tmp_path, 0)
    with running(tmp_path / "bundle") as server:
        assert server.process.stderr is not None
        (tmp_path / "bundle" / "animals-int8.tflite").write_bytes(b"rot")
        server.process.send_signal(signal.SIGHUP)
        assert server.process.stderr.readline().startswith("error: ")
        assert "animals-int8.tflite as it was loaded before still answers" in server.process.stderr.readline()
        answer = server.classify()[1]
        assert (answer["sha256"], answer["top"]) == old
        assert json.loads(server.ask("GET", "/healthz")[2])["sha256"] == old[0]


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
