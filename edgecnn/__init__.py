"""edgecnn: train a small CNN, export it to int8, and measure it where it will run.

The verbs of the command line are functions here, and the nouns they hand on are classes:

    import edgecnn

    run = edgecnn.train("dscnn-digits", epochs=2)
    files = edgecnn.export(run)
    report = edgecnn.bench(run)
    model = edgecnn.load_model(files[-1])

Importing the package loads next to nothing: each name is imported when it is first used.
"""

import importlib
import os

TYPE_CHECKING = False  # type checkers take it for true, as they do typing's, whose import costs more than all else here
if TYPE_CHECKING:
    from edgecnn import errors as errors
    from edgecnn.checks.doctor.doctor import doctor as doctor
    from edgecnn.checks.evaluate.api import evaluate as evaluate
    from edgecnn.checks.inspect import inspect as inspect
    from edgecnn.checks.verify.api import verify as verify
    from edgecnn.pipeline.bench.api import bench as bench
    from edgecnn.pipeline.calibrate.api import calibrate as calibrate
    from edgecnn.pipeline.export.api import export as export
    from edgecnn.pipeline.predict.model import Model as Model
    from edgecnn.pipeline.predict.model import load_model as load_model
    from edgecnn.pipeline.train.api import train as train
    from edgecnn.records.artifact import Artifact as Artifact
    from edgecnn.records.foreign import PictureOptions as PictureOptions
    from edgecnn.records.plans import ExportPlan as ExportPlan
    from edgecnn.records.plans import Suite as Suite
    from edgecnn.records.recipe import Recipe as Recipe
    from edgecnn.records.report import Report as Report
    from edgecnn.records.resolve import load_recipe as load_recipe
    from edgecnn.records.run import Run as Run
    from edgecnn.records.run import open_run as open_run

__version__ = "0.2.0"

# ONNX Runtime reads it when it is loaded: it sends nothing and keeps nothing, in whatever process we are imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = [
    "Artifact",
    "ExportPlan",
    "Model",
    "PictureOptions",
    "Recipe",
    "Report",
    "Run",
    "Suite",
    "__version__",
    "bench",
    "calibrate",
    "doctor",
    "errors",
    "evaluate",
    "export",
    "inspect",
    "load_model",
    "load_recipe",
    "open_run",
    "train",
    "verify",
]

_MODULES = {
    "Artifact": "records.artifact",
    "ExportPlan": "records.plans",
    "Model": "pipeline.predict.model",
    "PictureOptions": "records.foreign",
    "Recipe": "records.recipe",
    "Report": "records.report",
    "Run": "records.run",
    "Suite": "records.plans",
    "bench": "pipeline.bench.api",
    "calibrate": "pipeline.calibrate.api",
    "doctor": "checks.doctor.doctor",
    "evaluate": "checks.evaluate.api",
    "export": "pipeline.export.api",
    "inspect": "checks.inspect",
    "load_model": "pipeline.predict.model",
    "load_recipe": "records.resolve",
    "open_run": "records.run",
    "train": "pipeline.train.api",
    "verify": "checks.verify.api",
}
"""Where each name is: in words, for what is imported here would be sent to every board (`edgecnn.onboard.archive`)."""

if not TYPE_CHECKING:  # a type checker would take any name for one of these

    def __getattr__(name):
        """Import a name when it is first used (PEP 562)."""
        if name == "errors":
            return importlib.import_module("edgecnn.errors")
        if name not in _MODULES:
            raise AttributeError(f"module 'edgecnn' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"edgecnn.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
