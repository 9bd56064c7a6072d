"""The precision that `auto` stands for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from harness.models import device

CPU = torch.device("cpu")
_has_bfloat16 = device._has_bfloat16  # before the tests' own fixture puts another in its place


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes torch tell of another processor."""

    def tell(*, onednn: bool, avx512: bool = False, avx512_bf16: bool = False, amx: bool = False) -> None:
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_avx512_supported", lambda: avx512)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)

    return tell


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param({"onednn": False}, False, id="avx2"),
        pytest.param({"onednn": True, "avx512": True}, False, id="avx512-emulates-it"),
        pytest.param({"onednn": True, "avx512": True, "avx512_bf16": True}, True, id="avx512-bf16"),
        pytest.param({"onednn": True, "avx512": True, "amx": True}, True, id="amx"),
        pytest.param({"onednn": True}, True, id="arm-or-avx2-with-it"),
    ],
)
def test_bfloat16_is_taken_where_the_processor_computes_in_it(
    processor: Callable[..., None], told: dict[str, bool], expected: bool
) -> None:
    processor(**told)

    assert _has_bfloat16(CPU) is expected


def test_a_named_precision_is_taken_as_it_is() -> None:
    assert device.choose_dtype(CPU, "bfloat16") is torch.bfloat16
