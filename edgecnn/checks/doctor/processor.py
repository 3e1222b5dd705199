"""Examines the processor: what its instruction set means for int8 ONNX files and for training in bf16."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.checks.doctor.finding import Finding
from edgecnn.records import environment, isa
from edgecnn.records.environment import Environment


def findings(machine: Environment) -> Iterator[Finding]:
    """Yield the machine's name, then what would otherwise show as wrong answers or slow training."""
    yield Finding(level="ok", subject="processor", evidence=environment.machine_name(machine))
    if isa.saturates(machine.arch, machine.features):
        yield Finding(
            level="warn",
            subject="int8 ONNX",
            evidence="no VNNI: onnxruntime adds two products in 16 bits here and cuts off what does not fit, so "
            "files of uint8 activations and full-range int8 weights (U8S8) can give wrong answers",
            mend="edgecnn doctor FILE says which layers of a file do; those of edgecnn export leave room for it",
        )
    if machine.arch in isa.X86 and "avx512_bf16" not in machine.features:
        yield Finding(
            level="note",
            subject="bf16",
            evidence="not among this CPU's instructions, so training takes fp32: in bf16, emulated, it took 8 to 14 "
            "times as long where that was measured (AVX2)",
        )
