"""Tables of nets for photographs, made from bench/results/photographs.json and photographs-96.json."""

from __future__ import annotations

import photographs
import record

from edgecnn.common import console
from edgecnn.common.stats import mean_interval
from edgecnn.records import environment


def table(name: str = "photographs.json") -> str:
    """Return how the nets of a result were had, and a row for each."""
    result = record.read(name)
    nets = result["nets"]
    seeds, verdict = len(nets[0]["seeds"]), nets[0]["verdicts"][0]
    return (
        f"({record.how(result)}; means over {seeds} seeds with their 95 % interval, {nets[0]['num_threads']} thread; "
        f"{verdict['n']} test pictures)\n\n"
        + console.markdown_table(photographs.HEAD, [photographs.row(net) for net in nets])
    )


def costs(name: str = "photographs.json") -> str:
    """Return on which machines the nets of a result were measured, and a row for each net."""
    result = record.read(name)
    machines = {board: environment.from_table(machine["environment"]) for board, machine in result["machines"].items()}
    return (
        record.legend(machines)
        + f"\nlocal has the fingerprint {environment.fingerprint(machines['local'])}; times of a machine with another one "
        "are not to be compared with its.\n\n"
        + console.markdown_table(photographs.COST_HEAD, [photographs.cost_row(net) for net in result["nets"]])
    )


def expected() -> str:
    """Return what to expect of one's own photographs, by what `init` writes and by a net of ImageNet's."""
    result = record.read("photographs.json")
    nets = {net["name"]: net for net in result["nets"]}
    own, imagenet = nets["init"], nets["lite0-193"]
    accuracies = [mean_interval([verdict["top1_percent"] for verdict in net["verdicts"]]) for net in (own, imagenet)]
    mine, theirs = ("{:.1f} % [{:.1f}, {:.1f}]".format(*accuracy) for accuracy in accuracies)
    seconds = [mean_interval(net["train_seconds"])[0] for net in (own, imagenet)]
    machine = environment.machine_name(environment.from_table(result["environment"]))
    return (
        f"With 55 photographs of each of 12 kinds of flowers to learn from, what `init` writes is right on {mine} of "
        f"{own['verdicts'][0]['n']} test pictures, in a file of {own['bytes'] / 1000:.0f} kB, and a net that began with "
        f"ImageNet's weights (`edgecnn train photos-lite0 --data photos`) on {theirs}, in one of "
        f"{imagenet['bytes'] / 1e6:.1f} MB: int8, means over {len(own['seeds'])} seeds. Their trainings took "
        f"{seconds[0]:.0f} and {seconds[1]:.0f} s with one thread of a shared {machine}.\n"
    )
