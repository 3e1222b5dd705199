"""Labels that a classifier doubts: confident learning (Northcutt, Jiang and Chuang, 2021, JAIR 70:1373, section 3).

The classifier may be surer of some classes than of others, so each class has a threshold of its own: the mean
probability that it gives to the pictures which are labelled so. A picture is counted to the most probable class among
those that reach their thresholds, and its label is suspicious if that is another one. These are the pictures off the
diagonal of cleanlab's confident joint (2.9: the same 109 of 960 flowers with 48 wrong labels), without pandas.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgecnn.checks.data.cross_validation import Labels, Shares


def suspicious(labels: Labels, shares: Shares) -> tuple[npt.NDArray[np.intp], Labels]:
    """Return the pictures whose labels are suspicious, the surest first, and the likely class of each.

    Args:
        labels: (N,) as given; every class has some.
        shares: (N, K) probabilities by a classifier that has not learnt from the picture.

    Returns:
        (n,) indices, by how much more probable the likely class is than the given one; and (n,) classes.
    """
    label_shares = shares[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=shares.shape[1])
    thresholds = np.bincount(labels, label_shares, minlength=shares.shape[1]) / np.maximum(1, counts)  # (K,)
    reaching = np.where(shares >= thresholds - 1e-6, shares, -1.0)  # (N, K)
    likely = reaching.argmax(1)
    doubted = np.flatnonzero((reaching.max(1) >= 0) & (likely != labels))
    margin = shares[doubted, likely[doubted]] - label_shares[doubted]
    order = doubted[np.argsort(-margin, kind="stable")]
    return order, likely[order]
