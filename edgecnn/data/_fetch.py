"""The verified content of one file of a published data set: from a folder, or downloaded into ours.

Nothing is used before its sha256 is checked, and what was checked is what is used: both happen on the
same bytes in memory. A broken file is named; it is removed only from our own data folder.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edgecnn import console, files
from edgecnn.errors import DataError, EnvironmentUnfit, OutputError

TIMEOUT_S = 30
BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class Source:
    """A file that is published at `url`; `unpack` of its bytes has this sha256."""

    url: str
    sha256: str
    unpack: Callable[[bytes], bytes] = bytes

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


def read(source: Source, path: Path, hint: str) -> bytes:
    """The unpacked content of `path`; DataError with `hint` if it is missing or not what was published."""
    try:
        content = source.unpack(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.", hint) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"Cannot use {path}: {_reason(error)}.", hint) from error
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise DataError(f"Cannot use {path}: its sha256 is {found}, not {source.sha256}.", hint)
    return content


def read_or_download(source: Source, folder: Path, hint: str, elsewhere: Path | None = None) -> bytes:
    """The content of the file in `folder`, else in `elsewhere`, else downloaded into `folder`.

    Raises EnvironmentUnfit with `hint` if it cannot be downloaded, and DataError if the file
    `elsewhere` is broken; a broken one in `folder` is removed with a warning and had anew.
    """
    path = folder / source.name
    if path.is_file():
        try:
            return read(source, path, hint)
        except DataError as broken:
            path.unlink()
            console.warn(f"{broken} It is removed.")
    if elsewhere is not None and (elsewhere / source.name).is_file():
        return read(source, elsewhere / source.name, "reinstall it, or name another folder with the option path")
    return download(source, path, hint)


def download(source: Source, path: Path, hint: str) -> bytes:
    """Download into `path`, which appears only whole and verified; the unpacked content.

    Raises EnvironmentUnfit with `hint` when the network or the far side does not deliver, OutputError
    when the file cannot be kept.
    """
    console.note(f"downloading {source.url}")
    try:
        files.make_folder(path.parent)
        with files.replacing(path) as temporary:
            with temporary.open("wb") as out:
                _transfer(source, out, hint)
            try:
                return read(source, temporary, hint)
            except DataError as broken:
                sentence = str(broken).replace(str(temporary), "what came")
                raise EnvironmentUnfit(f"Downloaded {source.url}, but: {sentence}", hint) from broken
    except OutputError as error:
        raise OutputError(error.sentence, "set EDGECNN_DATA to a folder that can be written") from error


def _transfer(source: Source, out: BinaryIO, hint: str) -> None:
    # The network's errors are OSErrors as the disk's are, so only the network's calls stand in these `try`s.
    def failed(reason: str) -> EnvironmentUnfit:
        return EnvironmentUnfit(f"Cannot download {source.url}: {reason}.", hint)

    try:
        response = urllib.request.urlopen(source.url, timeout=TIMEOUT_S)
    except (OSError, http.client.HTTPException) as error:
        raise failed(_reason(error)) from error
    announced, received = response.length or 0, 0
    with response, console.progress(source.name, announced) as advance:
        while True:
            try:
                block = response.read(BLOCK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise failed(_reason(error)) from error
            if not block:
                break
            out.write(block)
            received += len(block)
            advance(len(block))
    if received < announced:
        raise failed(f"the connection ended after {received:,} of {announced:,} bytes")


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _reason(reason)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
