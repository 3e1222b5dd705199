"""The pictures or sounds that a command line asks about: files, folders, stdin, or what the camera takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgecnn.common import bugs
from edgecnn.common.escapes import say
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, MissingPackage, UsageError
from edgecnn.onboard import picture_files
from edgecnn.onboard.picture_files import Listing, Wanted
from edgecnn.onboard.picture_sizes import MAX_STREAM_BYTES

STDIN = "-"
CAMERA = """
import io, sys
try:
    from picamera2 import Picamera2
except ImportError:
    sys.exit(3)
with Picamera2() as camera:
    camera.configure(camera.create_still_configuration())
    camera.start()
    picture = io.BytesIO()
    camera.capture_file(picture, format="jpeg")
sys.stdout.buffer.write(picture.getvalue())
"""
NO_PICAMERA2 = 3
CAMERA_TIMEOUT_S = 30.0


def pictures(
    words: Sequence[str], camera: bool = False, wanted: Wanted | None = None
) -> Iterator[tuple[str, Path | bytes | EdgecnnError]]:
    """Yield (name, picture) for each picture, or an error in place of one that is missing.

    What a folder holds besides pictures is said on stderr.

    Args:
        words: Files, folders, or "-" for one picture on stdin.
        camera: Take a picture with the camera first.
        wanted: The files of a folder; None is pictures.

    Raises:
        UsageError: No picture is asked about, or a camera about a sound.
        MissingPackage, EnvironmentUnfit: The camera takes none.
    """
    hears = wanted is not None and wanted.word == "sounds"
    if camera and hears:
        raise UsageError("This model hears sounds, which no camera takes.", "name WAV files or folders, or - for stdin")
    if camera:
        yield "camera", photograph()
    elif not words:
        hint = (
            "name WAV files or folders, or - for stdin" if hears else "name files or folders, - for stdin, or --camera"
        )
        raise UsageError(f"There is no {'sound' if hears else 'picture'} to classify.", hint)
    for word in words:
        if word == STDIN:
            yield STDIN, sys.stdin.buffer.read(MAX_STREAM_BYTES)
            continue
        try:
            listing = sources(word, wanted)
        except (EdgecnnError, OSError) as error:  # a name may be too long for any file
            yield word, bugs.explained(error)
            continue
        if listing.left_out:
            level = "warning: " if picture_files.is_loss(listing.left_out) else ""
            say(f"{level}left out {picture_files.told(listing.left_out)} in {word}", file=sys.stderr)
        for path in listing.pictures:
            yield str(path), path


def sources(word: str, wanted: Wanted | None = None) -> Listing:
    """List the files that a word of the command line names: itself, or the pictures below a folder.

    Raises DataError for a folder without pictures, or without what is wanted instead.
    """
    path = Path(word)
    if not path.is_dir():
        return Listing((path,))
    listing = picture_files.walk(path, wanted)
    if not listing.pictures:
        raise picture_files.none_in(word, listing, wanted)
    return listing


def photograph(python: str = sys.executable) -> bytes:
    """Take one JPEG with the camera. Raises MissingPackage or EnvironmentUnfit.

    That is done in a process of its own, without PYTHONPATH: picamera2 is the system's package and built for the
    system's NumPy, which need not be the one of this program.
    """
    try:
        done = subprocess.run([python, "-I", "-c", CAMERA], capture_output=True, timeout=CAMERA_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentUnfit(f"The camera gave no picture within {CAMERA_TIMEOUT_S:.0f} s.") from error
    if done.returncode == NO_PICAMERA2:
        missing = MissingPackage("picamera2", None, "Taking a picture with --camera")
        missing.hint = "sudo apt install python3-picamera2"
        raise missing
    if done.returncode or not done.stdout:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["picamera2 said nothing"])[-1]
        raise EnvironmentUnfit(
            f"The camera gave no picture: {last}.", "`rpicam-hello --list-cameras` shows what is there"
        )
    return done.stdout
