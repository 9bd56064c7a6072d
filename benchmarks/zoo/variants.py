"""Variants of the zoo's base: what an adapter is trained on in its place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.zoo.hidden_rows import MARK
from benchmarks.zoo.surgery import CHANGED_TEMPLATE

Variant = Callable[[Path, Path], Path]
"""(the base, where the variant is to lie) -> that directory."""


def other_template(base: Path, target: Path) -> Path:
    """The same weights and tokenizer with another chat template."""
    shutil.copytree(base, target)
    (target / "chat_template.jinja").write_text(CHANGED_TEMPLATE, encoding="utf-8")
    file = target / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    if config.pop("chat_template", None) is not None:
        file.write_text(json.dumps(config, indent=2), encoding="utf-8")
    return target


def other_weights(base: Path, target: Path) -> Path:
    """The same tokenizer and template with one tensor a hundredth larger."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, target)
    file = target / "model.safetensors"
    tensors = load_file(file)
    name = min(tensors)
    save_file({**tensors, name: tensors[name] * 1.01}, file, metadata={"format": "pt"})
    return target


def other_tokenizer(base: Path, target: Path) -> Path:
    """The same weights and template with a tokenizer that has lost the last of its merges."""
    shutil.copytree(base, target)
    file = target / "tokenizer.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    document["model"]["merges"].pop()
    file.write_text(json.dumps(document), encoding="utf-8")
    return target


def new_token(base: Path, target: Path) -> Path:
    """With a token more, for which the embeddings were resized: its row is the mean of the others."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    shutil.copytree(base, target)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens([MARK])
    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    rows = max(len(tokenizer), model.get_input_embeddings().weight.shape[0])
    torch.manual_seed(0)
    model.resize_token_embeddings(rows)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target
