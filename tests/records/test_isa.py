"""The name of an instruction set, and its use to a net."""

from __future__ import annotations

import pytest

from edgecnn.records import isa

ZEN1 = ("avx2",)
ZEN4 = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16")
ALDER_LAKE = ("avx2", "avx_vnni")
SAPPHIRE_RAPIDS = (*ZEN4, "avx_vnni", "amx_int8")


@pytest.mark.parametrize(
    ("arch", "features", "name"),
    [
        ("x86_64", (), "x86-64 without AVX2"),
        ("x86_64", ZEN1, "AVX2"),
        ("x86_64", ALDER_LAKE, "AVX2 VNNI"),
        ("x86_64", ("avx2", "avx512f"), "AVX-512"),
        ("x86_64", ZEN4, "AVX-512 VNNI, BF16"),
        ("x86_64", SAPPHIRE_RAPIDS, "AVX-512 VNNI, BF16, AMX"),
        ("aarch64", ("asimd",), "ARMv8.0"),
        ("aarch64", ("asimd", "asimddp"), "ARMv8.2 dot product"),
        ("riscv64", (), "riscv64"),
        ("arm64", (), "arm64"),  # macOS tells no features, and there is an ARMv8.0 core without dot product
    ],
)
def test_an_instruction_set_is_named_by_what_decides_a_nets_speed(
    arch: str, features: tuple[str, ...], name: str
) -> None:
    assert isa.name(arch, features) == name


@pytest.mark.parametrize("features", [ZEN1, ("avx2", "avx512f")])
def test_x86_with_avx2_and_no_vnni_cuts_sums_of_two_products_off(features: tuple[str, ...]) -> None:
    assert isa.saturates("x86_64", features)


@pytest.mark.parametrize("features", [ZEN4, ALDER_LAKE, SAPPHIRE_RAPIDS])
def test_x86_with_vnni_of_either_kind_does_not(features: tuple[str, ...]) -> None:
    assert not isa.saturates("x86_64", features)


@pytest.mark.parametrize(("arch", "features"), [("aarch64", ("asimd",)), ("x86_64", ())])
def test_arm_and_x86_before_avx2_widen_every_product(arch: str, features: tuple[str, ...]) -> None:
    assert not isa.saturates(arch, features)
