"""Virtual tokens are read before every text, however it is computed, and are gone when the adapter is off."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import trained_tokenizer

from harness.checks import integrity
from harness.engines.fitting import fitting_strategy
from harness.engines.local import LocalBackend
from harness.engines.padded import PaddedStrategy
from harness.engines.requests import DivergenceRequest, Prompt, ScoreRequest
from harness.engines.strategy import BatchLimits, context_length
from harness.errors import EngineError
from harness.models.adapters.misfit import Cause
from harness.models.adapters.tensors import match_tensors
from harness.models.loading import LoadedModel, LoadOptions, load_model

OPTIONS = LoadOptions("float32", "cpu")
KINDS = ("PROMPT_TUNING", "PREFIX_TUNING")
_PAIRS = [([40, 50, 60, 70, 80, 90], [33, 34]), ([41, 51, 61], [35])]
_COUNT = 5


def save_adapter(kind: str, base: Path, directory: Path) -> Path:
    from peft import get_peft_model
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = PEFT_TYPE_TO_CONFIG_MAPPING[kind](task_type="CAUSAL_LM", num_virtual_tokens=_COUNT)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(directory)
    return directory


def plain_score(base: Path, adapter: Path, context: list[int], tail: list[int]) -> float:
    """By PEFT's own forward over the whole sequence."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*context, *tail][:-1]]), use_cache=False).logits[0, -len(tail) :]
    return float(torch.log_softmax(logits, dim=-1)[range(len(tail)), tail].sum())


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, learner_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(request.param, learner_dir, tmp_path_factory.mktemp("virtual") / "adapter")


@pytest.fixture(scope="module")
def loaded(made: Path, learner_dir: Path) -> LoadedModel:
    return load_model(learner_dir, OPTIONS, adapter=made)


WAYS: list[Callable[..., Any]] = [PaddedStrategy, partial(PaddedStrategy, use_cache=False)]


@pytest.mark.parametrize("way", WAYS)
def test_padded_batches_read_them_before_the_text_and_not_before_the_padding(
    made: Path, loaded: LoadedModel, learner_dir: Path, way: Callable[..., Any]
) -> None:
    strategy = way(loaded, BatchLimits())
    with torch.inference_mode(), loaded.adapter(on=True) as model:
        found = {n: s.logprob for job in strategy.plan_scores(_PAIRS) for n, s in job.run(model)}
    for number, pair in enumerate(_PAIRS):
        assert found[number] == pytest.approx(plain_score(learner_dir, made, *pair), abs=1e-4)


def test_switched_off_the_model_is_the_base_bit_for_bit(loaded: LoadedModel, learner_dir: Path) -> None:
    ids = torch.tensor([[40, 50, 60]])
    base = load_model(learner_dir, OPTIONS).in_memory().model
    with torch.no_grad():
        with loaded.adapter(on=False) as off:
            assert torch.equal(off(input_ids=ids).logits, base(input_ids=ids).logits)
        assert not torch.allclose(loaded.in_memory().model(input_ids=ids).logits, base(input_ids=ids).logits)


def test_no_merge_is_tried_and_the_reason_names_the_method(loaded: LoadedModel) -> None:
    why = integrity.unmergeable(loaded)
    assert why is not None
    assert loaded.method is not None
    assert why.startswith(loaded.method.peft_type)
    check = integrity.merges_cleanly(loaded, served_merged=True)
    assert not check.holds
    assert why in check.reason


def test_they_take_positions_of_the_candidates_texts_alone(loaded: LoadedModel, learner_dir: Path) -> None:
    room = context_length(load_model(learner_dir, OPTIONS))
    assert context_length(loaded) == room - _COUNT
    words = " a" * (room - 2)
    fits = len(loaded.tokenizer(words)["input_ids"])
    request = ScoreRequest(Prompt(text=words), " a")
    assert room - _COUNT < fits < room
    assert LocalBackend(lambda: loaded, adapter=False).plan([request])
    with pytest.raises(EngineError, match=f"context of {room - _COUNT}"):
        LocalBackend(lambda: loaded, adapter=True).plan([request])


def test_divergence_is_from_the_base_without_them(loaded: LoadedModel) -> None:
    text = "The quick brown fox jumps over the lazy dog."
    found = {}
    for on in (False, True):
        [batch] = LocalBackend(lambda: loaded, adapter=on).plan([DivergenceRequest(text)])
        [(_, found[on])] = batch.run()
    assert found[False].kl == 0
    assert found[True].kl > 0.1


def test_a_base_with_windows_reads_them_as_peft_has_it(tmp_path: Path) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, sliding_window=8, initializer_range=0.16,
    )  # fmt: skip
    MistralForCausalLM(config).save_pretrained(tmp_path / "base")
    trained_tokenizer(300).save_pretrained(tmp_path / "base")
    adapter = save_adapter("PROMPT_TUNING", tmp_path / "base", tmp_path / "adapter")
    loaded = load_model(tmp_path / "base", OPTIONS, adapter=adapter)
    strategy = fitting_strategy(loaded, BatchLimits())
    assert isinstance(strategy, PaddedStrategy)
    pairs = [([*range(40, 60)], [33, 34]), ([41, 51, 61], [35])]
    with torch.inference_mode(), loaded.adapter(on=True) as model:
        found = {n: s.logprob for job in strategy.plan_scores(pairs) for n, s in job.run(model)}
    for number, pair in enumerate(pairs):
        assert found[number] == pytest.approx(plain_score(tmp_path / "base", adapter, *pair), abs=1e-4)


def save_gpt2(directory: Path, **sizes: int) -> Path:
    """A base whose configuration says nothing of key-value heads."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=300, n_head=4, n_positions=128, **{"n_embd": 32, "n_layer": 2, **sizes})
    GPT2LMHeadModel(config).save_pretrained(directory)
    return directory


@pytest.mark.parametrize("sizes", [{"n_embd": 64}, {"n_layer": 3}])
def test_keys_and_values_for_a_base_of_other_sizes_are_told(tmp_path: Path, sizes: dict[str, int]) -> None:
    base, other = save_gpt2(tmp_path / "base"), save_gpt2(tmp_path / "other", **sizes)
    adapter = save_adapter("PREFIX_TUNING", base, tmp_path / "adapter")
    assert match_tensors(adapter, base).holds
    diagnosis = match_tensors(adapter, other).diagnosis
    assert diagnosis is not None
    assert diagnosis.cause == Cause.VIRTUAL_TOKENS
    assert "--model" in diagnosis.remedy
