"""The reference of the Python API, from the docstrings of what `import edgecnn` offers."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from reading import Docstring, cell, docstring, field_texts, field_types, one_line, signature, table, type_cell

import edgecnn

START = """# Python

`import edgecnn` costs a few milliseconds: each name is imported when it is first used. The functions are the commands, and
take the same names, paths and keys; what they return is shown as a table in a notebook. What is wrong raises one of
`edgecnn.errors`; a gate raises nothing, `verdict` and `gates` say how it came out.
"""


def page() -> str:
    """Return the page of all public names."""
    public = {name: getattr(edgecnn, name) for name in edgecnn.__all__ if name not in ("__version__", "errors")}
    functions = {name: value for name, value in public.items() if not inspect.isclass(value)}
    classes = {name: value for name, value in public.items() if inspect.isclass(value)}
    parts = [START, "## Functions\n", *(_function(name, function) for name, function in functions.items())]
    parts += ["## Classes\n", *(_class(name, cls) for name, cls in classes.items())]
    return "\n".join([*parts, _errors()])


def _function(name: str, function: Any, level: str = "###", prefix: str = "edgecnn.") -> str:
    told = docstring(function)
    parts = [f"{level} {prefix}{name}\n", f"```python\n{signature(prefix + name, function)}\n```\n", f"{told.text}\n"]
    return "\n".join([*parts, *_sections(told)])


def _sections(told: Docstring) -> list[str]:
    parts = []
    if arguments := told.entries("Args"):
        parts.append(table(("argument", ""), [(f"`{n}`", cell(t)) for n, t in arguments.items()]))
    if returned := told.sections.get("Returns"):
        parts.append(f"**Returns** {one_line(returned)}\n")
    if raised := told.entries("Raises"):
        parts.append(table(("raises", ""), [(f"`{n}`", cell(t)) for n, t in raised.items()]))
    if example := told.sections.get("Example"):
        parts.append(f"```pycon\n{example}\n```\n")
    return parts


def _class(name: str, cls: type) -> str:
    parts = [f"### edgecnn.{name}\n", f"{docstring(cls).text}\n"]
    if dataclasses.is_dataclass(cls):
        types, texts = field_types(cls), field_texts(cls)
        shown = [field.name for field in dataclasses.fields(cls) if not field.name.startswith("_")]
        fields = [(f"`{field}`", type_cell(types.get(field, "")), cell(texts.get(field, ""))) for field in shown]
        parts.append(table(("field", "type", ""), fields))
    for method, value in vars(cls).items():
        if method == "__call__" or (not method.startswith("_") and inspect.isfunction(value)):
            called = name.lower() if method == "__call__" else f"{name.lower()}.{method}"
            told = docstring(value)
            if told.text:
                parts += [
                    f"```python\n{signature(called, value).replace('(self, ', '(').replace('(self)', '()')}\n```\n"
                ]
                parts += [f"{told.text}\n", *_sections(told)]
    properties = [
        (f"`{attribute}`", cell(docstring(value).text))
        for attribute, value in vars(cls).items()
        if isinstance(value, property) and not attribute.startswith("_")
    ]
    if properties:
        parts.append(table(("property", ""), properties))
    return "\n".join(parts)


def _errors() -> str:
    from edgecnn import errors

    tree = (inspect.getdoc(errors) or "").split("\n\n", 1)[1]
    return f"## Errors\n\n`edgecnn.errors`, with the exit code that each has on the command line:\n\n```text\n{tree}\n```\n"
