"""What a file costs on a board before it is measured there, by a model fitted to designed files that were."""
