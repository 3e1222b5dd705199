"""Names of instruction sets, and which of them make ONNX Runtime's int8 products saturate.

A core is described by its architecture and those of `environment.FEATURES` that it has.
"""

from __future__ import annotations

from collections.abc import Collection

X86 = ("x86_64", "AMD64")
ARM = ("aarch64", "arm64")
VNNI = ("avx512_vnni", "avx_vnni")


def name(arch: str, features: Collection[str]) -> str:
    """Name the instruction set in a few words, such as "AVX-512 VNNI, BF16", "AVX2" or "ARMv8.2 dot product"."""
    if arch in X86:
        return _x86(features)
    if arch in ARM and "asimd" in features:
        return _arm(features)
    return arch  # a system without /proc/cpuinfo tells no features


def saturates(arch: str, features: Collection[str]) -> bool:
    """Return whether ONNX Runtime's uint8 x int8 kernels saturate sums of two products at 16 bits on this core.

    With AVX2 or AVX-512 but no VNNI they use `vpmaddubsw` (microsoft/onnxruntime, issue 6004). On older x86-64 cores
    and on ARM every product is widened first.
    """
    return arch in X86 and bool({"avx2", "avx512f"}.intersection(features)) and not set(VNNI).intersection(features)


def cut_off(arch: str, features: Collection[str], layers: int) -> str:
    """Say in a clause what a saturating core does to a file in which so many layers have sums beyond 16 bits."""
    counted = "1 layer" if layers == 1 else f"{layers} layers"
    return f"{name(arch, features)} without VNNI cuts sums of two products off at 16 bits in {counted}"


def _x86(features: Collection[str]) -> str:
    if "avx512f" in features:
        words = ["AVX-512 VNNI" if "avx512_vnni" in features else "AVX-512"]
        words += [word for feature, word in (("avx512_bf16", "BF16"), ("amx_int8", "AMX")) if feature in features]
        return ", ".join(words)
    if "avx2" in features:
        return "AVX2 VNNI" if "avx_vnni" in features else "AVX2"
    return "x86-64 without AVX2"


def _arm(features: Collection[str]) -> str:
    words = ["ARMv8.2 dot product" if "asimddp" in features else "ARMv8.0"]
    words += [word for feature, word in (("i8mm", "int8 matrices"), ("bf16", "BF16")) if feature in features]
    return ", ".join(words)
