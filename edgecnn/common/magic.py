"""Recognition of files by their content: a model format known here, or what else they are."""

from __future__ import annotations

import contextlib
import mmap
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecnn.common import wire
from edgecnn.common.wire import BYTES, VARINT, Data
from edgecnn.errors import ModelFileError, nearest_path


@dataclass(frozen=True)
class Other:
    """A file that is no model: `words` complete "it is ...", and `hint` says what to do."""

    words: str
    hint: str


EXPORT = "export it to ONNX or TFLite with the tool that made it"
FETCH = "download or copy it again"
UNPACK = "unpack it, and name the model file in it"
NAME = "name a model file"

PAGE = Other("a web page, as a failed download leaves", FETCH)
PICKLE = Other("a Python pickle, as old PyTorch and scikit-learn save", EXPORT)
OTHERS = {
    b"version https://git-lfs": Other("a Git LFS pointer, not the file itself", "git lfs pull"),
    b"\x89HDF\r\n": Other("a Keras model in HDF5 (.h5)", EXPORT),
    b"\x80\x02": PICKLE,
    b"\x80\x03": PICKLE,
    b"\x80\x04": PICKLE,
    b"\x80\x05": PICKLE,
    b"\x1f\x8b": Other("packed by gzip", UNPACK),
    b"BZh": Other("packed by bzip2", UNPACK),
    b"\xfd7zXZ\0": Other("packed by xz", UNPACK),
    b"\x28\xb5\x2f\xfd": Other("packed by zstd", UNPACK),
    b"7z\xbc\xaf\x27\x1c": Other("a 7-Zip archive", UNPACK),
    b"Rar!": Other("a RAR archive", UNPACK),
    b"GGUF": Other("a GGUF file", EXPORT),
    b"\x93NUMPY": Other("a NumPy array", NAME),
    b"\x89PNG": Other("a PNG picture", NAME),
    b"\xff\xd8\xff": Other("a JPEG picture", NAME),
    b"GIF8": Other("a GIF picture", NAME),
    b"BM": Other("a BMP picture", NAME),
    b"II*\0": Other("a TIFF picture", NAME),
    b"MM\0*": Other("a TIFF picture", NAME),
    b"%PDF": Other("a PDF document", NAME),
    b"\x7fELF": Other("a program or library", NAME),
    b"\0\x05\x16\x07": Other("what macOS keeps beside a file (._*), not the file itself", "name the file without ._"),
}
"""Known files by their first bytes."""
HEAD_BYTES = 4096
"""How much of a file's beginning is looked at."""
FIRST_CHARACTERS = 40
"""How many characters of a text are quoted."""
C_ARRAY = b"_ALIGNED static const unsigned char"
"""How the array begins in C source that this tool wrote."""

ONNX_FIELDS = {1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 7: BYTES, 8: BYTES, 14: BYTES, 20: BYTES}
"""Wire types of the fields of an ONNX ModelProto (onnx.proto), by field number."""
ONNX_GRAPH, ONNX_OPSETS = 7, 8
"""Field numbers of a ModelProto."""
CORE_ML_NETS = 200
"""The lowest field number by which a Core ML model says its kind."""


def require_file(path: Path, hint: str) -> None:
    """Check that `path` is a regular file.

    Raises:
        ModelFileError: There is no such file, or it is a pipe, a device or a folder.
    """
    if not path.exists():
        raise ModelFileError(f"There is no file {path}.", nearest_path(path, Path.is_file, hint))
    if not path.is_file():
        raise ModelFileError(f"{path} is no regular file.", hint)


@contextlib.contextmanager
def view(path: Path) -> Iterator[Data]:
    """Map a file into memory, so that only the bytes that are looked at are read.

    Raises:
        ModelFileError: It cannot be read.
    """
    require_file(path, NAME)
    try:
        with path.open("rb") as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:  # an empty file cannot be mapped
        yield b""
        return
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    with data:
        yield data


def format_of(path: Path) -> str:
    """Return the name of the format plug-in that a model file belongs to.

    Raises:
        ModelFileError: It is no model; the sentence says what it is instead.
    """
    with view(path) as data:
        if name := _format(data):
            return name
        other = _other(path, data)
    raise ModelFileError(f"{path} is no model file: it is {other.words}.", other.hint)


def words(path: Path) -> str:
    """Say what a file is, in words that follow "it is"."""
    with view(path) as data:
        name = _format(data)
        return f"a model ({name})" if name else _other(path, data).words


def is_onnx(data: Data) -> bool:
    """Return whether the bytes are a whole ModelProto with a graph."""
    message = _onnx(data)
    return ONNX_GRAPH in message.numbers and message.needed is None


def _format(data: Data) -> str | None:
    if data[4:8] == b"TFL3":
        return "tflite"
    if data[:2] == b"/*" and data.find(C_ARRAY) >= 0:
        return "c"
    return "onnx" if is_onnx(data) else None


@dataclass(frozen=True)
class _Held:
    """The fields of a ModelProto; empty for other bytes."""

    numbers: frozenset[int] = frozenset()
    """Numbers of the fields it has."""
    needed: int | None = None
    """The least size in bytes of a message that is cut off; None if it is whole."""


def _onnx(data: Data) -> _Held:
    numbers: set[int] = set()
    try:
        for field in wire.fields(data):
            if ONNX_FIELDS.get(field.number, field.wire_type) != field.wire_type:
                return _Held()
            numbers.add(field.number)
    except wire.CutOff as error:
        return _Held(frozenset({*numbers, error.number}), error.needed)
    except wire.NotWire:
        return _Held()
    return _Held(frozenset(numbers))


def _other(path: Path, data: Data) -> Other:
    """Say what bytes of no known format seem to be."""
    head = data[:HEAD_BYTES]
    if not head:
        return Other("empty", FETCH)
    for start, other in OTHERS.items():
        if head.startswith(start):
            return other
    if head.startswith(b"PK\x03\x04"):
        return _zipped(path)
    if head[4:8] == b"ORTM":
        return Other("in ONNX Runtime's own ORT format", "name the .onnx file it was made from")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < len(data):
        return Other("a safetensors file: weights without a graph", EXPORT)
    if head[257:262] == b"ustar":
        return Other("a tar archive", UNPACK)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Other("a WebP picture", NAME)
    if not head.strip(b"\0"):
        return Other("nothing but zeros where it begins", FETCH)
    return _text(head) or _message(data) or Other("of no format known here", "is it complete?")


def _zipped(path: Path) -> Other:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError):
        return Other("the first part of a zip archive", FETCH)
    if any(name.endswith("data.pkl") for name in names):
        return Other("a PyTorch file (.pt)", EXPORT)
    if {"config.json", "metadata.json"} <= set(names):
        return Other("a Keras model (.keras)", EXPORT)
    models = [name for name in names if name.endswith((".onnx", ".tflite"))]
    if models:
        return Other(f"a zip archive that holds {models[0]}", UNPACK)
    if names and all(name.endswith(".npy") for name in names):
        return Other("NumPy arrays (.npz)", NAME)
    return Other("a zip archive", UNPACK)


def _text(head: bytes) -> Other | None:
    """Say what a text file is; None for bytes that are no text."""
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # otherwise the head ends within a character
            return None
        text = head[: error.start].decode(encoding)
    if any(not (character.isprintable() or character.isspace()) for character in text):
        return None
    lines = text.strip().splitlines()
    if not lines:
        return Other("nothing but white space", FETCH)
    if lines[0].lower().startswith(("<!", "<html", "<head", "<body", "<script")):
        return PAGE
    first = lines[0].strip()
    return Other(f"a text that begins with {first[:FIRST_CHARACTERS]!r}", FETCH)


def _message(data: Data) -> Other | None:
    """Say what a protocol buffer is that is no whole ONNX model; None for other bytes."""
    message = _onnx(data)
    if 1 in message.numbers and ONNX_GRAPH in message.numbers and message.needed is not None:
        return Other(f"the first {len(data):,} bytes of an ONNX file that has {message.needed:,} or more", FETCH)
    if 1 in message.numbers and message.needed is None:
        if ONNX_OPSETS in message.numbers or message.numbers <= {1, 5}:
            return Other("an ONNX file without a graph", EXPORT)
        if max(message.numbers) >= CORE_ML_NETS:
            return Other("a Core ML model", EXPORT)
        if message.numbers == {1, 2}:
            return Other("a TensorFlow SavedModel (.pb)", EXPORT)
    if _is_graph_def(data):
        return Other("a TensorFlow graph (.pb)", EXPORT)
    return None


def _is_graph_def(data: Data) -> bool:
    """Return whether the first field is a TensorFlow NodeDef: the names of a node and its operator, both text."""
    try:
        first = next(wire.fields(data))
        node = [data[field.start : field.end] for field in wire.fields(data, first.start, first.end)][:2]
        return first.number == 1 and len(node) == 2 and all(word.decode().isprintable() and word for word in node)
    except (StopIteration, ValueError):
        return False
