"""Decides, key by key, how to learn from pictures that were looked at; every decision says what it was decided by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecnn.common import escapes
from edgecnn.errors import PlanError
from edgecnn.pipeline.init import decision, imagenet, net
from edgecnn.pipeline.init.decision import Decision
from edgecnn.pipeline.init.survey import Survey
from edgecnn.records import labels, resizing

SIDE = 32
"""Height and width that pictures are brought to: those that the zoo's nets learnt from. 64 x 64 takes four times
the time, and got 79.6 % of 388 photographs of 12 flowers right, against 87.1 % (two cuts of the training ones)."""
ALIKE = 0.9
"""The share of pictures that must be twice as wide as high, or the other way round, for a net that is so too."""
WORTH_SAYING = 5.0
"""The share of a picture, in percent, from which on it is said what a square cuts off."""
LONGEST = 512
"""The longest side of a picture that is not square."""
TEST = 0.2
EPOCHS = ((2_000, 60), (10_000, 40))
"""(Pictures to train with, epochs), for as many or fewer; the last of the zoo's recipes take FEWEST_EPOCHS."""
FEWEST_EPOCHS = 24
SMALL_STEPS = 2_000
"""The most pictures to train with for which batches are small: else there are too few steps."""
MANY = 10_000
"""From so many pictures on, a smaller share validates, and the first steps see smaller pictures."""
WIDEST_SHIFT = 16
"""A shift is this part of the shorter side."""


def choose(
    survey: Survey, budget_params: int | None, asked: Mapping[str, Any], has_imagenet: bool = False
) -> tuple[Decision, ...]:
    """Decide on all keys of a recipe.

    Args:
        survey: What the pictures are.
        budget_params: The most parameters of the net; None for no bound.
        asked: What the user named, by key; what follows from it is decided by it.
        has_imagenet: Whether a net of ImageNet's is here to start from.

    Raises:
        PlanError: No net fits the budget and the pictures.
    """
    from_imagenet = has_imagenet and imagenet.fits(survey, budget_params, asked)
    size = _square(survey, imagenet.side(survey), imagenet.WHY_SIDE) if from_imagenet else _size(survey)
    data = decision.settle(_data(survey, size), asked)
    options = decision.nested(data)["data"]
    height, width, channels = _shape({**options, **decision.values_in("data", asked)})
    learning = _training_pictures(survey, options)
    if from_imagenet:
        decisions = [*data, *imagenet.choose(survey, learning, asked), *_balance(survey), _flip(survey)]
    else:
        decisions = [
            *_length(learning),
            *data,
            *net.choose((channels, height, width), len(survey.classes), budget_params, asked),
            *_optimiser(learning),
            *_balance(survey),
            *_augmentation(survey, height, width, learning),
        ]
    settled = decision.settle(decisions, asked)
    known = {item.key for item in settled}
    return (*settled, *(Decision(key, value, decision.ASKED) for key, value in asked.items() if key not in known))


def summary(survey: Survey, most: int = 6) -> str:
    """Return in one line which pictures there are."""
    counts = [f"{escapes.line(name)} {count:,}" for name, count in zip(survey.classes, survey.counts, strict=True)]
    shown = f"{', '.join(counts[:most])}{' ...' if len(counts) > most else ''}"
    return f"{survey.pictures:,} pictures in {len(survey.classes)} classes: {shown}"


def _data(survey: Survey, size: list[Decision]) -> list[Decision]:
    """Decide how the pictures are read and split."""
    decisions = [
        Decision("data.name", survey.data, summary(survey)),
        Decision("data.path", survey.path, _splits(survey)),
        *size,
        _channels(survey),
    ]
    if "test" not in survey.splits:
        count = round(TEST * survey.pictures)
        held = f"of the pictures (about {count:,}) are held out to test with, by their content"
        decisions.append(Decision("data.test", TEST, f"{100 * TEST:g} % {held}{_copies(survey)}"))
    if "validation" not in survey.splits:
        share = 0.05 if survey.pictures > MANY else 0.1
        decisions.append(
            Decision("data.validation", share, f"{100 * share:g} % of the others are held out to choose by")
        )
    if survey.grouping:
        why = f"by their names the pictures are {survey.grouping.groups:,} series, such as {survey.grouping.example}"
        decisions.append(
            Decision("data.group", survey.grouping.pattern, f"{escapes.line(why)}: each stays on one side")
        )
    if survey.broken:
        why = f"{survey.broken:,} cannot be read, {escapes.line(str(survey.first_broken))} first"
        decisions.append(Decision("data.skip_broken", True, why))
    if survey.leaked:
        why = f"{survey.leaked:,} pictures to learn from are test pictures as well, and are left out"
        decisions.append(Decision("data.skip_leaks", True, why))
    return decisions


def _splits(survey: Survey) -> str:
    """Return which splits are held out already, and what is still missing."""
    if len(survey.splits) == 1:
        return "there are no splits: they are cut from all of it"
    return "the splits are taken as they are: " + ", ".join(f"{role} {n:,}" for role, n in survey.splits.items())


def _copies(survey: Survey) -> str:
    return f"; {survey.copies:,} copies and near-copies stay with their originals" if survey.copies else ""


def _size(survey: Survey) -> list[Decision]:
    """Decide on the height, and on the width of pictures that are not square."""
    width, height = survey.median_width, survey.median_height
    median = f"the pictures are {width:,} x {height:,} (median)"
    if max(width, height) >= 2 * min(width, height) and survey.alike >= ALIKE:
        long, short = max(width, height), min(width, height)
        side = min(short, max(1, round(SIDE * (short / long) ** 0.5)))
        sides = side, min(long, LONGEST, round(side * long / short))
        rows, columns = sides if width > height else sides[::-1]
        why = f"{100 * survey.alike:.0f} % of them lie so, and a square would cut off more than half"
        many = f"as many pixels as {SIDE} x {SIDE} have, where the pictures have them"
        return [Decision("data.size", [rows, columns], f"{median}; {why}; {many}")]
    side = min(SIDE, width, height)
    why = f"the zoo's nets learnt from {SIDE} x {SIDE}" if side == SIDE else "more would show no more"
    return _square(survey, side, why)


def _square(survey: Survey, side: int, why: str) -> list[Decision]:
    """Decide on square pictures, and on what becomes of those that are none."""
    width, height = survey.median_width, survey.median_height
    median = f"the pictures are {width:,} x {height:,} (median)"
    cut = 100 - 100 * min(width, height) / max(width, height)
    if cut < WORTH_SAYING:
        return [Decision("data.size", side, f"{median}; {why}")]
    cuts = f'a square cuts {cut:.0f} % off the median picture; "squash" or "letterbox" would keep all of it'
    return [Decision("data.size", side, f"{median}; {why}"), Decision("data.resize", "crop", cuts)]


def _channels(survey: Survey) -> Decision:
    if not survey.coloured:
        return Decision("data.channels", 1, f"all {survey.pictures:,} pictures are grey")
    return Decision("data.channels", 3, f"{survey.coloured:,} of {survey.pictures:,} pictures are coloured")


def _shape(options: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return (height, width, channels) of the pictures that a net takes. Raises PlanError for none."""
    height, width = resizing.sides(options["size"], options.get("width", 0))
    channels = options["channels"]
    if channels not in (1, 3):
        raise PlanError(f"[data]: channels = {channels} is of no picture.", "1 for grey, 3 for colour")
    return height, width, channels


def _training_pictures(survey: Survey, data: Mapping[str, Any]) -> int:
    """Return about how many pictures are learnt from."""
    own = {role: count for role, count in survey.splits.items() if role != "train"}
    count = float(survey.splits["train"])
    for role in ("test", "validation"):
        share = data.get(role)
        if role not in own and isinstance(share, float):  # another one is refused when the pictures are loaded
            count *= 1 - share
    return round(count)


def _length(learning: int) -> list[Decision]:
    """Decide on the number of epochs and of pictures in a step."""
    epochs = next((epochs for most, epochs in EPOCHS if learning <= most), FEWEST_EPOCHS)
    batch = 32 if learning <= SMALL_STEPS else 128
    steps = epochs * max(1, learning // batch)
    why = "few pictures: small batches make more steps" if batch == 32 else "as the zoo's recipes have it"
    return [
        Decision("epochs", epochs, f"about {learning:,} pictures to learn from, {steps:,} steps in all"),
        Decision("batch_size", batch, why),
    ]


def _optimiser(learning: int) -> list[Decision]:
    lr = 0.05 if learning <= SMALL_STEPS else 0.2
    return [
        Decision("optim.name", "sgd", "as the zoo's recipes have it; the learning rate goes with the batch"),
        Decision("optim.lr", lr, ""),
        Decision("optim.momentum", 0.9, ""),
        Decision("optim.weight_decay", 0.0005, ""),
        Decision("optim.ema", 0.998, ""),
    ]


def _balance(survey: Survey) -> list[Decision]:
    """Decide whether rare classes count as much as frequent ones."""
    if not (apart := labels.uneven(survey.counts)):
        return []
    return [Decision("optim.class_weights", "balanced", f"the classes have {apart} pictures, and all count alike so")]


def _augmentation(survey: Survey, height: int, width: int, learning: int) -> list[Decision]:
    """Decide on the changes to training pictures that leave their labels as they are."""
    shift = min(height, width) // WIDEST_SHIFT
    decisions = [
        _flip(survey),
        Decision("augment.shift", shift, f"a {WIDEST_SHIFT}th of the shorter side, in whole pixels"),
    ]
    if learning > MANY and min(height, width) >= SIDE:
        decisions += [Decision("small.side", 0.625, "many pictures: the first half of the steps sees them smaller")]
    return decisions


def _flip(survey: Survey) -> Decision:
    why = survey.mirror or "no class names a side, a digit or a letter, so a mirrored picture keeps its class"
    return Decision("augment.flip", survey.mirror is None, why)
