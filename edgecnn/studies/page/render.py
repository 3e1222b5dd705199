"""A page as text: a template of this folder with the style, and the one script that its policy lets run."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from edgecnn.common import escapes
from edgecnn.errors import MissingPackage

HERE = Path(__file__).parent


def require_jinja() -> None:
    """Raise MissingPackage if Jinja, which fills in the templates, is not installed."""
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise MissingPackage("jinja2", "train", "A page") from error


def page(template: str, **variables: Any) -> str:
    """Render a page that needs no other file. Raises MissingPackage without Jinja."""
    require_jinja()
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("style.css", "hover.js"))
    # The policy lets this one script run, by its digest: nothing that a name or a label holds is a script.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    rendered = environment.get_template(template).render(
        style=Markup(style), script=Markup(script), digest=digest, **variables
    )
    return escapes.text(rendered)
