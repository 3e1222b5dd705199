"""From a look at pictures to a recipe: what was seen, what follows from it and why, and the file that says both."""
