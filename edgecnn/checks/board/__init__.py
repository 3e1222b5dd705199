"""`edgecnn board`: which boards there are, what one is, whether it is fit, and what is kept there."""
