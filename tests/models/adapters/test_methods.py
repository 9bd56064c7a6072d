"""Every method of PEFT's acts here as PEFT itself has it act: scores, answers, merges, and what integrity says of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from artefacts import INVOCATION, PEFT_CASES, PEFT_REFUSALS, SAME_SHAPES, PeftCase, PeftRefusal
from safetensors.torch import load_file, save_file
from tiny import save_tiny_model

from harness.checks import integrity
from harness.engines.fitting import fitting_strategy
from harness.engines.prefix import PrefixStrategy
from harness.engines.requests import GenerateRequest, Prompt
from harness.engines.strategy import BatchLimits
from harness.errors import AdapterError
from harness.models.adapters.files import CONFIG, WEIGHTS
from harness.models.adapters.misfit import Cause
from harness.models.loading import LoadedModel, LoadOptions, attach_adapter, load_base, load_model

OPTIONS = LoadOptions("float32", "cpu")
_PROMPTS = [[40, 50, 60, *range(70, 90), *INVOCATION, 91, 92], [40, 50, 60, *range(70, 90), 33]]
_NEW_TOKENS = 3


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


def behaviour_checks(loaded: LoadedModel, adapter: Path, seen: integrity.Observed) -> list[Any]:
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
    strategy = fitting_strategy(loaded, BatchLimits())
    assert isinstance(strategy, PrefixStrategy) == case.shares_prefixes
    with torch.inference_mode(), loaded.adapter(on=True) as model:
        scores = {n: s.logprob for job in strategy.plan_scores(pairs) for n, s in job.run(model)}
        answers = {n: a.text for job in strategy.plan_generations(requests, _PROMPTS) for n, a in job.run(model)}
    for number, (prompt, pair) in enumerate(zip(_PROMPTS, pairs, strict=True)):
        assert scores[number] == pytest.approx(peft.score(*pair), abs=1e-4)
        assert answers[number] == text_of(peft.answer(prompt), loaded)
    seen = integrity.Observed(loaded)
    checks = [*file_checks(adapter, learner_dir), *behaviour_checks(loaded, adapter, seen)]
    assert [check.reason for check in checks if not check.holds] == []
    assert_merges(case, loaded, seen)


def text_of(tokens: list[int], loaded: LoadedModel) -> str:
    end = loaded.tokenizer.eos_token_id
    kept = tokens[: tokens.index(end)] if end in tokens else tokens
    return str(loaded.tokenizer.decode(kept, skip_special_tokens=True))


def assert_merges(case: PeftCase, loaded: LoadedModel, seen: integrity.Observed) -> None:
    """As the table says, and leaving base and candidate as they were."""
    check = integrity.merges_cleanly(loaded, served_merged=True, most_kl=1e-6, observed=seen)
    assert check.holds == (case.unmerged is None), check.reason
    if case.unmerged is not None:
        assert case.unmerged in check.reason
    after = integrity.Observed(loaded)
    assert torch.equal(after.candidate, seen.candidate)
    assert torch.equal(after.base, seen.base)


# One of each way to be unlike LoRA: virtual tokens as embeddings and as keys and values, scales, products, rotations, tokens.
_DAMAGED = (
    "PROMPT_TUNING",
    "PREFIX_TUNING",
    "MULTITASK_PROMPT_TUNING",
    "IA3",
    "LOHA",
    "OFT",
    "VERA",
    "TRAINABLE_TOKENS",
)


@pytest.fixture(scope="module", params=_DAMAGED)
def healthy(request: pytest.FixtureRequest, learner_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = next(case for case in PEFT_CASES if case.name == request.param)
    return save_adapter(case, learner_dir, tmp_path_factory.mktemp("healthy") / "adapter")


@pytest.fixture(scope="module")
def narrow_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("narrow") / "model", hidden_size=32)


def test_a_base_of_another_width_is_told(healthy: Path, narrow_base: Path) -> None:
    check = integrity.tensors_map_both_ways(healthy, narrow_base)
    assert not check.holds
    with pytest.raises(AdapterError, match="does not fit the base"):
        load_model(narrow_base, OPTIONS, adapter=healthy)


@pytest.mark.parametrize("case", [case for case in PEFT_CASES if case.note == SAME_SHAPES], ids=lambda case: case.name)
def test_some_methods_fit_a_base_of_any_width(
    case: PeftCase, learner_dir: Path, narrow_base: Path, tmp_path: Path
) -> None:
    assert integrity.tensors_map_both_ways(save_adapter(case, learner_dir, tmp_path), narrow_base).holds


def test_nan_and_nothing_are_told(healthy: Path, learner_dir: Path, tmp_path: Path) -> None:
    broken, empty = (shutil.copytree(healthy, tmp_path / name) for name in ("broken", "empty"))
    tensors = load_file(healthy / WEIGHTS)
    name = min(name for name, tensor in tensors.items() if tensor.is_floating_point())
    save_file({**tensors, name: tensors[name] * float("nan")}, broken / WEIGHTS, metadata={"format": "pt"})
    save_file({key: value * 0 for key, value in tensors.items()}, empty / WEIGHTS, metadata={"format": "pt"})
    assert name in integrity.adapter_is_finite(broken).reason
    with pytest.raises(AdapterError, match="NaN or infinities"):
        load_model(learner_dir, OPTIONS, adapter=broken)
    check = integrity.adapter_is_trained(empty, learner_dir)
    assert not check.holds
    assert name in check.details["zero_tensors"]


def virtual_tokens(learner_dir: Path, directory: Path, **settings: Any) -> Path:
    return save_adapter(PeftCase("PROMPT_TUNING", {"num_virtual_tokens": 8, **settings}), learner_dir, directory)


def test_virtual_tokens_of_another_number_are_told_from_those_of_another_base(
    learner_dir: Path, tmp_path: Path
) -> None:
    adapter = virtual_tokens(learner_dir, tmp_path)
    configure(adapter, num_virtual_tokens=9)
    check = integrity.tensors_map_both_ways(adapter, learner_dir)
    assert check.details["cause"] == Cause.VIRTUAL_TOKENS
    assert "8 virtual tokens, the configuration 9" in check.reason
    assert "num_virtual_tokens" in check.remedy


@pytest.mark.parametrize("factor", [0.0, 1e3])
def test_a_virtual_token_that_died_or_ran_away_stands_out(learner_dir: Path, tmp_path: Path, factor: float) -> None:
    adapter = virtual_tokens(learner_dir, tmp_path)
    assert integrity.norms_are_even(adapter).holds
    prompts = load_file(adapter / WEIGHTS)["prompt_embeddings"]
    prompts[3] *= factor
    save_file({"prompt_embeddings": prompts}, adapter / WEIGHTS, metadata={"format": "pt"})
    check = integrity.norms_are_even(adapter)
    assert not check.holds
    assert "virtual token 3" in check.reason


@pytest.mark.parametrize("refusal", PEFT_REFUSALS, ids=lambda refusal: refusal.name)
def test_what_cannot_be_measured_is_refused_by_name(refusal: PeftRefusal, tiny_model_dir: Path, adapter: Path) -> None:
    configure(adapter, **refusal.settings)
    with pytest.raises(AdapterError, match=refusal.why) as caught:
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("kind", "started"),
    [
        (
            "PROMPT_TUNING",
            {"prompt_tuning_init": "TEXT", "prompt_tuning_init_text": "Classify", "tokenizer_name_or_path": "no/one"},
        ),
        (
            "MULTITASK_PROMPT_TUNING",
            {"prompt_tuning_init": "EXACT_SOURCE_TASK", "prompt_tuning_init_state_dict_path": "no.pt"},
        ),
    ],
)
def test_what_prompts_were_started_from_is_not_looked_for(
    learner_dir: Path, tmp_path: Path, kind: str, started: dict[str, Any]
) -> None:
    adapter = save_adapter(PeftCase(kind, {"num_virtual_tokens": 8}), learner_dir, tmp_path)
    configure(adapter, **started)
    assert load_model(learner_dir, OPTIONS, adapter=adapter).reserved_tokens == 8


def test_peft_still_saves_x_lora_without_its_first_layer(learner_dir: Path, tmp_path: Path) -> None:
    """What X-LoRA is refused for; measure it once this fails."""
    from peft import XLoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    expert = save_adapter(PeftCase("LORA", {"r": 2, "target_modules": ["q_proj"]}), learner_dir, tmp_path / "expert")
    base = AutoModelForCausalLM.from_pretrained(learner_dir)
    base.config.use_cache = False
    experts = {name: str(expert) for name in ("0", "1")}
    config = XLoraConfig(task_type="CAUSAL_LM", hidden_size=64, xlora_depth=2, xlora_size=8, adapters=experts)
    get_peft_model(base, config).save_pretrained(tmp_path / "mixed")
    layer = "base_model.internal_xlora_classifier.layers.3"
    assert load_file(tmp_path / "mixed" / WEIGHTS).keys() == {f"{layer}.weight", f"{layer}.bias"}


@pytest.mark.parametrize("kind", ["HRA", "PEANUT"])
def test_a_method_that_would_take_packed_integers_for_weights_is_refused(
    learner_dir: Path, tmp_path: Path, kind: str
) -> None:
    adapter = save_adapter(PeftCase(kind, {"r": 4, "target_modules": ["q_proj"]}), learner_dir, tmp_path)
    packed = load_base(learner_dir, LoadOptions("float32", "cpu", quantization="int8"), trainable=True)
    with pytest.raises(AdapterError, match=f"'{kind}', which computes with the base's weights") as caught:
        attach_adapter(packed, adapter, learner_dir)
    assert "--quantization=none" in caught.value.remedy


def configure(adapter: Path, **changes: Any) -> None:
    path = adapter / CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
