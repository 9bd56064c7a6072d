"""Every method of PEFT's acts here as PEFT itself has it act: scores, answers, merges, and what integrity says of it."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from artefacts import INVOCATION, PEFT_CASES, PeftCase
from safetensors.torch import load_file, save_file

from harness.checks import integrity
from harness.engines.fitting import fitting_strategy
from harness.engines.prefix import PrefixStrategy
from harness.engines.requests import GenerateRequest, Prompt
from harness.engines.strategy import BatchLimits
from harness.errors import AdapterError
from harness.models.adapters.files import CONFIG, WEIGHTS
from harness.models.loading import LoadedModel, LoadOptions, load_model

OPTIONS = LoadOptions("float32", "cpu")
_PROMPTS = [[40, 50, 60, *range(70, 90), *INVOCATION, 91, 92], [40, 50, 60, *range(70, 90), 33]]
_NEW_TOKENS = 4


def save_adapter(case: PeftCase, base: Path, directory: Path) -> Path:
    """As PEFT saves it, with all that is trained moved off its start."""
    from peft import get_peft_model
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = PEFT_TYPE_TO_CONFIG_MAPPING[case.peft_type](task_type="CAUSAL_LM", **case.settings)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(directory)
    return directory


class Peft:
    """What PEFT's own model gives for whole sequences, read one by one without a cache."""

    def __init__(self, case: PeftCase, base: Path, adapter: Path) -> None:
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        self._model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
        told = case.peft_type in ("POLY", "MULTITASK_PROMPT_TUNING")
        self._more = {"task_ids": torch.tensor([0])} if told else {}

    @torch.no_grad()
    def log_probs(self, tokens: Sequence[int]) -> torch.Tensor:
        logits = self._model(input_ids=torch.tensor([tokens]), use_cache=False, **self._more).logits[0]
        return torch.log_softmax(logits[-len(tokens) :], dim=-1)

    def score(self, context: Sequence[int], tail: Sequence[int]) -> float:
        rows = self.log_probs([*context, *tail][:-1])[-len(tail) :]
        return sum(float(row[token]) for row, token in zip(rows, tail, strict=True))

    def answer(self, prompt: Sequence[int]) -> list[int]:
        tokens = list(prompt)
        for _ in range(_NEW_TOKENS):
            tokens.append(int(self.log_probs(tokens)[-1].argmax()))
        return tokens[len(prompt) :]


def quietly(check: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", integrity_warning())
        return check()


def integrity_warning() -> type[Warning]:
    from harness.checks.integrity.merging import MergeWarning

    return MergeWarning


def file_checks(adapter: Path, base: Path) -> list[Any]:
    return [
        integrity.adapter_is_safe(adapter),
        integrity.tensors_map_both_ways(adapter, base),
        integrity.config_agrees_with_tensors(adapter, base),
        integrity.strength_as_trained(adapter),
        integrity.adapter_is_finite(adapter),
        integrity.adapter_is_trained(adapter, base),
        integrity.norms_are_even(adapter, base),
    ]


def behaviour_checks(loaded: LoadedModel, adapter: Path) -> list[Any]:
    seen = integrity.Observed(loaded)
    return [
        integrity.base_is_intact(loaded, observed=seen),
        integrity.changes_the_base(loaded, least_kl=1e-6, observed=seen),
        integrity.answers_repeat(loaded),
        integrity.switches_cleanly(loaded),
        integrity.padding_changes_nothing(loaded, most_kl=1e-6, observed=seen),
        integrity.survives_saving(loaded, adapter),
    ]


@pytest.mark.parametrize("case", PEFT_CASES, ids=lambda case: case.name)
def test_a_method_acts_as_peft_has_it_act(case: PeftCase, learner_dir: Path, tmp_path: Path) -> None:
    adapter = save_adapter(case, learner_dir, tmp_path / "adapter")
    loaded = load_model(learner_dir, OPTIONS, adapter=adapter)
    peft = Peft(case, learner_dir, adapter)
    pairs = [(prompt[:-2], prompt[-2:]) for prompt in _PROMPTS]
    requests = [GenerateRequest(Prompt(text="-"), max_new_tokens=_NEW_TOKENS) for _ in _PROMPTS]
    strategy = fitting_strategy(loaded, BatchLimits(), share_prefixes=True)
    assert isinstance(strategy, PrefixStrategy) == case.shares_prefixes
    with torch.inference_mode(), loaded.adapter(on=True) as model:
        scores = {n: s.logprob for job in strategy.plan_scores(pairs) for n, s in job.run(model)}
        answers = {n: a.text for job in strategy.plan_generations(requests, _PROMPTS) for n, a in job.run(model)}
    for number, (prompt, pair) in enumerate(zip(_PROMPTS, pairs, strict=True)):
        assert scores[number] == pytest.approx(peft.score(*pair), abs=1e-4)
        assert answers[number] == text_of(peft.answer(prompt), loaded)
    checks = [*file_checks(adapter, learner_dir), *behaviour_checks(loaded, adapter)]
    assert [check.reason for check in checks if not check.holds] == []
    assert_merges(case, loaded)


def text_of(tokens: list[int], loaded: LoadedModel) -> str:
    end = loaded.tokenizer.eos_token_id
    kept = tokens[: tokens.index(end)] if end in tokens else tokens
    return str(loaded.tokenizer.decode(kept, skip_special_tokens=True))


def assert_merges(case: PeftCase, loaded: LoadedModel) -> None:
    before = integrity.Observed(loaded)
    _ = before.base, before.candidate
    check = integrity.merges_cleanly(loaded, served_merged=True, most_kl=1e-6, observed=before)
    assert check.holds == (case.unmerged is None), check.reason
    if case.unmerged is not None:
        assert case.unmerged in check.reason
    after = integrity.Observed(loaded)
    assert torch.equal(after.candidate, before.candidate)
    assert torch.equal(after.base, before.base)
