"""A CNN, an MLP and a ViT with equal parameter counts, trained alike, which several lessons compare."""

from __future__ import annotations

from dataclasses import replace

from edgecnn.nets import budget
from edgecnn.records.recipe import DataPlan, NetPlan, OptimPlan, Recipe

NAMES = {"dscnn": "CNN", "mlp": "MLP", "vit": "ViT"}


def recipe(family: str, quick: bool, seed: int = 0) -> Recipe:
    """Return the recipe of a family, scaled to the CNN's parameter count.

    The data is digits in the quick form, else a tenth of Fashion-MNIST. There is no augmentation, so that an
    invariance that is measured comes from the net.
    """
    if quick:
        data, shape = DataPlan(name="digits"), (1, 8, 8)
        cnn, patch = {"width": 16, "stages": 2, "depth": 1}, 2
        epochs = 10
    else:
        data, shape = DataPlan(name="fashion-mnist", fraction=0.1, validation=0.02), (1, 28, 28)
        cnn, patch = {"width": 32, "stages": 2, "depth": 2, "stem_stride": 2}, 4
        epochs = 8
    model = NetPlan(name="dscnn", options=cnn)
    net = model
    if family != "dscnn":
        options = {"patch": patch, "depth": 2, "heads": 2} if family == "vit" else {}
        target = budget.cost(model, shape, 10, "params")
        net = budget.solve(NetPlan(name=family, options=options), shape, 10, target)
    return Recipe(
        name=f"{family}-{seed}",
        data=data,
        net=net,
        optim=OptimPlan(lr=0.01 if quick or family == "dscnn" else 0.005),
        epochs=epochs,
        batch_size=64,
        seed=seed,
        num_threads=1,
        precision="fp32",
    )


def with_net(recipe: Recipe, net: NetPlan, name: str) -> Recipe:
    """Return the recipe with another net and name."""
    return replace(recipe, name=name, net=net)


def with_data(recipe: Recipe, data: DataPlan, name: str) -> Recipe:
    """Return the recipe with other data and another name."""
    return replace(recipe, name=name, data=data)
