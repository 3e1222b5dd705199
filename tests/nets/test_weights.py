"""The weights of a run are a file like any other: what is wrong with them is one sentence."""

import os
from pathlib import Path

import pytest
import small_runs

from edgecnn import nets
from edgecnn.errors import RunError


def weights(header: bytes, numbers: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with that header."""
    return (len(header) if length is None else length).to_bytes(8, "little") + header + numbers


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 64,
        b"\x00" * 64,
        weights(b"{}", length=1 << 62),
        weights(b"{}"),
        weights(b"[]"),
        weights(b"[" * 20_000),
        weights(b'{"a":' * 20_000),
        weights(b'{"a":NaN}'),
        weights(b'{"\xff\xfe":1}'),
        weights(b'{"head.weight":{"dtype":"F13","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
        weights(b'{"head.weight":{"dtype":"F32","shape":[4294967296],"data_offsets":[0,4]}}', bytes(4)),
        weights(b'{"head.weight":{"dtype":"BOOL","shape":[4],"data_offsets":[0,4]}}', bytes(4)),
        weights(b'{"head.weight":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', bytes(4)),
    ],
)
def test_weights_that_are_damaged_are_one_sentence(content: bytes, tmp_path: Path) -> None:
    made = small_runs.run("mlp", tmp_path / "mlp")
    made.weights.write_bytes(content)
    with pytest.raises(RunError, match=r"model\.safetensors") as refusal:
        nets.restore(made)
    assert "\n" not in refusal.value.sentence


def test_weights_that_are_no_file_are_never_read(tmp_path: Path) -> None:
    made = small_runs.run("mlp", tmp_path / "mlp")
    made.weights.unlink()
    os.mkfifo(made.weights)
    with pytest.raises(RunError, match="no regular file"):
        nets.restore(made)
