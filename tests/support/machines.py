"""Machines to train on, as their system tells of them."""

from __future__ import annotations

import dataclasses

from edgecnn.pipeline.train.resources import Facts

AVX2 = Facts(
    arch="x86_64",
    features=("avx2",),
    capabilities={"avx2": True, "avx512_bf16": False, "amx_bf16": False},
    cuda_bf16=False,
    cpus=tuple(range(8)),
    siblings={cpu: f"{cpu % 4},{cpu % 4 + 4}" for cpu in range(8)},
)
"""A laptop of four cores, two threads each."""

ZEN_4 = dataclasses.replace(
    AVX2,
    features=("avx2", "avx512f", "avx512_vnni", "avx512_bf16"),
    capabilities={"avx2": True, "avx512_bf16": True, "amx_bf16": False},
    cpus=(0, 1),
    siblings={0: "0", 1: "1"},
)
SAPPHIRE_RAPIDS = dataclasses.replace(
    ZEN_4,
    features=("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8"),
    capabilities={"avx2": True, "avx512_bf16": True, "amx_bf16": True},
)
SKYLAKE_SERVER = dataclasses.replace(AVX2, features=("avx2", "avx512f"))
PI_4 = dataclasses.replace(AVX2, arch="aarch64", features=("asimd",), capabilities={"neon": True, "bf16": False})
GRAVITON_3 = dataclasses.replace(PI_4, features=("asimd", "bf16"), capabilities={"neon": True, "bf16": True})
UNKNOWN = dataclasses.replace(ZEN_4, features=())
