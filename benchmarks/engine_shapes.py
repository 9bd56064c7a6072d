"""Models of real shapes with random weights, where no real model of a family is at hand: speed asks for no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer


@dataclass(frozen=True)
class Shape:
    """The configuration of a published model.

    Attributes:
        pattern: types of consecutive layers, over and over.
    """

    model_type: str
    layers: int
    pattern: tuple[str, ...]
    sizes: Mapping[str, Any]


SHAPES = {
    # google/gemma-3-270m: windows of 512 tokens in five of six layers
    "gemma3-270m": Shape(
        "gemma3_text", 18, (*["sliding_attention"] * 5, "full_attention"),
        {"vocab_size": 262_144, "hidden_size": 640, "intermediate_size": 2048, "num_attention_heads": 4,
         "num_key_value_heads": 1, "head_dim": 256, "sliding_window": 512, "query_pre_attn_scalar": 256,
         "max_position_embeddings": 32_768},
    ),
    # LiquidAI/LFM2-350M: short convolutions, and attention in six of sixteen layers
    "lfm2-350m": Shape(
        "lfm2", 16, ("conv", "conv", "full_attention"),
        {"vocab_size": 65_536, "hidden_size": 1024, "block_ff_dim": 6656, "num_attention_heads": 16,
         "num_key_value_heads": 8, "conv_L_cache": 3, "max_position_embeddings": 128_000},
    ),
    # Qwen3-Next's layers at half a billion parameters: gated delta rules, and attention in every fourth layer
    "qwen3-next-0.5b": Shape(
        "qwen3_next", 24, (*["linear_attention"] * 3, "full_attention"),
        {"vocab_size": 151_936, "hidden_size": 896, "intermediate_size": 4864, "num_attention_heads": 14,
         "num_key_value_heads": 2, "head_dim": 64, "linear_num_value_heads": 14, "linear_num_key_heads": 7,
         "linear_key_head_dim": 64, "linear_value_head_dim": 64, "num_experts": 0, "mlp_only_layers": [],
         "max_position_embeddings": 32_768},
    ),
    # openai/gpt-oss-20b: experts, sinks, and windows of 128 tokens in every other layer
    "gpt-oss-20b": Shape(
        "gpt_oss", 24, ("sliding_attention", "full_attention"),
        {"vocab_size": 201_088, "hidden_size": 2880, "intermediate_size": 2880, "num_attention_heads": 64,
         "num_key_value_heads": 8, "head_dim": 64, "num_local_experts": 32, "num_experts_per_tok": 4,
         "sliding_window": 128, "max_position_embeddings": 131_072},
    ),
}  # fmt: skip


def save_random(name: str, directory: Path, tokenizer: Path, *, layers: int | None = None) -> Path:
    """Save a model of a shape, with the tokenizer of another: its tokens are some of this one's.

    Args:
        layers: so many in place of the shape's.
    """
    shape = SHAPES[name]
    count = layers or shape.layers
    reader = AutoTokenizer.from_pretrained(tokenizer)
    ids = {f"{kind}_token_id": getattr(reader, f"{kind}_token_id") for kind in ("bos", "eos", "pad")}
    types = [shape.pattern[number % len(shape.pattern)] for number in range(count)]
    config = AutoConfig.for_model(
        shape.model_type, num_hidden_layers=count, layer_types=types, tie_word_embeddings=True, **shape.sizes, **ids
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(directory)
    reader.save_pretrained(directory)
    return directory
