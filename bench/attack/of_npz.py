"""Damaged arrays: golden vectors of a run, of a bundle and of a file, and the record of what a run has seen."""

from __future__ import annotations

import io
import random
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import fuzz
import mutate
from fuzz import Target

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

BOMB_BYTES = 1 << 31


def attack(scratch: Path, count: int = fuzz.COUNT) -> dict[str, Any]:
    return fuzz.attack("npz", targets(seeds(scratch / "seeds")), scratch, count)


def seeds(folder: Path) -> Path:
    """A run, a bundle and a bare file, each with the golden vectors of a model that was never trained."""
    import small_bundles

    small_bundles.run_folder(folder / "animals", ("int8",))
    small_bundles.unpacked(folder / "unpacked")
    shutil.copyfile(folder / "animals" / "artifacts" / "golden.npz", folder / "apart.npz")
    return folder


def targets(folder: Path) -> list[Target]:
    model = "animals/artifacts/animals-int8.tflite"
    commands: dict[str, tuple[tuple[str, ...], ...]] = {
        "animals/artifacts/golden.npz": (("deploy", "animals", "-o", "out"), ("selftest", "animals")),
        "apart.npz": (("selftest", model, "--golden", "apart.npz"),),
        "unpacked/bundle/golden.npz": (("selftest", "unpacked/bundle"),),
    }
    return [Target(folder=folder, file=file, commands=own, mutate=damage) for file, own in commands.items()]


def damage(data: bytes, rng: random.Random) -> bytes:
    """Damaged bytes; or arrays that are whole and not what is expected; or an archive that unpacks to far more."""
    if rng.random() < 0.7:
        return mutate.bytes_of(data, rng)
    import numpy as np

    held = dict(np.load(io.BytesIO(data)))
    key = rng.choice(sorted(held))
    changes: tuple[Any, ...] = (
        held[key][:0], held[key][:1], held[key].astype("float64"), held[key].astype("int64"), held[key].astype("U"),
        np.zeros((1 << 20, 4), "uint8"), np.zeros((), "uint8"), held[key].astype("complex64"),
        np.zeros(3, dtype=[("a", "i4")]), held[key].T, held[key].ravel(), np.full(held[key].shape, 127, "uint8"),
    )  # fmt: skip
    stream = io.BytesIO()
    if rng.random() < 0.8:
        held[key] = rng.choice(changes)
        if rng.random() < 0.2:
            del held[key]
        np.savez(stream, **held)
        return stream.getvalue()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in held:
            entry = np.zeros((1, 1), "uint8") if name != key else None
            inner = io.BytesIO()
            if entry is not None:
                np.save(inner, entry)
                archive.writestr(f"{name}.npy", inner.getvalue())
                continue
            np.lib.format.write_array_header_1_0(
                inner, {"descr": "|u1", "fortran_order": False, "shape": (BOMB_BYTES,)}
            )
            with archive.open(f"{name}.npy", "w", force_zip64=True) as packed:
                packed.write(inner.getvalue())
                for _ in range(rng.choice((1, 300))):
                    packed.write(bytes(1 << 20))
    return stream.getvalue()
