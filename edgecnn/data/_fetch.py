"""The verified content of a file of a published data set, from a folder or downloaded into the data folder.

Downloads use https, are never larger than what was published, and are unpacked only after their own sha256 is verified.
Content is used only after its sha256 is verified, from the same bytes in memory. An error names a broken file; only in
the data folder is it removed.
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
"""Longest wait for the next bytes of a download."""
LEAST_BYTES_PER_S = 10_000
"""Least average rate of a whole download, so that a server which sends a byte a second does not keep us forever."""
BLOCK_BYTES = 1 << 16
MB = 1_000_000


@dataclass(frozen=True)
class Download:
    """A published file."""

    url: str
    sha256: str
    size: int
    """In bytes."""
    content: Content | None = None
    """What a gzip file unpacks to; None for a file that is used as it is."""

    @property
    def name(self) -> str:
        """The file's name, the last part of the url."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Content:
    """The content of a gzip file, which other programs may have packed into another file."""

    sha256: str
    size: int
    """In bytes."""


def read(source: Download, path: Path, hint: str) -> bytes:
    """Return the unpacked content of the file at `path`.

    Raises:
        DataError: with `hint`, if the file is missing or not what was published.
    """
    try:
        with files.open_regular(path) as stream:
            most = source.size if source.content is None else source.content.size + MB  # repacked, it may be larger
            packed = _at_most(stream, most)
        content, expected = (packed, source.sha256) if source.content is None else _unpacked(packed, source.content)
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.", hint) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"Cannot use {path}: {_reason(error)}.", hint) from error
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != expected:
        raise DataError(f"Cannot use {path}: its sha256 is {sha256}, not {expected}.", hint)
    return content


def _unpacked(packed: bytes, content: Content) -> tuple[bytes, str]:
    """Return the content of a gzip file and the sha256 it should have. Raises OSError if it is too large."""
    with gzip.open(io.BytesIO(packed)) as stream:
        return _at_most(stream, content.size), content.sha256


def _at_most(stream: IO[bytes] | gzip.GzipFile, size: int) -> bytes:
    """Read a whole stream. Raises OSError as soon as it is more than `size` bytes."""
    parts, left = [], size + 1
    while left and (part := stream.read(min(left, 16 * MB))):
        parts.append(part)
        left -= len(part)
    if not left:
        raise OSError(f"it holds more than the {size:,} bytes that were published")
    return b"".join(parts)


def read_or_download(source: Download, folder: Path, hint: str, elsewhere: Path | None = None) -> bytes:
    """Return the content of a file from a folder, or else download it.

    A broken file in `folder` is removed, with a warning, and downloaded again.

    Args:
        source: what was published.
        folder: where the file is looked for first, and downloaded to.
        hint: what the user can do if the download fails.
        elsewhere: another folder to look in before downloading.

    Raises:
        EnvironmentUnfit: the file cannot be downloaded.
        DataError: the file in `elsewhere` is broken.
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


def download(source: Download, path: Path, hint: str) -> bytes:
    """Download a file to `path`, which appears only when it is whole and verified, and return its unpacked content.

    Raises:
        EnvironmentUnfit: with `hint`, if the network or the server fails.
        OutputError: the file cannot be written.
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
    """Follow redirects only to https addresses."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith("https://"):
            raise OSError(f"it leads to {newurl}, which is no https address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _transfer(source: Download, out: BinaryIO, hint: str) -> str:
    """Write the content of the source's url to `out`, at most as many bytes as were published; return its sha256."""

    # Errors of the network and of the disk are both OSErrors, so each `try` holds a call to the network only.
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
