"""Jobs of the worker on small files."""

from pathlib import Path

import numpy as np

from edgecnn import formats
from edgecnn.onboard.job import Job, LabelledSet, Timing
from edgecnn.records.foreign import assumed_preprocessing


def job_of(path: Path, runtime: str) -> Job:
    description = formats.describe(path)
    return Job(
        model=str(path),
        input=description.input,
        output=description.output,
        preprocessing=assumed_preprocessing(description.input),
        runtime=runtime,
        num_threads=1,
    )


def written(images: np.ndarray, labels: np.ndarray, folder: Path) -> LabelledSet:
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", labels)
    return LabelledSet(images=str(folder / "images.npy"), labels=str(folder / "labels.npy"))


QUICK = Timing(warmup_runs=1, num_runs=5, min_secs=0.0)
