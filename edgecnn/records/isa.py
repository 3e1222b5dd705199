"""What a CPU's instruction set is called, and whether ONNX Runtime's int8 products are exact on it.

A core is known by its architecture and by those of `environment.FEATURES` it has.
"""

from __future__ import annotations

from collections.abc import Collection

X86 = ("x86_64", "AMD64")
ARM = ("aarch64", "arm64")
VNNI = ("avx512_vnni", "avx_vnni")


def name(arch: str, features: Collection[str]) -> str:
    """The instruction set in a few words, as in "AVX-512 VNNI, BF16", "AVX2" or "ARMv8.2 dot product"."""
    if arch in X86:
        return _x86(features)
    if arch in ARM and "asimd" in features:
        return _arm(features)
    return arch  # nothing else is known of it; a system without /proc/cpuinfo tells no feature


def saturates(arch: str, features: Collection[str]) -> bool:
    """Whether ONNX Runtime multiplies uint8 by int8 in sums of two products that are cut off at 16 bits there.

    With AVX2 or AVX-512 and no VNNI its instruction for that is `vpmaddubsw` (microsoft/onnxruntime, issue
    6004). On older x86-64 cores and on ARM every product is widened first.
    """
    return arch in X86 and bool({"avx2", "avx512f"}.intersection(features)) and not set(VNNI).intersection(features)


def cut_off(arch: str, features: Collection[str], layers: int) -> str:
    """What a core that saturates does to a file with so many layers whose sums pass 16 bits, as a clause."""
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
