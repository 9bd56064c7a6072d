from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from harness.training.trainer import labelled_positions_only


def test_scoring_labelled_tokens_alone_gives_the_same_loss_and_gradient(tiny_model_dir: Path) -> None:
    from trl.trainer import utils

    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    utils.add_fused_lm_head(model)
    ids = torch.arange(3, 35).reshape(2, 16)
    labels = ids.clone()
    labels[0, :12] = labels[1, :9] = -100
    before = utils._use_triton

    def loss_and_gradient() -> tuple[torch.Tensor, torch.Tensor]:
        model.zero_grad()
        loss = model(input_ids=ids, labels=labels, fused_lm_head=True).loss
        loss.backward()
        return loss.detach(), model.get_input_embeddings().weight.grad.clone()

    plain = loss_and_gradient()
    with labelled_positions_only():
        assert utils._use_triton is not before
        compact = loss_and_gradient()
    assert utils._use_triton is before
    torch.testing.assert_close(compact, plain)
