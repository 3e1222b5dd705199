"""`edgecnn plan`: a budget in, a trained net out, by predicted costs and successive halving."""
