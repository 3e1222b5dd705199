"""Plug-ins for edgecnn: one module each, named in pyproject.toml."""
