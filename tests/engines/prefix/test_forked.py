"""Forked caches: how they keep to their limits, and that a fault in them is seen before anything is measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny import trained_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM

from harness.engines import GenerateRequest, Prompt
from harness.engines import caches as caches_module
from harness.engines.caches import ModelCache
from harness.engines.fitting import fitting_strategy
from harness.engines.padded import PaddedStrategy
from harness.engines.prefix import ForkedStrategy, forked_answers, forked_forward
from harness.engines.prefix.tree import ChunkedTree
from harness.engines.strategy import BatchLimits
from harness.models.in_memory import Held, Weights
from harness.models.loading import LoadedModel

OPENING = list(range(40, 100))
PAIRS = [([*OPENING, *range(100 + 20 * n, 100 + 21 * n)], [7, 8]) for n in range(1, 11)]
PROMPTS = [context for context, _ in PAIRS]


@pytest.fixture(scope="module")
def windowed() -> LoadedModel:
    """Two layers, the first of which has windows; a fresh one where it is tried again."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "gemma2", vocab_size=600, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, initializer_range=0.2, sliding_window=24, max_position_embeddings=512,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval().requires_grad_(False)
    return LoadedModel(Held(Weights(model)), trained_tokenizer(600), torch.device("cpu"))


@pytest.fixture
def untried(windowed: LoadedModel) -> LoadedModel:
    windowed.hindrances.clear()
    return windowed


def held_in_forwards(loaded: LoadedModel, ask: Callable[[Any], Any]) -> list[tuple[int, int]]:
    """(rows, tokens in their caches afterwards) of each forward."""
    found: list[tuple[int, int]] = []

    def note(module: Any, args: Any, arguments: dict[str, Any]) -> None:
        rows, width = arguments["input_ids"].shape
        cache = arguments.get("past_key_values")
        before = 0 if cache is None else cache.get_seq_length()
        found.append((rows, rows * (before + width)))

    model = loaded.in_memory().model
    hook = model.register_forward_pre_hook(note, with_kwargs=True)
    with torch.inference_mode():
        ask(model)
    hook.remove()
    return found


@pytest.mark.parametrize(("tokens", "most"), [(100, 1), (300, 3), (1000, 10)])
def test_copies_count_against_the_limit(windowed: LoadedModel, tokens: int, most: int) -> None:
    strategy = ForkedStrategy(windowed, BatchLimits(tokens=tokens, rows=32))
    asked = [GenerateRequest(Prompt(text="-"), max_new_tokens=3) for _ in PROMPTS]
    scored = held_in_forwards(windowed, lambda model: [list(job.run(model)) for job in strategy.plan_scores(PAIRS)])
    answered = held_in_forwards(
        windowed, lambda model: [list(job.run(model)) for job in strategy.plan_generations(asked, PROMPTS)]
    )
    assert all(held <= tokens or rows == 1 for rows, held in [*scored, *answered])
    assert max(rows for rows, _ in scored) == most
    assert sum(held == 60 for _, held in scored) == 1  # what they share is computed once


def test_columns_leave_with_the_row_that_needed_them(windowed: LoadedModel) -> None:
    strategy = ForkedStrategy(windowed, BatchLimits(tokens=1000, rows=2))
    asked = [GenerateRequest(Prompt(text="-"), max_new_tokens=tokens) for tokens in (3, 60)]
    prompts = [list(range(100, 180)), list(range(300, 305))]
    held = held_in_forwards(
        windowed, lambda model: [list(job.run(model)) for job in strategy.plan_generations(asked, prompts)]
    )
    assert max(tokens for rows, tokens in held if rows == 1) <= 80  # alone they are 5 + 60
    assert held[-1] == (1, 64)


def test_a_little_that_is_shared_is_no_node_of_its_own() -> None:
    sequences = [[*range(20), 31, 32], [*range(20), 33, 34]]
    [shared] = ChunkedTree(sequences, [21, 21], max_tokens=99, max_rows=9, least_saved=20).chunks
    apart = ChunkedTree(sequences, [21, 21], max_tokens=99, max_rows=9, least_saved=21).chunks
    assert [len(node.tokens) for node in shared.nodes] == [20]
    assert [len(node.tokens) for chunk in apart for node in chunk.nodes] == [22, 22]


def swapped(cache: ModelCache, rows: torch.Tensor) -> None:
    cache.content.reorder_cache(rows.flip(0))


def off_by_one(held: Any, parts: Any, width: int, before: int) -> torch.Tensor:
    return ALIGNED(held, parts, width, before).roll(1, dims=2)


def forgotten(parts: Any, columns: int, **others: Any) -> ModelCache:
    joined = JOINED(parts, columns, **others)
    for layer in joined.content.layers:
        layer.keys[:, :, : columns - 4] = 0
    return joined


ALIGNED, JOINED = caches_module._aligned, caches_module.joined
FAULTS: dict[str, tuple[Any, str, Any]] = {
    "rows of a fork are others'": (ModelCache, "keep", swapped),
    "padding is not where the mask has it": (caches_module, "_aligned", off_by_one),
    "a window is cut too short": (forked_answers, "joined", forgotten),
    "a text goes on from nothing": (forked_forward.ModelCache, "as_arguments", lambda self: {}),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen_and_whole_texts_are_computed(
    untried: LoadedModel, monkeypatch: pytest.MonkeyPatch, fault: str, dtype: torch.dtype
) -> None:
    model = untried.in_memory().model
    monkeypatch.setattr(*FAULTS[fault])
    model.to(dtype)
    try:
        strategy = fitting_strategy(untried, BatchLimits(), first="forked")
    finally:
        model.float()
    assert isinstance(strategy, PaddedStrategy)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_without_a_fault_they_fit_beyond_windows(untried: LoadedModel, dtype: torch.dtype) -> None:
    model = untried.in_memory().model.to(dtype)
    try:
        assert isinstance(fitting_strategy(untried, BatchLimits()), ForkedStrategy)
    finally:
        model.float()
    assert model.config.sliding_window == 24


def test_windows_that_cannot_be_tried_on_few_tokens_are_not_trusted(
    untried: LoadedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("harness.engines.windows._NAMES", ("attention_window",))
    monkeypatch.setattr(untried.in_memory().model.config, "attention_window", 24, raising=False)
    assert isinstance(fitting_strategy(untried, BatchLimits()), PaddedStrategy)
    assert "its attention windows cannot be shortened" in caplog.text
