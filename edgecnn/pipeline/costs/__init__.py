"""Predict a file's cost on a board by a model fitted to designed files that were measured there."""
