"""Writes the tiny Llama and LoRAs for it as GGUF files, as llama.cpp's converters do."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file

_NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}  # fmt: skip


def write_tiny_gguf(model: Path, path: Path, *, kind: str = "F32", eos: bool = True) -> Path:
    """Write the Llama in this directory as one file.

    Args:
        kind: of the matrices, by the name of `gguf.GGMLQuantizationType`.
        eos: False leaves out which token ends an answer.
    """
    config = json.loads((model / "config.json").read_text())
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_file_type({"F32": gguf.LlamaFileType.ALL_F32, "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}[kind])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    _add_tokenizer(writer, model, config, eos=eos)
    for name, tensor in load_file(model / "model.safetensors").items():
        own = _own_name(name.removesuffix(".weight"))
        if own.endswith("attn_q"):
            tensor = _permuted(tensor, config["num_attention_heads"])
        elif own.endswith("attn_k"):
            tensor = _permuted(tensor, config["num_key_value_heads"])
        wanted = gguf.GGMLQuantizationType[kind] if tensor.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(f"{own}.weight", gguf.quants.quantize(tensor.astype(np.float32), wanted), raw_dtype=wanted)
    return _written(writer, path)


def write_tiny_gguf_lora(adapter: Path, model: Path, path: Path) -> Path:
    """Write a LoRA for it."""
    config, base = (json.loads((one).read_text()) for one in (adapter / "adapter_config.json", model / "config.json"))
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", config["lora_alpha"])
    for name, tensor in load_file(adapter / "adapter_model.safetensors").items():
        module, matrix = name.removeprefix("base_model.model.").removesuffix(".weight").rsplit(".lora_", 1)
        own = _own_name(module)
        if matrix == "B" and own.endswith(("attn_q", "attn_k")):
            heads = base["num_attention_heads" if own.endswith("attn_q") else "num_key_value_heads"]
            tensor = _permuted(tensor, heads)
        writer.add_tensor(f"{own}.weight.lora_{matrix.lower()}", np.ascontiguousarray(tensor, np.float32))
    return _written(writer, path)


def _own_name(module: str) -> str:
    if not module.startswith("model.layers."):
        return _NAMES[module]
    _, _, layer, rest = module.split(".", 3)
    return f"blk.{layer}.{_NAMES[rest]}"


def _permuted(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Rows in the order in which llama.cpp turns them: pairs beside each other, not half a head apart."""
    rows, columns = matrix.shape
    return matrix.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _add_tokenizer(writer: gguf.GGUFWriter, model: Path, config: dict[str, int], *, eos: bool) -> None:
    held = json.loads((model / "tokenizer.json").read_text())
    special = {one["id"] for one in held["added_tokens"]}
    tokens = sorted(held["model"]["vocab"], key=held["model"]["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if one in special else gguf.TokenType.NORMAL for one in range(len(tokens))]
    )
    writer.add_token_merges([" ".join(pair) for pair in held["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    if eos:
        writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)
    writer.add_chat_template((model / "chat_template.jinja").read_text())


def _written(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
