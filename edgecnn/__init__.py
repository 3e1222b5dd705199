"""edgecnn: train a small CNN, export it to int8, and measure it where it will run."""

import os

__version__ = "0.1.0"

# ONNX Runtime reads it when it is loaded: it sends nothing and keeps nothing, in whatever process we are imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
