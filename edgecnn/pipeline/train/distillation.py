"""Knowledge distillation: a net learns from the logits of trained nets beside the labels."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecnn import nets
from edgecnn.errors import RunError
from edgecnn.nets import device as devices
from edgecnn.nets import layers
from edgecnn.records import labels
from edgecnn.records.recipe import DistillPlan
from edgecnn.records.run import open_run


class Teacher:
    """The nets of finished runs. Each sees its student's images, normalized with its own mean and deviation.

    Args:
        plan: the runs, and how much they count.
        input_shape: (C, H, W) of the student's images.
        classes: of the student.
        device: the nets are moved to it.

    Raises:
        RunError: a run is not there, or was trained on other images or classes.
    """

    def __init__(
        self,
        plan: DistillPlan,
        input_shape: tuple[int, int, int],
        classes: tuple[str, ...],
        device: torch.device = devices.CPU,
    ) -> None:
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
            self._nets.append((devices.move(net, device), run.mean, run.std))

    def logits(self, inputs: Tensor, mean: float, std: float) -> Tensor:
        """Return the mean of the teachers' logits, which is the geometric mean of their probabilities.

        Args:
            inputs: of the student, float32 (N, C, H, W).
            mean: the student's; its pixels are inputs * std + mean.
            std: the student's.

        Returns:
            float32 (N, K).
        """
        each = []
        with torch.inference_mode():
            for net, own_mean, own_std in self._nets:
                each.append(net(inputs * (std / own_std) + (mean - own_mean) / own_std))
        return torch.stack(each).float().mean(0)

    def loss(self, logits: Tensor, taught: Tensor, labels_loss: Tensor) -> Tensor:
        """Return the weighted mean of the labels' loss and the distillation loss.

        The distillation loss is the Kullback-Leibler divergence at temperature T, times T^2 to keep the size of its
        gradients (Hinton, Vinyals and Dean, 2015, section 2.1).

        Args:
            logits: of the student, float32 (N, K).
            taught: the `logits` of the teachers, float32 (N, K).
            labels_loss: a scalar.
        """
        t = self._plan.temperature
        log_student, log_teacher = F.log_softmax(logits / t, 1), F.log_softmax(taught / t, 1)
        divergence = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True) * t**2
        return torch.lerp(labels_loss, divergence, self._plan.weight)
