"""NF4 as bitsandbytes does it: loading for training, its CPU trap closed, and the same function evaluated dense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from bitsandbytes.nn import Linear4bit
    from transformers import BitsAndBytesConfig, PreTrainedModel


def nf4_config(compute_dtype: torch.dtype) -> BitsAndBytesConfig:
    """QLoRA's quantisation (https://arxiv.org/abs/2305.14314): NF4 with the scales quantised again."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype,
    )


def linear4bit_layers(model: nn.Module) -> dict[str, Linear4bit]:
    """Module name -> 4-bit layer."""
    from bitsandbytes.nn import Linear4bit

    return {name: module for name, module in model.named_modules() if isinstance(module, Linear4bit)}


def disable_cpu_inference_repack(model: nn.Module) -> None:
    """Keep bitsandbytes from repacking 4-bit weights at the first evaluation; call right after loading.

    On a CPU with AVX512_BF16 the first forward in eval mode repacks every `Linear4bit` for inference and
    `.train()` does not undo it: from then on the layer passes no gradient back. LoRA gradients are then zero, None
    or, once B is not zero, silently wrong; and a merge is corrupt.
    """
    for layer in linear4bit_layers(model).values():
        layer.support_avx512bf16_for_cpu = False


def repacked_layers(model: nn.Module) -> list[str]:
    """Names of the 4-bit layers that were repacked for CPU inference and so pass no gradient back."""
    states = {name: layer.weight.quant_state for name, layer in linear4bit_layers(model).items()}
    return [name for name, state in states.items() if getattr(state, "packing_format_for_cpu", False)]


@torch.no_grad()
def round_to_nf4(layers: Iterable[nn.Module]) -> None:
    """Replace each layer's weight, in place and in its own dtype, by its NF4 round trip as bitsandbytes makes it.

    Blocks of 64 values, double quantisation: what `nf4_config` asks for. The function is then that of the 4-bit model, the
    speed that of the dense one, which on CPU is several times faster.
    """
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit
    from transformers.pytorch_utils import Conv1D

    for module in layers:
        weight = module.get_parameter("weight")
        transposed = isinstance(module, Conv1D)
        dense = (weight.T if transposed else weight).contiguous()
        packed, state = quantize_4bit(dense, blocksize=64, compress_statistics=True, quant_type="nf4")
        rounded = dequantize_4bit(packed, state).to(weight.dtype)
        weight.copy_(rounded.T if transposed else rounded)


def dense_copy(layer: nn.Module, dtype: torch.dtype) -> nn.Linear:
    """A linear layer with the weights that a packed 4-bit or 8-bit layer stands for."""
    from peft.utils.integrations import dequantize_module_weight

    weight, bias = dequantize_module_weight(layer).to(dtype), layer.bias
    dense = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    dense.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if isinstance(bias, torch.Tensor):
        dense.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return dense


def quantizable_layers(model: PreTrainedModel) -> Iterator[nn.Module]:
    """The layers transformers hands to bitsandbytes: no head, no tied weight, nothing the model keeps in float32."""
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import get_keys_to_not_convert
    from transformers.quantizers.quantizers_utils import should_convert_module

    skipped = [*get_keys_to_not_convert(model), *(model._keep_in_fp32_modules or ())]
    for name, module in model.named_modules():
        if (type(module) is nn.Linear or isinstance(module, Conv1D)) and should_convert_module(name, skipped):
            yield module
