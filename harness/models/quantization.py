"""Weights as bitsandbytes packs them: loaded for training, its CPU trap closed, and the same weights computed with dense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from bitsandbytes.nn import Linear4bit, Linear8bitLt
    from transformers import BitsAndBytesConfig, PreTrainedModel


def bitsandbytes_config(quantization: str, compute_dtype: torch.dtype) -> BitsAndBytesConfig:
    """What transformers is asked for: LLM.int8() (https://arxiv.org/abs/2208.07339), or NF4 as QLoRA has it
    (https://arxiv.org/abs/2305.14314), with the scales quantised again.

    Args:
        quantization: "int8" or "nf4".
    """
    from transformers import BitsAndBytesConfig

    if quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
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


@dataclass(frozen=True)
class Packing:
    """How bitsandbytes rounded the weights of a layer.

    Attributes:
        bits: a value.
        arguments: of its 4-bit rounding.
    """

    bits: int
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, layer: Linear4bit | Linear8bitLt) -> Packing:
        """That of a packed layer."""
        if not is_4bit(layer):
            return cls(8)
        named = ("blocksize", "compress_statistics", "quant_type")
        return cls(4, {name: getattr(layer.weight, name) for name in named})

    def round(self, weight: torch.Tensor) -> torch.Tensor:
        """The weights that packing these would leave, in their dtype."""
        from bitsandbytes import functional

        if self.bits == 8:
            # bitsandbytes takes weights to float16 first, whatever their precision
            codes, scales, _ = functional.int8_vectorwise_quant(weight.to(torch.float16))
            rounded: torch.Tensor = functional.int8_vectorwise_dequant(codes, scales)
        else:
            rounded = functional.dequantize_4bit(*functional.quantize_4bit(weight.contiguous(), **self.arguments))
        return rounded.to(weight.dtype)


def is_4bit(layer: nn.Module) -> bool:
    """Whether a layer is one of bitsandbytes' 4-bit ones."""
    from bitsandbytes.nn import Linear4bit

    return isinstance(layer, Linear4bit)


def rounds_activations(model: nn.Module) -> bool:
    """Whether any layer is computed by bitsandbytes' int8 kernel."""
    return any(is_packed(layer) and not is_4bit(layer) for layer in model.modules())


def is_packed(layer: nn.Module) -> bool:
    """Whether a layer is one of bitsandbytes', packed in 4 or 8 bits."""
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    return isinstance(layer, (Linear4bit, Linear8bitLt))


def dense_copy(layer: Linear4bit | Linear8bitLt, dtype: torch.dtype) -> nn.Linear:
    """A linear layer with the weights that a packed one stands for; `packing_of` tells how they were rounded."""
    from peft.utils.integrations import dequantize_module_weight

    weight, bias = dequantize_module_weight(layer).to(dtype), layer.bias
    dense = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    dense.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if isinstance(bias, torch.Tensor):
        dense.bias = nn.Parameter(bias.detach().to(dtype, copy=True), requires_grad=False)
    dense.packing = Packing.of(layer)  # type: ignore[assignment]
    return dense


def packing_of(layer: nn.Module) -> Packing | None:
    """How the weights of a dense layer were rounded, where they come from a packed one."""
    found = getattr(layer, "packing", None)
    return found if isinstance(found, Packing) else None


def unpack(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Put dense layers in the place of a model's packed ones, so that it is computed as any other.

    On CPUs that is several times faster than bitsandbytes' kernels. In 4 bits it is the same function. In 8 bits it is
    the one that the kernel rounds: LLM.int8() quantises activations too, except in columns where any token of the batch
    exceeds a threshold, so that what a text is given depends on the texts beside it and on the tokens behind.
    """
    for name, layer in [*model.named_modules()]:
        if is_packed(layer):
            model.set_submodule(name, dense_copy(layer, dtype))
    # of a checkpoint that was saved packed, transformers leaves all other weights in the precision of its files
    kept = model._get_dtype_plan(dtype)
    for name, weight in model.named_parameters():
        if not any(part in name for part in kept):
            weight.data = weight.data.to(dtype)
    model._weight_conversions = None  # to packed weights, at saving
    model.hf_quantizer.remove_quantization_config(model)
    model.is_loaded_in_4bit = model.is_loaded_in_8bit = False  # PEFT looks for packed layers where they say so


@torch.no_grad()
def round_anew(layers: Mapping[nn.Module, Packing]) -> None:
    """Round the weights of dense layers in place."""
    for layer, packing in layers.items():
        weight = layer.get_parameter("weight")
        weight.copy_(packing.round(weight))


def has_packed_weights(model: nn.Module) -> bool:
    """Whether any weights are kept as integers."""
    return not all(weight.is_floating_point() for weight in model.parameters())
