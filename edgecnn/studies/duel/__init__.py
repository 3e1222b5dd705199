"""`edgecnn duel`: a CNN, a dense net and a ViT of the same budget."""
