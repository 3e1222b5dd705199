"""README's picture of a terminal, light and dark, drawn from a recorded session."""

from __future__ import annotations

import sessions

SESSION = "terminal"
COMMANDS = (
    "edgecnn -q train dscnn-digits\n",
    "edgecnn -q export runs/dscnn-digits\n",
    "edgecnn -q bench runs/dscnn-digits\n",
)
TITLE = "From pictures to a measured int8 model"
FORMAT = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="TITLE">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre; }}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 17px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
""".replace("TITLE", TITLE)


def pictures() -> dict[str, str]:
    """Return the file name and the text of both pictures."""
    return {"terminal-light.svg": _drawn(dark=False), "terminal-dark.svg": _drawn(dark=True)}


def _drawn(dark: bool) -> str:
    import io

    from rich.console import Console
    from rich.terminal_theme import TerminalTheme
    from rich.text import Text

    light_theme = TerminalTheme(
        (255, 255, 255), (31, 35, 40),
        [(31, 35, 40), (207, 34, 46), (26, 127, 55), (154, 103, 0), (9, 105, 218), (130, 80, 223), (27, 124, 131),
         (89, 99, 110)],
    )  # fmt: skip
    dark_theme = TerminalTheme(
        (13, 17, 23), (230, 237, 243),
        [(110, 118, 129), (255, 123, 114), (63, 185, 80), (210, 153, 34), (88, 166, 255), (188, 140, 255),
         (57, 197, 207), (230, 237, 243)],
    )  # fmt: skip
    console = Console(width=80, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for block in sessions.read(SESSION)["blocks"]:
        for line in block["commands"].splitlines():
            console.print(Text.assemble(("$ ", "blue bold"), (line, "bold")), soft_wrap=True)
        for line in block["output"]:
            console.print(Text.from_ansi(line))
        console.print()
    theme = dark_theme if dark else light_theme
    return console.export_svg(title=TITLE, theme=theme, code_format=FORMAT, unique_id="dark" if dark else "light")
