"""The table of planted faults and of those that were found, made from bench/results/data-faults.json."""

from __future__ import annotations

import data_faults
import record

from edgecnn.common import console

RESULT = "data-faults.json"


def table() -> str:
    """Return how the numbers were had, and a row for every kind of fault."""
    result = record.read(RESULT)
    seeds = f"{result['seeds']} seed{'s' * (result['seeds'] > 1)}"
    accuracies = result["accuracy_with_faults"]
    told = {
        name: "; ".join("{percent:.1f} % [{low_percent:.1f}, {high_percent:.1f}]".format(**share) for share in shares)
        for name, shares in accuracies.items()
    }
    return (
        f"({record.how(result)}; {result['pictures']} pictures of {result['classes']} classes, {seeds}; Wilson's 95 % "
        f"intervals)\n\n{console.markdown_table(data_faults.HEAD, data_faults.rows(result))}\n"
        f"With these faults the classifiers were right, by cross-validation and by the labels as they stood, on "
        f"{told['pretrained']} with the pretrained net and on {told['small']} with small features.\n"
    )
