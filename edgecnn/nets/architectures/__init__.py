"""Nets: a file here is a net."""
