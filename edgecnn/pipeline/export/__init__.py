"""`edgecnn export`: from a run to model files, each held against the run it came from."""
