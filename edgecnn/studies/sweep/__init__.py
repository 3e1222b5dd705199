"""`edgecnn sweep`: keys of a recipe are searched with Optuna, by trainings that are ordinary runs."""
