"""The reference of plug-ins: the contract of each kind as its source writes it, and how other packages bring one."""

from __future__ import annotations

import inspect
from typing import Any

from reading import docstring

from edgecnn import boards, data, formats, nets
from edgecnn.onboard import runtimes
from edgecnn.pipeline.export import rungs
from edgecnn.pipeline.train import trackers

KINDS: tuple[tuple[str, Any], ...] = (
    ("Nets", nets.KIND),
    ("Data sets", data.KIND),
    ("Formats", formats.KIND),
    ("Runtimes", runtimes.KIND),
    ("Boards", boards.KIND),
    ("Rungs of the rescue ladder", rungs.KIND),
    ("Trackers", trackers.KIND),
)

START = """# Plug-ins

A net, a data set, a file format, a runtime, a way to reach a board, a rung of the rescue ladder and a tracker are one file each. Ours
are found by their file's name in the folder of their kind. Another package brings its own by an entry point:

```toml
[project.entry-points."edgecnn.nets"]
two-convs = "my_package.two_convs"
```

The module has the names of the contract below. `edgecnn.testing` holds it to them, in that package's own tests:

```python
from edgecnn import testing


def test_my_net() -> None:
    testing.check_net("two-convs")
```

`tests/example_plugin` in the source is such a package, which a test installs and uses. A net needs no package at all:
see [Train your own net](../how-to/own-net.md).
"""


def page() -> str:
    """Return the page of all contracts."""
    parts = [START]
    for title, kind in KINDS:
        source = inspect.getsource(kind.contract).rstrip()
        parts += [
            f"## {title}\n",
            f"Entry points `{kind.group}`; ours, in `{kind.package.replace('.', '/')}`: "
            f"{', '.join(f'`{name}`' for name in kind.own())}.\n",
            f"```python\n{source}\n```\n",
        ]
    checks = [(name, docstring(check).text.split("\n\n")[0]) for name, check in _checks()]
    parts += [
        "## Held to their contracts\n",
        *(f"- `edgecnn.testing.{name}`: {' '.join(text.split())}" for name, text in checks),
        "",
    ]
    return "\n".join(parts)


def _checks() -> list[tuple[str, Any]]:
    from edgecnn import testing

    return [(name, getattr(testing, name)) for name in sorted(dir(testing)) if name.startswith("check_")]
