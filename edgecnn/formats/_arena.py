"""The activation memory a graph needs when its operators run in the file's own order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Step = tuple[Sequence[str], Sequence[str]]
"""The tensors an operator reads and those it writes."""


def peak_bytes(steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str]) -> int:
    """The largest sum of tensors alive at once, in bytes.

    A tensor lives from the operator that writes it to the last that reads it, inputs from the start and outputs
    to the end; nothing is written in place. `sizes` holds the activations: a name that is not in it (a
    constant) takes no room. What an allocator needs is this or more, for fragmentation.
    """
    first = dict.fromkeys(inputs, 0)
    last = dict.fromkeys(inputs, 0)
    for place, (read, written) in enumerate(steps):
        for name in written:
            first.setdefault(name, place)
            last[name] = place
        for name in read:
            last[name] = place
    end = max(len(steps) - 1, 0)
    last.update(dict.fromkeys(outputs, end))
    change = [0] * (end + 2)
    for name, size in sizes.items():
        if name in first:
            change[first[name]] += size
            change[last[name] + 1] -= size
    alive = peak = 0
    for difference in change:
        alive += difference
        peak = max(peak, alive)
    return peak
