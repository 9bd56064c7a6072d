"""A base for machines without the minutes: two random narrow layers under the embedded model's tokenizer."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.models.embedded import ensure_embedded_model

NAME = "tiny"
_TOKENIZER = ("tokenizer*", "*.jinja", "special_tokens*", "vocab*", "merges*", "generation_config.json")


def ensure_tiny_base(directory: Path) -> Path:
    """The model directory, made on first use: the same bytes every time."""
    import torch
    from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM

    made = directory / NAME
    if (made / "model.safetensors").is_file():
        return made
    embedded = ensure_embedded_model()
    config = AutoConfig.from_pretrained(embedded)
    torch.manual_seed(0)
    tiny = LlamaConfig(
        vocab_size=config.vocab_size, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, tie_word_embeddings=True, initializer_range=0.1,
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id,
    )  # fmt: skip
    made.mkdir(parents=True, exist_ok=True)
    for file in (file for pattern in _TOKENIZER for file in embedded.glob(pattern)):
        shutil.copyfile(file, made / file.name)
    LlamaForCausalLM(tiny).save_pretrained(made)
    return made
