"""Chooses a net that knows ImageNet, where the budget names room for one, and how much of it is trained."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from edgecnn.nets import budget
from edgecnn.pipeline.init.decision import Decision
from edgecnn.pipeline.init.survey import Survey
from edgecnn.records import pretrained
from edgecnn.records.recipe import NetPlan

MODEL = pretrained.MODELS["efficientnet-lite0"]
NET = NetPlan(name="efficientnet-lite")
SIDES = (129, 97)
"""Heights and widths to choose from, the larger if the pictures have it: 32 n + 1, where padding is ImageNet's."""
WHY_SIDE = "32 n + 1 lays the filters where they lay on ImageNet"
FEW, MANY = 30, 1_000
"""Pictures of a class, on average: with fewer than FEW only the last layer learns, from MANY on all layers at once."""
OWN = ("start", "net.", "budget.")
"""Keys, and beginnings of keys, by which a user has chosen another net."""


def is_installed() -> bool:
    """Return whether the package with the weights is there."""
    return importlib.util.find_spec(MODEL.package) is not None


def fits(survey: Survey, budget_params: int | None, asked: Mapping[str, Any]) -> bool:
    """Return whether the net is chosen: there is a budget with room for it, and the pictures are photographs.

    Args:
        survey: What the pictures are.
        budget_params: The most parameters; None for no bound, which names no room either.
        asked: What the user named, by key.
    """
    side, channels = asked.get("data.size", SIDES[-1]), asked.get("data.channels", 3)
    if budget_params is None or any(key.startswith(OWN) for key in asked) or channels != 3:
        return False
    if not survey.coloured or not isinstance(side, int) or side < SIDES[-1]:
        return False
    shorter, longer = sorted((survey.median_width, survey.median_height))
    return SIDES[-1] <= shorter and longer < 2 * shorter and _params(survey) <= budget_params


def side(survey: Survey) -> int:
    """Return the height and width that the pictures are brought to."""
    return next(side for side in SIDES if side <= min(survey.median_width, survey.median_height))


def choose(survey: Survey, learning: int, asked: Mapping[str, Any]) -> list[Decision]:
    """Decide on the net, how much of it learns, and how.

    Args:
        survey: What the pictures are.
        learning: How many of them are learnt from.
        asked: What the user named, by key.
    """
    each = learning / len(survey.classes)
    if each < FEW:
        learn, why = "head", f"{each:.0f} pictures of a class are few: the last layer learns, on what the others know"
    elif each < MANY:
        learn, why = "head-then-all", f"{each:.0f} pictures of a class: once the last layer has learnt, all do"
    else:
        learn, why = "all", f"{each:,.0f} pictures of a class are many: all layers learn from the first step"
    learn = asked.get("learn", learn)
    about = f"{_params(survey):,} parameters: a net of ImageNet's, since the budget has room for it"
    decisions = [
        Decision("start", f"{pretrained.PREFIX}{MODEL.name}", "weights that know photographs"),
        Decision("learn", learn, why),
        *_length(learn, learning),
        Decision("net.name", NET.name, about),
        Decision("optim.name", "adamw", ""),
        Decision("optim.weight_decay", 0.05, ""),
        Decision("optim.label_smoothing", 0.1, ""),
    ]
    if learn == "head":
        return [*decisions, Decision("optim.lr", 0.003, "")]
    return [
        *decisions,
        Decision("optim.lr", 0.002, ""),
        Decision("optim.body_lr", 0.1, "layers that know something move at a tenth of the rate"),
        Decision("optim.ema", 0.99, ""),
        Decision("augment.shift", 12, "about a tenth of the side, in whole pixels"),
    ]


def _length(learn: str, learning: int) -> list[Decision]:
    """Decide on the number of epochs and of pictures in a step."""
    if learn == "head":
        return [
            Decision("epochs", 30, f"{learning:,} pictures go through the net once, so epochs are short"),
            Decision("batch_size", 64, ""),
        ]
    decisions = [Decision("epochs", 8, "weights that know photographs need few"), Decision("batch_size", 32, "")]
    if learn == "head-then-all":
        decisions.append(Decision("head_epochs", 15, "of the last layer alone, before"))
    return decisions


def _params(survey: Survey) -> int:
    return budget.cost(NET, (3, SIDES[0], SIDES[0]), len(survey.classes), "params")
