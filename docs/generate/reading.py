"""Read what source files say: the text behind a name, the parts of a Google docstring, the text as Markdown."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class Docstring:
    """A docstring taken apart: what comes before its sections, and the sections."""

    text: str
    """Markdown."""
    sections: dict[str, str] = field(default_factory=dict)
    """Name such as "Args" -> its text, without indentation."""

    def entries(self, section: str) -> dict[str, str]:
        """Return the items of a section such as Args or Raises: name -> text on one line."""
        items = re.findall(r"^(\S+?):\s*(.*(?:\n[ \t]+.*)*)", self.sections.get(section, ""), flags=re.MULTILINE)
        return {name: one_line(text) for name, text in items}


def docstring(documented: object) -> Docstring:
    """Return the docstring of a module, class or function, taken apart."""
    text = inspect.getdoc(documented) or ""
    parts = re.split(r"^(Args|Returns|Raises|Yields|Example):\n", text, flags=re.MULTILINE)
    sections = {name: textwrap.dedent(body).strip("\n") for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    return Docstring(parts[0].strip(), sections)


def field_texts(cls: type) -> dict[str, str]:
    """Return what stands below each field of a class, in one line: field -> text, "" where there is none."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    texts: dict[str, str] = {}
    for statement, following in zip(body.body, [*body.body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        said = following.value if isinstance(following, ast.Expr) else None
        words = said.value if isinstance(said, ast.Constant) and isinstance(said.value, str) else ""
        texts[statement.target.id] = one_line(words)
    return texts


def field_types(cls: type) -> dict[str, str]:
    """Return the type of each field as its source writes it."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        statement.target.id: ast.unparse(statement.annotation)
        for statement in body.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }


def _argument(parameter: inspect.Parameter) -> str:
    """Return an argument as source writes it."""
    stars = "*" * (parameter.kind is parameter.VAR_POSITIONAL) + "**" * (parameter.kind is parameter.VAR_KEYWORD)
    kind = "" if parameter.annotation is parameter.empty else f": {annotation(parameter.annotation)}"
    default = "" if parameter.default is parameter.empty else f"{' = ' if kind else '='}{parameter.default!r}"
    return f"{stars}{parameter.name}{kind}{default}"


def annotation(kind: object) -> str:
    """Return a type as source writes it, without quotes."""
    return kind.strip("'") if isinstance(kind, str) else getattr(kind, "__name__", str(kind))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table of texts, aligned to the left."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def one_line(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())


def type_cell(annotation: str) -> str:
    """Return a type for a cell of a table: a bar between types would end the cell, or need a backslash that shows."""
    return f"`{cell(annotation.replace(' | ', ' or '))}`"


def cell(text: str) -> str:
    """Return a text for a cell of a Markdown table."""
    return one_line(text).replace("|", "\\|")


def signature(name: str, function: object) -> str:
    """Return a function's signature as source, an argument a line if it is long."""
    shown = inspect.signature(function)  # type: ignore[arg-type]
    arguments, starred = [], False
    for parameter in shown.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            arguments.append("*")
            starred = True
        starred = starred or parameter.kind is parameter.VAR_POSITIONAL
        arguments.append(_argument(parameter))
    result = "" if shown.return_annotation is shown.empty else f" -> {annotation(shown.return_annotation)}"
    line = f"{name}({', '.join(arguments)}){result}"
    if len(line) <= 88:
        return line
    return f"{name}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){result}"
