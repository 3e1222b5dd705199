"""Make a recipe from a look at pictures: the survey, the choices with reasons, and the file."""
