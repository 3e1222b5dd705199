"""The number of images that go through a net at once, and that it does not matter."""

import numpy as np
import pytest
import torch

from edgecnn.nets import inference
from edgecnn.testing.nets import build


@pytest.mark.parametrize(
    ("height", "width", "most", "size"),
    [
        (28, 28, 500, 500),
        (64, 64, 512, 512),
        (96, 96, 500, 222),
        (224, 224, 500, 40),
        (1, 20_000, 500, 102),
        (9000, 9000, 500, 1),
    ],
)
def test_fewer_large_images_go_through_a_net_at_once(height: int, width: int, most: int, size: int) -> None:
    images = np.broadcast_to(np.uint8(0), (3, height, width, 1))
    assert inference.batch_size(images, most) == size


def test_logits_do_not_depend_on_how_many_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 70, 66, 3), dtype=np.uint8)
    net = build("mobilenet", (3, 70, 66))
    whole = inference.logits(net, images, 127.0, 64.0)
    monkeypatch.setattr(inference, "SMALL", 20)
    assert inference.batch_size(images) == 2
    torch.testing.assert_close(inference.logits(net, images, 127.0, 64.0), whole)
