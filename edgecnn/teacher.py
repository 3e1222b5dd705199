"""A trained net whose logits another learns from."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecnn import device, nets
from edgecnn.errors import RunError
from edgecnn.recipes import DistillPlan
from edgecnn.run import open_run


class Teacher:
    """The net of a finished run; it sees the very pictures its student sees, each normalised in its own way."""

    def __init__(
        self,
        plan: DistillPlan,
        input_shape: tuple[int, int, int],
        classes: tuple[str, ...],
        where: torch.device = device.CPU,
    ) -> None:
        """Raises RunError if the run is not there or was trained on other pictures or classes."""
        run = open_run(Path(plan.teacher))
        if run.labels != classes or tuple(run.input_shape) != input_shape:
            raise RunError(
                f"The teacher {plan.teacher} was trained on other pictures or classes than its student's.",
                "train it on the same data set",
            )
        self._plan = plan
        net = nets.restore(run).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._net: nn.Module = device.put(net, where)
        self._mean, self._std = run.mean, run.std

    def logits(self, inputs: Tensor, mean: float, std: float) -> Tensor:
        """float32 (N, K) of a student's inputs (N, C, H, W), whose pixels are inputs * std + mean."""
        own = inputs * (std / self._std) + (mean - self._mean) / self._std
        with torch.inference_mode():
            taught: Tensor = self._net(own)
        return taught.float().clone()

    def loss(self, logits: Tensor, taught: Tensor, labels_loss: Tensor) -> Tensor:
        """The labels' loss and the teacher's, by their weight.

        The teacher's is the Kullback-Leibler divergence at its temperature T, times T^2, which keeps its gradient's
        size (Hinton, Vinyals and Dean, 2015, section 2.1).
        """
        t = self._plan.temperature
        log_student, log_teacher = F.log_softmax(logits / t, 1), F.log_softmax(taught / t, 1)
        divergence = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True) * t**2
        return torch.lerp(labels_loss, divergence, self._plan.weight)
