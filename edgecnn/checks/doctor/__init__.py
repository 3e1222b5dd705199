"""`edgecnn doctor`: what is wrong with a file, an installation, or the pictures a model is fed."""
