"""`edgecnn deploy`: a model, its labels and its runner are put on a board."""
