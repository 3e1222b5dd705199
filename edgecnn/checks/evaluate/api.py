"""`edgecnn.evaluate`: the verb `edgecnn eval`, for whoever names runs and files in Python."""

from __future__ import annotations

from pathlib import Path

from edgecnn.checks.evaluate.evaluate import evaluate as verb
from edgecnn.records import resolve
from edgecnn.records.evaluation import Evaluation
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.recipe import DataPlan
from edgecnn.records.resolve import FilePath, Target


def evaluate(
    target: Target,
    *,
    data: DataPlan | FilePath | None = None,
    limit: int | None = None,
    only_unseen: bool = False,
    pictures: PictureOptions | None = None,
    input_size: str | None = None,
    output: FilePath | None = None,
) -> Evaluation:
    """Say how right model files are on test pictures: class by class, how sure, and where they are wrong.

    Args:
        target: A run, all files of which are evaluated, or a model file of any make.
        data: A data set or a folder of pictures; the run's by default.
        limit: How many of the test pictures, drawn at random; all by default.
        only_unseen: Leave out the test pictures that the run has seen.
        pictures: How pictures are to be fed, against what a file or its card says.
        input_size: Sizes that a file leaves open, such as "1x3x224x224".
        output: The folder of evaluation.json and its pictures; the run's evaluation/ folder by default, none for a
            loose file.

    Returns:
        The accuracy of every file with its interval; of each the recall and the precision of every class, the
        confusions, and the worst mistakes.

    Raises:
        UsageError: The target cannot be run on the pictures, or nobody says which pictures it is for.
        DataError: The run has seen some of the pictures.
        OutputError: The record cannot be written.

    Example:
        >>> evaluation = edgecnn.evaluate("runs/tiny", limit=50)
        >>> [(score.file, score.n, len(score.classes)) for score in evaluation.files]
        [('tiny-fp32.onnx', 50, 10), ('tiny-int8.onnx', 50, 10)]
    """
    return verb(
        resolve.path(target),
        resolve.data_plan(data),
        limit,
        None if output is None else Path(output),
        pictures,
        only_unseen,
        input_size,
    )
