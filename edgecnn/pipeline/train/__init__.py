"""`edgecnn train`: from a recipe and a data set to a run."""
