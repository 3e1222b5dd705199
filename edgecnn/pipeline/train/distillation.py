"""Knowledge distillation: a net learns from the logits of trained nets beside the labels."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecnn import data, nets
from edgecnn.common import console
from edgecnn.data import Images
from edgecnn.nets import device as devices
from edgecnn.nets import inference, layers
from edgecnn.pipeline.train.pictures import Pictures, other_pictures
from edgecnn.records import labels
from edgecnn.records.recipe import DistillPlan
from edgecnn.records.run import open_run


class Teacher:
    """The nets of finished runs, each with its own normalisation of pixels.

    A net of its student's size sees what the student sees, augmentation and all ("consistent teaching": Beyer et al.,
    2022, CVPR, arXiv:2106.05237). One of another size is asked once for every picture, in its own size, and once for
    its mirror image where the recipe flips.

    Args:
        plan: the runs, and how much they count.
        input_shape: (C, H, W) of the student's images.
        classes: of the student.
        device: the nets are moved to it.
        pictures: of the student, for nets of other sizes.

    Raises:
        RunError: a run is not there, or was trained on other images or classes.
    """

    def __init__(
        self,
        plan: DistillPlan,
        input_shape: tuple[int, int, int],
        classes: tuple[str, ...],
        device: torch.device = devices.CPU,
        pictures: Pictures | None = None,
    ) -> None:
        self._plan = plan
        self._nets: list[_TaughtNet] = []
        self._of_other_sizes: list[tuple[_TaughtNet, Images]] = []
        self._known: Tensor | None = None
        for folder in plan.teacher:
            run = open_run(Path(folder))
            if not labels.same(run.labels, classes):
                raise other_pictures(folder)
            net = layers.fold_batch_norms(nets.restore(run))
            net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            taught = _TaughtNet(devices.move(net, device), run.mean, run.std)
            if tuple(run.input_shape) == input_shape:
                self._nets.append(taught)
            elif pictures is None or "size" not in inspect.signature(data.get(pictures.plan.name).load).parameters:
                raise other_pictures(folder)
            else:
                self._of_other_sizes.append((taught, pictures.as_seen_by(run)))

    @property
    def asks_once(self) -> bool:
        """True if some of the nets see each picture in another size than the student, once."""
        return bool(self._of_other_sizes)

    def ask(self, name: str, mirrored: bool) -> None:
        """Ask the nets of other sizes for their logits of every picture.

        Args:
            name: of the training, for its line of progress.
            mirrored: ask for the mirror images too.
        """
        known = []
        for net, images in self._of_other_sizes:
            with console.stage(f"{name}: what its teacher says of {len(images):,} pictures"):
                flips = (False, True) if mirrored else (False,)
                sides = [inference.logits(net.net, images, net.mean, net.std, flip) for flip in flips]
            known.append(torch.stack(sides))
        if known:
            self._known = torch.stack(known).sum(0)  # (1 or 2, N, K)

    def known(self, indices: Tensor, mirrored: Tensor | None) -> Tensor | None:
        """Return the sum of the logits of nets of other sizes, float32 (n, K); None if there are none.

        Args:
            indices: (n,) of the pictures.
            mirrored: (n,) bool, which of them the student sees mirrored; None if none.
        """
        if self._known is None:
            return None
        sides = torch.zeros_like(indices) if mirrored is None else mirrored.long()
        return self._known[sides, indices]

    def logits(self, inputs: Tensor, mean: float, std: float, known: Tensor | None = None) -> Tensor:
        """Return the mean of the teachers' logits, which is the geometric mean of their probabilities.

        Args:
            inputs: of the student, float32 (N, C, H, W).
            mean: the student's; its pixels are inputs * std + mean.
            std: the student's.
            known: what nets of other sizes say, from `known`.

        Returns:
            float32 (N, K).
        """
        each = [] if known is None else [known]
        with torch.inference_mode():
            for net in self._nets:
                each.append(net.net(inputs * (std / net.std) + (mean - net.mean) / net.std).float())
        return torch.stack(each).sum(0) / (len(self._nets) + len(self._of_other_sizes))

    def loss(self, logits: Tensor, taught: Tensor, labels_loss: Tensor, labelled: Tensor | None = None) -> Tensor:
        """Return the weighted mean of the labels' loss and the distillation loss.

        The distillation loss is the Kullback-Leibler divergence at temperature T, times T^2 to keep the size of its
        gradients (Hinton, Vinyals and Dean, 2015, section 2.1).

        Args:
            logits: of the student, float32 (N, K).
            taught: the `logits` of the teachers, float32 (N, K).
            labels_loss: a scalar; of each image (N,) with `labelled`.
            labelled: (N,) which images have a label; the others have the distillation loss alone. None if all have one.
        """
        t = self._plan.temperature
        log_student, log_teacher = F.log_softmax(logits / t, 1), F.log_softmax(taught / t, 1)
        if labelled is None:
            divergence = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True) * t**2
            return torch.lerp(labels_loss, divergence, self._plan.weight)
        each = F.kl_div(log_student, log_teacher, reduction="none", log_target=True).sum(1) * t**2  # (N,)
        return torch.where(labelled, torch.lerp(labels_loss, each, self._plan.weight), each).mean()


@dataclass(frozen=True)
class _TaughtNet:
    """A teacher's net, and the mean and deviation of its own pixels."""

    net: nn.Module
    mean: float
    std: float
