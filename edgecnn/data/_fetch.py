"""The verified content of one file of a published data set: from a folder, or downloaded into ours.

What comes from the network comes over https, is no larger than what was published, and is unpacked only after its own
sha256 is right. Nothing is used before the sha256 of its content is checked, and what was checked is what is used: both
happen on the same bytes in memory. A broken file is named; it is removed only from our own data folder.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import time
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from edgecnn.common import console, files
from edgecnn.errors import DataError, EnvironmentUnfit, OutputError

TIMEOUT_S = 30
"""For the next bytes of a download."""
LEAST_BYTES_PER_S = 10_000
"""On the average of a whole download; a far side that sends a byte a second would hold us for ever."""
BLOCK_BYTES = 1 << 16
MB = 1_000_000


@dataclass(frozen=True)
class Source:
    """A file that is published at `url`: `size` bytes with this sha256."""

    url: str
    sha256: str
    size: int
    content: Content | None = None
    """What a gzip file holds; None for a file that is used as it is."""

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Content:
    """What a gzip file unpacks to: `size` bytes with this sha256, whatever packed them."""

    sha256: str
    size: int


def read(source: Source, path: Path, hint: str) -> bytes:
    """The unpacked content of `path`; DataError with `hint` if it is missing or not what was published."""
    try:
        with files.open_regular(path) as stream:
            most = source.size if source.content is None else source.content.size + MB  # others may pack it worse
            packed = _at_most(stream, most)
        content, digest = (packed, source.sha256) if source.content is None else _unpacked(packed, source.content)
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.", hint) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"Cannot use {path}: {_reason(error)}.", hint) from error
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != digest:
        raise DataError(f"Cannot use {path}: its sha256 is {sha256}, not {digest}.", hint)
    return content


def _unpacked(packed: bytes, content: Content) -> tuple[bytes, str]:
    """(what a gzip file holds, the sha256 it should have); OSError for more than was published."""
    with gzip.open(io.BytesIO(packed)) as stream:
        return _at_most(stream, content.size), content.sha256


def _at_most(stream: IO[bytes] | gzip.GzipFile, size: int) -> bytes:
    """All that a stream holds; OSError as soon as it is more than `size` bytes."""
    parts, left = [], size + 1
    while left and (part := stream.read(min(left, 16 * MB))):
        parts.append(part)
        left -= len(part)
    if not left:
        raise OSError(f"it holds more than the {size:,} bytes that were published")
    return b"".join(parts)


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
            path.unlink(missing_ok=True)
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
        with files.replacing(path, source.size) as temporary:
            with temporary.open("wb") as out:
                sha256 = _transfer(source, out, hint)
            if sha256 != source.sha256:
                raise EnvironmentUnfit(
                    f"Downloaded {source.url}, but the sha256 of what came is {sha256}, not {source.sha256}.", hint
                )
            return read(source, temporary, hint)
    except OutputError as error:
        raise OutputError(error.sentence, "make room there, or set EDGECNN_DATA to a folder that has some") from error


class _StayEncrypted(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to another https address."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith("https://"):
            raise OSError(f"it leads to {newurl}, which is no https address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _transfer(source: Source, out: BinaryIO, hint: str) -> str:
    """Write what is at the source's url, at most as many bytes as were published; the sha256 of it."""

    # The network's errors are OSErrors as the disk's are, so only the network's calls stand in these `try`s.
    def failed(reason: str) -> EnvironmentUnfit:
        return EnvironmentUnfit(f"Cannot download {source.url}: {reason}.", hint)

    end = time.monotonic() + TIMEOUT_S + source.size / LEAST_BYTES_PER_S
    try:
        response = urllib.request.build_opener(_StayEncrypted).open(source.url, timeout=TIMEOUT_S)
    except (OSError, http.client.HTTPException) as error:
        raise failed(_reason(error)) from error
    announced, received, digest = response.length or 0, 0, hashlib.sha256()
    if announced > source.size:
        response.close()
        raise failed(f"it has {announced:,} bytes, and {source.size:,} were published")
    with response, console.progress(source.name, announced) as advance:
        while True:
            try:
                block = response.read1(BLOCK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise failed(_reason(error)) from error
            if not block:
                break
            received += len(block)
            if received > source.size:
                raise failed(f"it has more than the {source.size:,} bytes that were published")
            if time.monotonic() > end:
                raise failed(f"{received:,} of {source.size:,} bytes came in the time that is waited")
            out.write(block)
            digest.update(block)
            advance(len(block))
    if received < announced:
        raise failed(f"the connection ended after {received:,} of {announced:,} bytes")
    return digest.hexdigest()


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _reason(reason)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
