"""Bloom computes its own attention, with a bias by distance: what is asked of it is computed without shared prefixes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from tiny import save_tiny_adapter, save_tiny_bloom
from transformers import AutoModelForCausalLM

from harness.engines import GenerateRequest, Prompt, ScoreRequest
from harness.engines.local import LocalBackend
from harness.engines.rendering import prompt_tokens, score_tokens
from harness.models.loading import LoadedModel, LoadOptions, load_model

QUESTIONS = ["The quick brown fox jumps over the lazy dog. " * 3 + text for text in ("Who?", "Which birds sing?", "")]


@pytest.fixture(scope="module")
def dirs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = save_tiny_bloom(tmp_path_factory.mktemp("bloom") / "model")
    return base, save_tiny_adapter(base, base.with_name("adapter"), targets="all-linear")


@pytest.fixture(scope="module")
def loaded(dirs: tuple[Path, Path]) -> LoadedModel:
    return load_model(dirs[0], LoadOptions(dtype="float32", device="cpu"), adapter=dirs[1])


@pytest.fixture(params=[False, True], ids=["base", "candidate"])
def adapter(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def plain(dirs: tuple[Path, Path], adapter: bool):
    model = AutoModelForCausalLM.from_pretrained(dirs[0])
    return (PeftModel.from_pretrained(model, dirs[1]) if adapter else model).eval()


def answers(loaded: LoadedModel, requests, *, adapter: bool):
    found = dict(pair for batch in LocalBackend(lambda: loaded, adapter=adapter).plan(requests) for pair in batch.run())
    return [found[index] for index in range(len(requests))]


def test_scores_are_those_of_plain_forwards(loaded, plain, adapter):
    requests = [ScoreRequest(Prompt(text=text), tail) for text in QUESTIONS for tail in (" yes", " no and never")]
    pairs = score_tokens(loaded.tokenizer, requests)
    for (context, tail), score in zip(pairs, answers(loaded, requests, adapter=adapter), strict=True):
        with torch.no_grad():
            log_probs = plain(torch.tensor([[*context, *tail]])).logits[0].log_softmax(-1)
        expected = sum(log_probs[len(context) - 1 + i, token].item() for i, token in enumerate(tail))
        assert score.logprob == pytest.approx(expected, abs=1e-4)


def test_answers_are_those_that_transformers_generates(loaded, plain, adapter):
    requests = [GenerateRequest(Prompt.chat(text), max_new_tokens=12) for text in QUESTIONS]
    for request, answer in zip(requests, answers(loaded, requests, adapter=adapter), strict=True):
        ids = torch.tensor([prompt_tokens(loaded.tokenizer, request.prompt)])
        out = plain.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False,
            pad_token_id=loaded.tokenizer.pad_token_id,
        )  # fmt: skip
        assert answer.text == loaded.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
