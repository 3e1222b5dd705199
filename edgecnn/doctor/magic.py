"""What a file is by its first bytes, whatever its name."""

from __future__ import annotations

OTHERS = {
    b"\x89HDF\r\n": "a Keras model in HDF5",
    b"PK\x03\x04": "a zip archive, as PyTorch and Keras save",
    b"\x80\x02": "a Python pickle, as old PyTorch saves",
    b"GGUF": "a GGUF file",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x1f\x8b": "packed by gzip",
    b"<!": "an HTML page, as a failed download leaves",
    b"<htm": "an HTML page, as a failed download leaves",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
}


def format_of(data: bytes) -> str | None:
    """The format plug-in a file's first bytes belong to; None if they belong to none."""
    if data[4:8] == b"TFL3":
        return "tflite"
    if data[:2] == b"/*" and b"_ALIGNED static const unsigned char" in data:
        return "c"
    # A ModelProto begins with ir_version, field 1 as a varint (onnx.proto); its writers put it first.
    if data[:1] == b"\x08" and len(data) > 16 and data[1] < 64:
        return "onnx"
    return None


def words(data: bytes) -> str:
    """What a file of no known format seems to be."""
    if not data:
        return "empty"
    if data[4:8] == b"ORTM":
        return "in ONNX Runtime's own ORT format"
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < len(data):
        return "a safetensors file"
    return next((what for start, what in OTHERS.items() if data.startswith(start)), "of no format known here")
