"""Files of this tool and of others, as their runtimes execute them."""

import shutil
from pathlib import Path

import island_models
import small_runs
import tiny_models
from jobs import job_of

from edgecnn import formats
from edgecnn.formats import Operator, Reader
from edgecnn.onboard import measure, runtimes

KERNEL = tiny_models.weights(6, 6, 3, 4)


MADE = {
    "heavy.onnx": island_models.heavy_onnx,
    "island.onnx": island_models.island_onnx,
    "island.tflite": island_models.island_tflite,
    "linear.onnx": lambda path: tiny_models.linear_onnx(path, KERNEL),
    "linear.tflite": lambda path: tiny_models.linear_tflite(path, KERNEL),
    "half.tflite": lambda path: shutil.copyfile(small_runs.written("dscnn", "tflite", "fp16").path, path),
}
"""The last unpacks its weights when it is loaded, which is no step of an inference."""


def reader(name: str) -> Reader:
    """Return the reader of a format's operators."""
    reader = formats.get(name).OPERATORS
    assert reader is not None
    return reader


def lowered(path: Path, folder: Path) -> tuple[bytes, tuple[Operator, ...], runtimes.Runtime]:
    """(the executed graph, its operators, the runtime) of a file."""
    name = formats.name_of(path)
    runtime = runtimes.get(runtimes.for_format(name)[0])
    target = folder / f"lowered{path.suffix}"
    runtime.lower(path, target)
    job = job_of(path, runtimes.for_format(name)[0])
    kernels = runtime.profile(target, 1, measure.random_input(job.input, job.preprocessing), 1)
    told = {kernel.place: list(zip(kernel.dtypes, kernel.shapes, strict=True)) for kernel in kernels}
    return target.read_bytes(), reader(name).read(target.read_bytes(), told), runtime
