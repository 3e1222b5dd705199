"""The reference of recipes, export plans and suites: every key with its type, its default and its meaning."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

from reading import cell, docstring, field_texts, field_types, table

from edgecnn import data, nets
from edgecnn.common import config
from edgecnn.records import recipe
from edgecnn.records.plans import ExportPlan, Suite
from edgecnn.studies.sweep.plan import Dimension, PrunerPlan, SamplerPlan, SweepPlan

HEAD = ("key", "type", "default", "meaning")
TABLES = {
    "data": recipe.DataPlan,
    "net": recipe.NetPlan,
    "budget": recipe.BudgetPlan,
    "optim": recipe.OptimPlan,
    "augment": recipe.AugmentPlan,
    "small": recipe.SmallPlan,
    "distill": recipe.DistillPlan,
}
TOLD = {
    "batch_size": "Pictures in one step.",
    "data.name": "A data set: one of those below, or what other packages bring.",
    "epochs": "Passes over the training pictures.",
    "lr": "Peak learning rate.",
    "name": "Name of the plan; its file's name without it.",
    "net.name": "A net: one of those below, `my.py:Net`, or `package.module:Net`.",
    "optim.name": "The optimiser.",
    "optuna.name": "One of Optuna's, by its name.",
    "seed": "Seed of the weights, the order of the pictures and their augmentation.",
}
"""Meanings of keys that need no words in the source, where the name says it."""


def page() -> str:
    """Return the page of all keys."""
    parts = [
        "# Recipes, plans and suites\n",
        "Three kinds of TOML files say what is done: a **recipe** is one training, an **export plan** says which files to "
        "write, a **suite** how to measure. Each is found by name (`edgecnn list recipes`) or by path. "
        "`-s optim.lr=0.2` changes a key for one command, and what is left out has its default. Unknown keys are "
        "refused, with the nearest that exists.\n",
        "## Recipe\n",
        '```toml\nepochs = 30\n\n[data]\nname = "folder"\npath = "photos"\n\n[net]\nname = "dscnn"\nwidth = 32\n```\n',
        "### Keys outside a table\n",
        _table(recipe.Recipe, skip=(*TABLES,)),
    ]
    for name, plan in TABLES.items():
        parts += [f"### [{name}]\n", f"{docstring(plan).text}\n", _table(plan, name)]
    parts += ["### Data sets\n", "Further keys of `[data]`, by its `name`.\n", *_plugins(data.KIND, "load", data.get)]
    parts += ["### Nets\n", "Further keys of `[net]`, by its `name`.\n", *_plugins(nets.KIND, "build", nets.get)]
    parts += [
        "## Export plan\n",
        "For `edgecnn export --plan NAME`. Where there is an option of the same name, it does the same.\n",
        _table(ExportPlan),
        "## Suite\n",
        "For `edgecnn bench --suite NAME`. Where there is an option of the same name, it does the same.\n",
        _table(Suite),
        "## Sweep\n",
        "The second file of `edgecnn sweep RECIPE sweep.toml` ([how](../how-to/sweep.md)). `[sampler]` and `[pruner]` take "
        "the arguments of Optuna's classes besides.\n",
        _table(SweepPlan, skip=("sampler", "pruner")),
        *(part for plan in (SamplerPlan, PrunerPlan) for part in (f"{docstring(plan).text}\n", _table(plan, "optuna"))),
        f"### A key of [space]\n\n{docstring(Dimension).text}\n",
        _table(Dimension),
    ]
    return "\n".join(parts)


def _table(plan: type, name: str = "", skip: tuple[str, ...] = ()) -> str:
    rows = []
    types, texts = field_types(plan), field_texts(plan)
    for field in dataclasses.fields(plan):
        if field.name in skip or field.metadata == config.REST:
            continue
        meaning = texts[field.name] or TOLD.get(f"{name}.{field.name}", TOLD.get(field.name, ""))
        rows.append((f"`{field.name}`", f"`{_type(types[field.name])}`", _default(field), cell(_plain(meaning))))
    return table(HEAD, rows)


def _type(source: str) -> str:
    """Return a type in the words of TOML."""
    literal = re.fullmatch(r"Literal\[(.*)\]", source)
    if literal:
        return " or ".join(part.strip().replace("'", '"') for part in literal[1].split(","))
    for python, toml in (
        (r"tuple\[(str|Precision), \.\.\.\]", "strings"), (r"Mapping\[str, Mapping\[str, Any\]\]", "tables"),
        (r"Mapping\[str, Dimension\]", "tables"), (r"tuple\[Any, \.\.\.\]", "values"),
        (r"Literal\['auto'\]", '"auto"'), (r"\bstr\b", "string"), (r"\bbool\b", "true or false"),
        (r"\bint\b", "integer"), (r"\bfloat\b", "number"), (r" \| None", ""), (r" \| ", " or "),
    ):  # fmt: skip
        source = re.sub(python, toml, source)
    return source


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return _shown(field.default)
    return "" if field.default_factory is not dataclasses.MISSING else "required"


def _shown(value: object) -> str:
    if value is None or value in ((), ""):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`" + ", ".join(f'"{item}"' for item in value) + "`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def _plugins(kind: Any, function: str, get: Any) -> Iterator[str]:
    """Yield the options of every plug-in of ours: the keyword arguments of one of its functions."""
    for name in kind.own():
        plugin = get(name)
        called = getattr(plugin, function)
        meanings = docstring(called).entries("Args")
        rows = [
            (f"`{parameter.name}`", f"`{_type(str(parameter.annotation).strip(chr(39)))}`", _shown(parameter.default),
             cell(_plain(meanings.get(parameter.name, ""))))
            for parameter in inspect.signature(called).parameters.values()
            if parameter.default is not parameter.empty
        ]  # fmt: skip
        about = docstring(plugin).text.split("\n\n")[0].replace("\n", " ")
        yield f"#### {name}\n"
        yield f"{about.partition(': ')[2] or about}\n"
        yield (table(HEAD, rows) if rows else "It has no keys of its own.\n")


def _plain(text: str) -> str:
    """Return a meaning without pointers into the source, which help a developer only."""
    return re.sub(r" \(`(?:edgecnn\.[\w.]+|[a-z_]+/[a-z_/]+\.py)`\)", "", text)
