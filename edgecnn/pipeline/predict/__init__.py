"""`edgecnn predict`: which classes a model sees in pictures, on this machine."""
