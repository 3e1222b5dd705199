"""edgecnn: train a small CNN, export it to int8, and measure it where it will run."""

__version__ = "0.1.0"
