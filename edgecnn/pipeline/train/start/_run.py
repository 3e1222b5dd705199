"""Fine-tuning: start a training from the weights of a finished run, for the same classes or for others."""

from __future__ import annotations

from pathlib import Path

from edgecnn import nets
from edgecnn.pipeline.train import weights_file
from edgecnn.pipeline.train.start import NewNet, Start
from edgecnn.pipeline.train.weights_file import LoadedWeights
from edgecnn.records import labels
from edgecnn.records.run import open_run


def load(named: str, net: NewNet) -> Start:
    """Return the weights of a run. If it was trained for other classes, the last layer stays as it was drawn.

    Raises:
        RunError: there is no such run.
        ModelFileError: its net is another.
    """
    run = open_run(Path(named))
    fitted = weights_file.fitted(
        LoadedWeights(nets.restore(run).state_dict()),
        net.own,
        named,
        f"give [net] what {run.folder / 'recipe.toml'} says there",
        net.of_classes,
        same_classes=labels.same(run.labels, tuple(net.classes)),
    )
    return Start(weights=fitted.tensors, normalisation=(run.mean, run.std), sha256=run.weights_sha256)
