"""The golden images or the golden sound of a bundle as files, with the classes that are right for each."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.onboard import golden, tensors, unknown, wav_files
from edgecnn.onboard.runner import contents
from edgecnn.pipeline.deploy.bundle import Bundle


def inputs(made: Bundle, most: int) -> Iterator[tuple[bytes, list[str]]]:
    """Yield up to `most` inputs, each with its class where the model was exported; all classes, if several tie.

    A model of sounds has one, as WAV, or none if it was exported without; images are PNG, which loses nothing.
    """
    from PIL import Image

    images, outputs = golden.read(made.files[contents.GOLDEN], contents.OUTPUTS, made.artifact)
    if (hears := made.artifact.sound) is not None:
        if (sound := golden.read_sound(made.files[contents.GOLDEN], made.artifact)) is not None:
            yield wav_files.write(sound[0], hears.sample_rate_hz), _classes(made, outputs[sound[1]])
        return
    for pixels, expected in zip(images[:most], outputs[:most], strict=True):  # (H, W, C), (...)
        stream = io.BytesIO()
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(stream, "png")
        yield stream.getvalue(), _classes(made, expected)


def _classes(made: Bundle, expected: npt.NDArray[Any]) -> list[str]:
    """Return the classes that are right for one output tensor (...)."""
    logits = tensors.decode(expected[None], made.artifact.description.output)[0]  # (K,)
    if unknown.decide(logits, unknown.rule_of(made.artifact)).reason:
        return [unknown.UNKNOWN]
    return sorted({made.artifact.labels[i] for i in np.flatnonzero(logits == logits.max())})
