"""`edgecnn deploy`: a model, its labels and its runner on a board."""
