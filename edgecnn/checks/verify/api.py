"""`edgecnn.verify`: the verb, for whoever names runs and files in Python."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgecnn.checks.verify.layers import Tolerance
from edgecnn.checks.verify.matrix import Matrix
from edgecnn.checks.verify.verify import verify as verb
from edgecnn.records import resolve
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.recipe import DataPlan
from edgecnn.records.resolve import FilePath, Target


def verify(
    targets: Target | Iterable[Target],
    board: str | Iterable[str] = (),
    *,
    data: DataPlan | FilePath | None = None,
    limit: int | None = None,
    only_unseen: bool = False,
    tolerance: float = Tolerance.relative,
    tolerance_lsb: int = Tolerance.lsb,
    pictures: PictureOptions | None = None,
    input_size: str | None = None,
    output: FilePath | None = None,
) -> Matrix:
    """Ask the net, its files, their runtimes and boards the same pictures, and find the first layer that differs.

    Args:
        targets: A run, whose net and files are asked, or a model file of any make; or several of them.
        board: A board to ask on besides this machine, or several.
        data: A data set or a folder of pictures; the first run's by default.
        limit: How many of the test pictures, drawn at random; all by default.
        only_unseen: Leave out the test pictures that a run has seen.
        tolerance: Of float values, relative to the largest magnitude of their tensor.
        tolerance_lsb: Of integer values, in steps of their scale.
        pictures: How pictures are to be fed, against what a file or its card says.
        input_size: Sizes that a file leaves open, such as "1x3x224x224".
        output: The folder of parity.json and of the pictures that two disagree on; the run's parity/ folder by
            default, none for loose files.

    Returns:
        Every answer and every difference of two, with n and 95 % intervals.

    Raises:
        UsageError: A target cannot be asked, or nobody says which pictures it is for.
        LinkError: A board cannot be reached.

    Example:
        >>> matrix = edgecnn.verify("runs/tiny", limit=50)
        >>> [answer.name for answer in matrix.answers]
        ['PyTorch', 'tiny-fp32.onnx', 'tiny-int8.onnx']
    """
    return verb(
        resolve.paths(targets),
        (board,) if isinstance(board, str) else tuple(board),
        resolve.data_plan(data),
        limit,
        Tolerance(lsb=tolerance_lsb, relative=tolerance),
        output=None if output is None else Path(output),
        pictures=pictures,
        only_unseen=only_unseen,
        input_size=input_size,
    )
