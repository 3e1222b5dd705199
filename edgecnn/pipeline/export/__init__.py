"""`edgecnn export`: model files made from a run, each checked against it."""
