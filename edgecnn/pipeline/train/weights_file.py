"""Weights that somebody else trained: read without running anything, and held against a net key by key."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgecnn.common import documents, plugins
from edgecnn.common.documents import Unreadable
from edgecnn.errors import ModelFileError
from edgecnn.records import labels

LARGEST_BYTES = 4 << 30
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights", "module", "params")
"""The keys under which training scripts keep the weights beside an epoch and an optimizer."""
COUNTERS = "num_batches_tracked"
"""A batch norm's counter that old files lack and inference does not read."""
OWN_NUMBERS = "the net's numbers are keys of [net]: -s net.width=16; the number of classes is the data set's"
SHOWN = 3
"""Keys that an error lists of each kind."""


@dataclass(frozen=True)
class LoadedWeights:
    """Tensors by their name, and what was done to the file's to get them."""

    tensors: Mapping[str, Tensor]
    said: tuple[str, ...] = ()
    """Each as a sentence without a full stop."""


def read(path: Path) -> LoadedWeights:
    """Return the weights in a .safetensors file, or in one that torch.save wrote, opened with weights_only=True.

    Raises:
        ModelFileError: It cannot be read, holds anything but tensors, or one of them is not finite.
    """
    try:
        content = documents.content(path, LARGEST_BYTES)
    except Unreadable as error:
        raise ModelFileError(f"Cannot read the weights {path}: {error}.") from error
    if path.suffix == ".safetensors":
        weights = LoadedWeights(_safetensors(content, path))
    else:
        weights = _unwrapped(_torch(content, path), path)
    for name, value in weights.tensors.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise ModelFileError(f"{path}: {name} holds numbers that are not finite.", "its training diverged")
    return weights


def fitted(
    weights: LoadedWeights,
    own: Mapping[str, Tensor],
    source: Path | str,
    hint: str = OWN_NUMBERS,
    of_classes: Collection[str] = (),
    same_classes: bool = True,
) -> LoadedWeights:
    """Return the weights under the names and in the types of a net's own state_dict `own`.

    A prefix that all names share (`module.`, `model.`) is taken off or put in front where that makes them agree.

    Args:
        weights: of any origin.
        own: what they are held against.
        source: where they come from, for the error.
        hint: what to do about another net.
        of_classes: names that keep what they have in `own` if they are missing or have another shape.
        same_classes: whether the outputs mean the same in both; otherwise all of `of_classes` keep theirs.

    Raises:
        ModelFileError: A name is missing or too many, or a shape is another; the first of each kind are listed.
    """
    tensors, said = _renamed(weights.tensors, own)
    for name in of_classes:
        if not same_classes or name not in tensors or tensors[name].shape != own[name].shape:
            tensors[name] = own[name]
    missing = [name for name in own if name not in tensors and not name.endswith(COUNTERS)]
    extra = [name for name in tensors if name not in own]
    shared = [name for name in own if name in tensors]
    other = [
        f"{name} is {tuple(tensors[name].shape)} there and {tuple(own[name].shape)} in the net"
        for name in shared
        if tensors[name].shape != own[name].shape
    ]
    problems = [_listed("it lacks", missing), _listed("the net has no", extra), _listed("", other)]
    if any(problems):
        raise ModelFileError(
            f"{source} does not hold the weights of this net: {'; '.join(filter(None, problems))}.", hint
        )
    if any(tensors[name].dtype != own[name].dtype for name in shared):
        kinds = sorted({str(tensors[name].dtype).removeprefix("torch.") for name in shared})
        said.append(f"{', '.join(kinds)} became what the net has")
    result = {name: tensors.get(name, value).to(value.dtype) for name, value in own.items()}
    return LoadedWeights(result, (*weights.said, *said))


def _safetensors(content: bytes, path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load

    try:
        return load(content)
    except Exception as error:  # of a file of any origin
        raise ModelFileError(f"{path} is no safetensors file: {plugins.reason(error)}.") from error


def _torch(content: bytes, path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on how an old torch wrote it
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelFileError(
            f"{path} holds more than tensors, or is damaged, and what it holds would have to be run to be read.",
            "where it was trained, save its weights alone: torch.save(net.state_dict(), 'weights.pt')",
        ) from error
    except Exception as error:  # of a file of any origin: zip, key and type errors
        raise ModelFileError(
            f"{path} is no file of weights: {plugins.reason(error)}.", "a .safetensors file, or one of torch.save"
        ) from error


def _unwrapped(value: object, path: Path) -> LoadedWeights:
    """Return the dictionary of tensors in what torch.save wrote, and under which key it was."""
    said: list[str] = []
    while isinstance(value, Mapping) and not _is_flat(value):
        inner = {key: held for key, held in value.items() if isinstance(held, Mapping) and held}
        key = next((key for key in WRAPPERS if key in inner), None)
        if key is None:
            break
        said.append(f"the weights stand under the key {key!r}")
        value = inner[key]
    if not isinstance(value, Mapping) or not _is_flat(value):
        raise ModelFileError(
            f"{path} holds no dictionary of tensors by their names.",
            "torch.save(net.state_dict(), 'weights.pt') writes one",
        )
    return LoadedWeights(dict(value), tuple(said))


def _is_flat(value: Mapping[Any, Any]) -> bool:
    return bool(value) and all(isinstance(key, str) and isinstance(held, Tensor) for key, held in value.items())


def _renamed(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tensors with a shared prefix taken off, or the net's put in front, if that is what parts them."""
    renamed, said, taken = dict(tensors), list[str](), ""
    while renamed.keys().isdisjoint(own) and (prefix := _prefix(renamed)):
        renamed = {name.removeprefix(prefix): value for name, value in renamed.items()}
        taken += prefix
    if renamed.keys().isdisjoint(own):
        prefix = _prefix(own)
        renamed, taken = {f"{prefix}{name}": value for name, value in tensors.items()}, ""
        if prefix and not renamed.keys().isdisjoint(own):
            return renamed, [f"the prefix {prefix!r} was put in front of all names"]
        return dict(tensors), []
    if taken:
        said.append(f"the prefix {taken!r} was taken off all names")
    return renamed, said


def _prefix(names: Mapping[str, Tensor]) -> str:
    """Return the first part that all names share, with its dot; empty if there is none."""
    parts = {name.partition(".")[0] for name in names}
    return f"{parts.pop()}." if len(parts) == 1 and all("." in name for name in names) else ""


def _listed(words: str, names: Sequence[str]) -> str:
    return f"{words} {labels.listed(names, SHOWN)}".strip() if names else ""
