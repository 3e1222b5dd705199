"""Trained nets whose logits another learns from."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecnn import nets
from edgecnn.errors import RunError
from edgecnn.nets import device, layers
from edgecnn.records import labels
from edgecnn.records.recipe import DistillPlan
from edgecnn.records.run import open_run


class Teacher:
    """The nets of finished runs; each sees the very pictures its student sees, normalised in its own way."""

    def __init__(
        self,
        plan: DistillPlan,
        input_shape: tuple[int, int, int],
        classes: tuple[str, ...],
        where: torch.device = device.CPU,
    ) -> None:
        """Raises RunError if a run is not there or was trained on other pictures or classes."""
        self._plan = plan
        self._nets: list[tuple[nn.Module, float, float]] = []  # with the mean and deviation of its own pixels
        for folder in plan.teacher:
            run = open_run(Path(folder))
            if not labels.same(run.labels, classes) or tuple(run.input_shape) != input_shape:
                raise RunError(
                    f"The teacher {folder} was trained on other pictures or classes than its student's.",
                    "train it on the same data set",
                )
            net = layers.fold_batch_norms(nets.restore(run))
            net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self._nets.append((device.move(net, where), run.mean, run.std))

    def logits(self, inputs: Tensor, mean: float, std: float) -> Tensor:
        """float32 (N, K) of a student's inputs (N, C, H, W), whose pixels are inputs * std + mean.

        Of several teachers it is the mean, which is the geometric mean of what they hold likely.
        """
        taught = []
        with torch.inference_mode():
            for net, own_mean, own_std in self._nets:
                taught.append(net(inputs * (std / own_std) + (mean - own_mean) / own_std))
        return torch.stack(taught).float().mean(0)

    def loss(self, logits: Tensor, taught: Tensor, labels_loss: Tensor) -> Tensor:
        """The labels' loss and the teacher's, by their weight.

        The teacher's is the Kullback-Leibler divergence at its temperature T, times T^2, which keeps its gradient's
        size (Hinton, Vinyals and Dean, 2015, section 2.1).
        """
        t = self._plan.temperature
        log_student, log_teacher = F.log_softmax(logits / t, 1), F.log_softmax(taught / t, 1)
        divergence = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True) * t**2
        return torch.lerp(labels_loss, divergence, self._plan.weight)
