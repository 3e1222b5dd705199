"""A net of the user's own: `[net] name = "path/to/file.py:Net"`, or `"package.module:Net"` of an installed package.

Any torch.nn.Module will do that takes float32 (N, C, H, W) and gives logits (N, classes). A path is relative to the
current folder, like every other path in a recipe. To load a net runs its code, so nothing is loaded that the user has
not named: `allow` remembers what a recipe names, by the file's sha256 or the class's name, and a run folder that holds
other code is refused. A run keeps a copy of the file, so that it opens wherever it is.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from edgecnn.common import cache, documents, files, plugins
from edgecnn.common.documents import Missing, Unreadable
from edgecnn.errors import EdgecnnError, OutputError, PlanError, RunError, UsageError, nearest
from edgecnn.records.recipe import NetPlan
from edgecnn.records.run import CODE, Run

if TYPE_CHECKING:
    from torch import nn

LARGEST_BYTES = 4 << 20
"""The largest file of code."""
ALLOWED = "trusted-code.txt"
"""In the cache folder: what may be run, one sha256 or class a line. Without it the user is asked again."""
ONE_FILE = "a net is one file: put what it needs into it, or install a package and name package.module:Net"

_allowed: set[str] = set()
_trusts_all = False


@dataclass(frozen=True)
class CodeSource:
    """The code of a net, not yet run."""

    name: str
    """As the recipe has it."""
    place: str
    """The path of a file, or the name of a module."""
    attribute: str
    """The class in it."""
    content: bytes | None
    """The whole file; None for a module, which is Python's to find."""

    @property
    def sha256(self) -> str | None:
        return None if self.content is None else hashlib.sha256(self.content).hexdigest()

    @property
    def key(self) -> str:
        """The key of the code in the list of code that may be run."""
        return self.sha256 or self.name


class OwnNet:
    """A class of the user's as a net (`edgecnn.nets.Net`); it has no knobs, for nobody knows what scales it."""

    KNOBS: tuple[str, ...] = ()

    def __init__(self, source: CodeSource, make: Callable[..., Any]) -> None:
        self.ANY_SIZE = bool(getattr(make, "ANY_SIZE", False))
        self._source = source
        self._make = make

    def build(self, *, input_shape: tuple[int, int, int], classes: int, **options: Any) -> nn.Module:
        """Make the net, on the CPU, and show it two black pictures.

        Raises:
            PlanError: It cannot be made with these options, or does not give logits (N, classes).
        """
        import torch

        known = inspect.signature(self._make).parameters
        takes = {"input_shape": input_shape, "classes": classes}
        with torch.device("cpu"):
            try:
                net = plugins.call(
                    self._make, options, "[net]", **{key: value for key, value in takes.items() if key in known}
                )
            except EdgecnnError:
                raise
            except Exception as error:
                raise self._wrong("cannot be made", error) from error
            if not isinstance(net, torch.nn.Module):
                raise PlanError(
                    f"[net] {self._source.name} gives a {type(net).__name__}, and no torch.nn.Module.",
                    "name a class that is one, or a function of a file that returns one",
                )
            self._check(net, input_shape, classes)
        return net

    def _check(self, net: nn.Module, input_shape: tuple[int, int, int], classes: int) -> None:
        import torch

        pictures = torch.zeros(2, *input_shape)
        words = " x ".join(map(str, input_shape))
        was_training = net.training
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                logits = net.eval()(pictures)
        except Exception as error:
            raise self._wrong(f"cannot take pictures of {words} (channels x height x width)", error) from error
        net.train(was_training)
        said = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        if said != (2, classes) or logits.dtype != torch.float32:
            kind = f" of {logits.dtype}" if isinstance(logits, torch.Tensor) and logits.dtype != torch.float32 else ""
            raise PlanError(
                f"[net] {self._source.name} gives {said}{kind} for two pictures, and their float32 logits would be "
                f"(2, {classes}).",
                "a constructor with the keyword `classes` is told their number; `input_shape` is (C, H, W)",
            )

    def _wrong(self, problem: str, error: Exception) -> PlanError:
        return PlanError(f"[net] {self._source.name} {problem}: {_reason(error, self._source)}.")


def is_code(name: str) -> bool:
    """Return whether a net's name names code, and no plug-in."""
    return ":" in name


def find(name: str) -> CodeSource:
    """Return the code that a net's name names; nothing is run.

    Raises:
        PlanError: There is no such file, or it cannot be read.
    """
    place, _, attribute = name.rpartition(":")
    if not place or not attribute.isidentifier():
        raise PlanError(f"[net] name = {name!r} names no class.", "write it as path/to/file.py:Net")
    if not place.endswith(".py"):
        return CodeSource(name, place, attribute, None)
    path = Path(place).expanduser()
    try:
        return CodeSource(name, str(path), attribute, documents.content(path, LARGEST_BYTES))
    except Missing as error:
        raise PlanError(f"[net] name: there is no file {path}.", f"paths are relative to {Path.cwd()}") from error
    except Unreadable as error:
        raise PlanError(f"[net] name: cannot read {path}: {error}.") from error


def allow(name: str) -> None:
    """Let the code that a recipe names be run, now and later. Raises PlanError if it is not there."""
    if is_code(name):
        _remember(find(name))


def trust_all() -> None:
    """Let all code be run that this process opens, and remember it (`--trust-code`)."""
    global _trusts_all
    _trusts_all = True


@functools.lru_cache(maxsize=64)
def _made(source: CodeSource) -> Callable[..., Any]:
    return _class(source, _module(source))


def load(name: str) -> OwnNet:
    """Return the net of that name; its code is run.

    Raises:
        UsageError: The user has not named it.
        PlanError: It is not there, cannot be imported, or is no torch.nn.Module.
    """
    source = find(name)
    if _trusts_all:
        _remember(source)
    if source.key not in _allowed | _remembered():
        raise UsageError(
            f"To open {name.rpartition(':')[0]} would run code that you have trained nothing with here.",
            "read it; if you trust it, edgecnn --trust-code VERB ... runs it and remembers that",
        )
    return OwnNet(source, _made(source))


def keep(name: str, folder: Path) -> str | None:
    """Write a copy of a net's file into a run's folder; its sha256, or None for a net that is no file."""
    source = find(name) if is_code(name) else None
    if source is None or source.content is None:
        return None
    files.write_bytes(folder / CODE, source.content)
    return source.sha256


def kept(plan: NetPlan, folder: Path) -> NetPlan:
    """Return the net's plan with the run folder's own copy of its file."""
    place, _, attribute = plan.name.rpartition(":")
    return replace(plan, name=f"{folder / CODE}:{attribute}") if place.endswith(".py") else plan


def of_run(run: Run) -> NetPlan:
    """Return the plan of a run's net, as it was trained. Raises RunError if the code it keeps has changed."""
    plan = kept(run.recipe.net, run.folder)
    if plan == run.recipe.net:
        return plan
    try:
        sha256 = find(plan.name).sha256
    except PlanError as error:
        raise RunError(f"{run.name} has lost the code of its net: {error}", "restore it from a copy") from error
    if sha256 != run.code_sha256:
        raise RunError(
            f"{run.folder / CODE} is not the code that {run.name} was trained with: its sha256 differs.",
            "restore it from a copy, or train again",
        )
    return plan


def _module(source: CodeSource) -> ModuleType:
    """Return the module of a source, run unless it was before."""
    if source.content is None:
        try:
            return importlib.import_module(source.place)
        except Exception as error:
            hint = f"is its package installed in {sys.prefix}? A file is named as path/to/file.py:Net"
            raise PlanError(f"[net] cannot import {source.place}: {plugins.reason(error)}.", hint) from error
    name = f"edgecnn_net_{hashlib.sha256(source.place.encode() + source.content).hexdigest()[:16]}"
    module = ModuleType(name)
    module.__file__ = source.place
    sys.modules[name] = module  # dataclasses look their module up
    try:
        exec(compile(source.content, source.place, "exec"), vars(module))
    except Exception as error:
        del sys.modules[name]
        raise PlanError(
            f"[net] cannot import {source.place}: {_reason(error, source)}.",
            ONE_FILE if isinstance(error, ImportError) else None,
        ) from error
    return module


def _class(source: CodeSource, module: ModuleType) -> Callable[..., Any]:
    from torch import nn

    held = vars(module)
    known = [name for name, value in held.items() if isinstance(value, type) and issubclass(value, nn.Module)]
    if source.attribute not in held:
        raise PlanError(f"[net] {source.place} has no class {source.attribute}.", nearest(source.attribute, known))
    made: Callable[..., Any] = held[source.attribute]
    is_net = isinstance(made, type) and issubclass(made, nn.Module)
    if not is_net and not (source.content is not None and isinstance(made, FunctionType)):
        raise PlanError(
            f"[net] {source.name} is no torch.nn.Module.",
            "name a class that is one; a function that makes one may stand in a file of yours",
        )
    return made


def _reason(error: Exception, source: CodeSource) -> str:
    """Return what code raised, and in which line of it."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == source.place]
    if isinstance(error, SyntaxError) and error.filename == source.place:
        return f"{type(error).__name__} in line {error.lineno}: {error.msg}"
    return plugins.reason(error) + (f", in line {lines[-1]}" if lines else "")


def _remember(source: CodeSource) -> None:
    _allowed.add(source.key)
    known = _remembered()
    if source.key not in known:
        path = cache.cache_folder() / ALLOWED
        with contextlib.suppress(OutputError):  # a home that cannot be written: it holds for this process
            files.make_folder(path.parent)
            files.write_text(path, "".join(f"{key}\n" for key in sorted(known | {source.key})))


def _remembered() -> set[str]:
    try:
        return set(documents.content(cache.cache_folder() / ALLOWED, LARGEST_BYTES).decode().split("\n"))
    except (Unreadable, UnicodeDecodeError):
        return set()
