from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.engines import DivergenceRequest, GenerateRequest, Prompt, Score, ScoreRequest
from harness.engines.local import LocalBackend
from harness.engines.strategy import BatchLimits
from harness.errors import EngineError
from harness.models.loading import LoadedModel

PROMPTS = [
    "hi",
    "Please call the function that books a table for two people.",
    "The quick brown fox jumps over the lazy dog while birds sing, and nobody knows why they sing." * 3,
    "12345",
    "Answer the question with one word.",
]


def generate_requests(max_new_tokens: int = 12) -> list[GenerateRequest]:
    return [GenerateRequest(Prompt.chat(text), max_new_tokens=max_new_tokens) for text in PROMPTS]


@pytest.fixture(params=["packed", "forked", "padded"], autouse=True)
def way(request) -> str:
    """Every test runs over all ways of computing."""
    global WAY
    WAY = request.param
    return WAY


def answers(loaded: LoadedModel, requests, *, adapter: bool = False, rows: int = 32, tokens: int = 16_384):
    limits = BatchLimits(tokens=tokens, rows=rows)
    backend = LocalBackend(lambda: loaded, adapter=adapter, limits=limits, first_way=WAY)
    found = {}
    for batch in backend.plan(requests):
        for index, answer in batch.run():
            assert index not in found
            found[index] = answer
    assert sorted(found) == list(range(len(requests)))
    return [found[i] for i in range(len(requests))]


def untimed(found):
    return [dataclasses.replace(a, latency_s=0.0) for a in found]


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_generations_do_not_depend_on_batch_size(tiny_loaded, adapter, rows):
    alone = answers(tiny_loaded, generate_requests(), adapter=adapter, rows=1)
    assert untimed(answers(tiny_loaded, generate_requests(), adapter=adapter, rows=rows)) == untimed(alone)


@pytest.mark.parametrize("rows", [2, 5])
def test_scores_do_not_depend_on_batch_size(tiny_loaded, rows):
    requests = [ScoreRequest(Prompt.chat(p), c) for p in PROMPTS for c in ("yes", "no, never and nowhere", "42")]
    alone, together = answers(tiny_loaded, requests, rows=1), answers(tiny_loaded, requests, rows=rows)
    for one, other in zip(alone, together, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
        assert (one.is_greedy, one.completion_tokens) == (other.is_greedy, other.completion_tokens)


def test_generation_equals_transformers_own(tiny_loaded, tiny_model_dir: Path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir).eval()
    for request, answer in zip(generate_requests(), answers(tiny_loaded, generate_requests()), strict=True):
        ids = tokenizer.apply_chat_template(
            request.prompt.as_messages(), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        out = model.generate(**ids, max_new_tokens=12, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        expected = tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
        assert answer.text == expected


RULES = [
    {"repetition_penalty": 100.0},
    {"encoder_repetition_penalty": 0.01},
    {"no_repeat_ngram_size": 1},
    {"encoder_no_repeat_ngram_size": 1, "repetition_penalty": 1.2},
    {"bad_words_ids": [[token] for token in range(3, 400)]},
    {"sequence_bias": [[[5], 30.0], [[5, 6], 90.0]]},
    {"suppress_tokens": list(range(300))},
    {"begin_suppress_tokens": list(range(500))},
    {"forced_eos_token_id": 2},
    {"min_new_tokens": 9, "sequence_bias": [[[2], 50.0]]},
    {"min_length": 40, "sequence_bias": [[[2], 50.0]]},
    {"exponential_decay_length_penalty": [3, 1.9], "sequence_bias": [[[2], 0.5]]},
]


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: "-".join(rules))
def test_rules_of_serving_choose_the_tokens_that_transformers_chooses(tiny_loaded, tiny_model_dir: Path, rules):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir).eval()
    plain = answers(tiny_loaded, generate_requests())
    ruled = answers(dataclasses.replace(tiny_loaded, decoding=rules), generate_requests())
    assert [answer.text for answer in ruled] != [answer.text for answer in plain]
    for request, answer in zip(generate_requests(), ruled, strict=True):
        ids = tokenizer.apply_chat_template(
            request.prompt.as_messages(), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        asked = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": tokenizer.pad_token_id}
        out = model.generate(**ids, **asked, **rules)
        assert answer.text == tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)


def test_a_rule_of_tokens_that_the_model_has_not_is_an_error_by_name(tiny_loaded):
    with pytest.raises(EngineError, match=r"serving\.decoding \(bad_words_ids\) cannot be applied"):
        answers(dataclasses.replace(tiny_loaded, decoding={"bad_words_ids": [[99_999]]}), generate_requests())


def test_score_equals_a_plain_forward(tiny_loaded, tiny_model_dir: Path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir).eval()
    context, continuation = "The quick brown fox", " jumps over"
    [score] = answers(tiny_loaded, [ScoreRequest(Prompt(text=context), continuation)])
    ids = tokenizer(context + continuation)["input_ids"]
    start = len(tokenizer(context)["input_ids"])
    with torch.no_grad():
        logp = torch.log_softmax(model(torch.tensor([ids])).logits[0], -1)
    expected = sum(logp[i - 1, ids[i]].item() for i in range(start, len(ids)))
    assert score.logprob == pytest.approx(expected, abs=1e-4)


def test_adapter_off_is_the_base_and_on_is_not(tiny_loaded, tiny_model_dir: Path):
    from harness.models.loading import LoadOptions, load_model

    bare = load_model(tiny_model_dir, LoadOptions(dtype="float32", device="cpu"))
    requests = [ScoreRequest(Prompt(text=p), " and") for p in PROMPTS]
    base, off = answers(bare, requests), answers(tiny_loaded, requests, adapter=False)
    on = answers(tiny_loaded, requests, adapter=True)
    assert [s.logprob for s in base] == [s.logprob for s in off]
    assert all(abs(a.logprob - b.logprob) > 1e-3 for a, b in zip(base, on, strict=True))


def test_stop_reasons_tell_cap_from_stop_text_from_eos(tiny_loaded):
    [capped] = answers(tiny_loaded, generate_requests()[:1])
    assert (capped.stop_reason, capped.completion_tokens) == ("length", 12)
    piece = capped.text[3:6]
    [stopped] = answers(tiny_loaded, [dataclasses.replace(generate_requests()[0], stop=(piece,))])
    assert stopped.stop_reason == "stop"
    assert stopped.text == capped.text[: capped.text.index(piece)]


def test_any_eos_of_the_generation_config_ends_the_answer_and_is_not_in_its_text(tiny_loaded, monkeypatch):
    monkeypatch.setattr(
        tiny_loaded.in_memory().model.generation_config, "eos_token_id", list(range(len(tiny_loaded.tokenizer)))
    )
    [ended] = answers(tiny_loaded, generate_requests()[1:2])
    assert (ended.stop_reason, ended.completion_tokens, ended.text) == ("eos", 1, "")


def test_out_of_memory_halves_the_batch_and_loses_nothing(tiny_loaded, monkeypatch):
    whole = answers(tiny_loaded, generate_requests())
    forward = tiny_loaded.in_memory().model.forward

    def small_machine(*args, **kwargs):
        if kwargs["input_ids"].numel() > 700:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return forward(*args, **kwargs)

    monkeypatch.setattr(tiny_loaded.in_memory().model, "forward", small_machine)
    assert untimed(answers(tiny_loaded, generate_requests(), adapter=True)) == untimed(
        answers(tiny_loaded, generate_requests(), adapter=True, rows=2)
    )
    assert untimed(answers(tiny_loaded, generate_requests())) == untimed(whole)


def no_machine(*args, **kwargs):
    raise torch.OutOfMemoryError("CUDA out of memory")


def planned(loaded: LoadedModel):
    """The first of the batches of a model that is whole while its way of computing is tried."""
    return LocalBackend(lambda: loaded, adapter=False, first_way=WAY).plan(generate_requests())[0]


def test_out_of_memory_on_one_request_names_its_size(tiny_loaded, monkeypatch):
    batch = planned(tiny_loaded)
    monkeypatch.setattr(tiny_loaded.in_memory().model, "forward", no_machine)
    with pytest.raises(EngineError, match="out of memory, even on a single request of 5 left"):
        list(batch.run())


def test_out_of_memory_on_the_first_few_tokens_is_told_as_that(tiny_loaded, monkeypatch):
    monkeypatch.setattr(tiny_loaded.in_memory().model, "forward", no_machine)
    with pytest.raises(EngineError, match="out of memory, even on a single request of some tens of tokens"):
        planned(dataclasses.replace(tiny_loaded, hindrances={}))


def test_other_errors_are_not_mistaken_for_memory(tiny_loaded, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("shapes do not match")

    batch = planned(tiny_loaded)
    monkeypatch.setattr(tiny_loaded.in_memory().model, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(batch.run())


def test_prompt_longer_than_the_context_is_named(tiny_loaded):
    with pytest.raises(EngineError, match="does not fit the model's context of 2048"):
        answers(tiny_loaded, [GenerateRequest(Prompt.chat("12345 " * 2100))])


def test_sampling_is_reproducible_by_seed_and_differs_between_seeds(tiny_loaded):
    drawn = [dataclasses.replace(r, temperature=1.0, seed=s) for s in (1, 2) for r in generate_requests()[:2]]
    first, again = answers(tiny_loaded, drawn), answers(tiny_loaded, drawn, rows=1)
    assert [a.text for a in first] == [a.text for a in again]
    assert first[0].text != first[2].text


def test_scores_and_generations_are_never_in_one_batch(tiny_loaded):
    mixed = [*generate_requests(4), *(ScoreRequest(Prompt.chat(p), "yes") for p in PROMPTS)]
    found = answers(tiny_loaded, mixed)
    assert [isinstance(a, Score) for a in found] == [False] * 5 + [True] * 5


def test_the_base_is_not_asked_how_far_it_is_from_itself(tiny_loaded: LoadedModel) -> None:
    found, forwards = [], []
    for on in (False, True):
        [batch] = LocalBackend(lambda: tiny_loaded, adapter=on, first_way=WAY).plan([DivergenceRequest("A text.")])
        asked: list[object] = []
        hook = (
            tiny_loaded.in_memory()
            .model.get_base_model()
            .register_forward_hook(lambda *_, asked=asked: asked.append(1))
        )
        found += [answer for _, answer in batch.run()]
        hook.remove()
        forwards.append(len(asked))
    assert forwards == [0, 2]  # of the candidate's, one is the base's
    assert (found[0].kl, found[0].tokens) == (0.0, found[1].tokens)
