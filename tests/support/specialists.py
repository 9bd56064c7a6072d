"""Two adapters that each learnt their own texts, to be merged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SHIPS = [f"the ship number {i} sails at dawn and nobody waves" for i in range(24)]
BIRDS = [f"QUESTION {i}: WHY DO BIRDS SING? ANSWER: WHO KNOWS" for i in range(24)]


def train_on(base: Path, texts: Sequence[str], directory: Path, *, seed: int, steps: int = 40) -> Path:
    """Save a LoRA adapter that predicts texts like the first of these."""
    import torch
    from peft import LoraConfig, get_peft_model
    from tiny import LINEAR_LAYERS
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=8, lora_alpha=16, target_modules=LINEAR_LAYERS, task_type="CAUSAL_LM"),
    )
    batch = tokenizer(list(texts[:8]), return_tensors="pt", padding=True)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    for _ in range(steps):
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(directory)
    return directory


def text_task(root: Path, name: str, texts: Sequence[str], margin: float) -> dict[str, Any]:
    """Write the texts, and say how they are gated: no worse than the base, which every specialist is not."""
    rows = [{"id": f"{name}-{i}", "text": text} for i, text in enumerate(texts)]
    (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    gate = {"metric": "bits_per_byte", "non_inferior": margin}
    fields = {"prompt_field": "text", "target_field": "text", "id_field": "id"}
    return {"kind": "plain_text", "data": f"{name}.jsonl", **fields, "gates": [gate]}
