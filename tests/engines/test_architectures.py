"""As many families as people fine-tune: what is asked of each, with LoRA on all linear layers, is what transformers computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny import trained_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerBase

from harness.engines import GenerateRequest, Prompt, ScoreRequest
from harness.engines.fitting import WayName, fitting_strategy
from harness.engines.local import LocalBackend
from harness.engines.padded import PaddedStrategy
from harness.engines.prefix import ForkedStrategy, PackedStrategy
from harness.engines.rendering import prompt_tokens, score_tokens
from harness.engines.strategy import BatchJob, BatchLimits, TokenPair
from harness.errors import AdapterError, EngineError, ModelError
from harness.models.in_memory import Held, Weights
from harness.models.loading import LoadedModel, LoadOptions, load_base

SHAPE = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512, "initializer_range": 0.2,
}  # fmt: skip
EXPERTS = {
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2,
    "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32, "n_group": 1, "topk_group": 1,
    "first_k_dense_replace": 1,
}  # fmt: skip
LATENT = {
    "num_key_value_heads": 4, "kv_lora_rank": 8, "q_lora_rank": 8, "head_dim": 4, "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8, "v_head_dim": 8,
}  # fmt: skip
MAMBA2 = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 2, "mamba_d_state": 8, "mamba_chunk_size": 16}
WIDE_HEADS = {"head_dim": 8}  # where the default is not hidden_size / heads


@dataclass(frozen=True)
class Family:
    """A model type, tiny.

    Attributes:
        way: the fastest that it is computed in.
        without: layers that PEFT, or the model's own code, takes no LoRA on.
    """

    name: str
    shape: Mapping[str, Any] = field(default_factory=dict)
    way: WayName = "packed"
    without: str | None = None


FAMILIES = [
    Family("llama"), Family("mistral", WIDE_HEADS), Family("qwen2"), Family("qwen3", WIDE_HEADS),
    Family("gemma", WIDE_HEADS), Family("gemma3_text", WIDE_HEADS), Family("phi"), Family("phi3"), Family("gpt2"),
    Family("gpt_bigcode"), Family("gpt_neox"), Family("opt", {"ffn_dim": 64, "word_embed_proj_dim": 32}), Family("stablelm"),
    Family("starcoder2"), Family("cohere"), Family("cohere2"), Family("olmo"), Family("olmo2"), Family("granite"),
    Family("glm", WIDE_HEADS), Family("glm4", WIDE_HEADS), Family("smollm3"), Family("exaone4"), Family("ernie4_5", WIDE_HEADS),
    Family("nemotron"), Family("persimmon"), Family("biogpt"),
    Family("ctrl", {"n_embd": 32, "dff": 64, "n_layer": 2, "n_head": 4}),
    Family("mixtral", EXPERTS), Family("qwen2_moe", EXPERTS), Family("qwen3_moe", {**EXPERTS, **WIDE_HEADS}),
    Family("olmoe", EXPERTS), Family("granitemoe", EXPERTS), Family("glm4_moe", {**EXPERTS, **WIDE_HEADS}),
    Family("afmoe", {**EXPERTS, **WIDE_HEADS}), Family("deepseek_v2", {**EXPERTS, **LATENT}),
    Family("deepseek_v3", {**EXPERTS, **LATENT}),
    Family("phimoe", EXPERTS, without="router"),
    Family("llama4_text", {**EXPERTS, **WIDE_HEADS, "intermediate_size_mlp": 64}, without="router"),
    # Attention that is more than softmax over all keys before, does not go through transformers' interface, or is none.
    Family("gemma2", WIDE_HEADS, way="forked"), Family("gpt_oss", {**EXPERTS, **WIDE_HEADS}, way="forked"),
    Family("gpt_neo", {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]}, way="forked"),
    Family("gptj", {"rotary_dim": 4}, way="forked"), Family("codegen", {"rotary_dim": 4}, way="forked"),
    Family("bloom", way="forked"), Family("falcon", way="forked"), Family("diffllama", way="forked"),
    Family("doge", way="forked"),
    Family("mpt", {"d_model": 32, "n_heads": 4, "n_layers": 2, "expansion_ratio": 2, "max_seq_len": 512}, way="forked"),
    Family("xglm", {"d_model": 32, "ffn_dim": 64, "num_layers": 2, "attention_heads": 4}, way="forked"),
    # Recurrent layers; some cannot go on from a cache by more than a token, hand none out, or do not mask padding.
    Family("mamba", {"state_size": 8}, way="padded", without="out_proj"),
    Family("falcon_mamba", {"state_size": 8}, way="padded", without="out_proj"),
    Family(
        "mamba2", {"num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 2, "chunk_size": 16}, way="forked",
        without="out_proj",
    ),
    Family(
        "jamba", {**EXPERTS, "attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 8, "mamba_dt_rank": 4},
        way="padded",
    ),
    Family("bamba", {**MAMBA2, "attn_layer_indices": [1]}, way="forked"),
    Family(
        "granitemoehybrid", {**EXPERTS, **MAMBA2, "layer_types": ["mamba", "attention"], "shared_intermediate_size": 64},
        way="forked",
    ),
    Family("minimax", {**EXPERTS, "layer_types": ["linear_attention", "full_attention"], "block_size": 16}, way="padded"),
    Family("lfm2", {"layer_types": ["conv", "full_attention"], "block_ff_dim": 64}, way="forked"),
    Family(
        "qwen3_next",
        {**EXPERTS, **WIDE_HEADS, "layer_types": ["linear_attention", "full_attention"], "linear_num_value_heads": 4,
         "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8},
        way="forked",
    ),
    Family("recurrent_gemma", {"lru_width": 32, "num_hidden_layers": 3, "attention_window_size": 512}, way="padded"),
    Family("rwkv", {"attention_hidden_size": 32, "context_length": 512}, way="padded"),
    # Windows that end within the prompts.
    *(
        Family(name, {**WIDE_HEADS, **experts, **windows}, way="forked")
        for name, experts, windows in (
            ("mistral", {}, {"sliding_window": 16}), ("gemma2", {}, {"sliding_window": 16}),
            ("gemma3_text", {}, {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}),
            ("cohere2", {}, {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}),
            ("gpt_oss", EXPERTS, {"sliding_window": 16}),
            ("qwen2", {}, {"sliding_window": 16, "use_sliding_window": True, "max_window_layers": 0}),
        )
    ),
]  # fmt: skip
STRATEGIES: dict[WayName, Any] = {"packed": PackedStrategy, "forked": ForkedStrategy, "padded": PaddedStrategy}
FOX = "The quick brown fox jumps over the lazy dog. "
# Three that share, two of these more, and lengths that are padded.
QUESTIONS = [f"{FOX * 2}Who jumps, and who?", f"{FOX * 2}Which birds sing?", f"{FOX}Who jumps, and who?", "hi"]
LENGTHS = (6, 4, 5, 2)  # a short answer leaves its batch early, and another takes its place
LIMITS = BatchLimits(rows=3)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return trained_tokenizer(600)


def build(family: Family, tokenizer: PreTrainedTokenizerBase, *, without: str | None) -> LoadedModel:
    """The family's tiny random model with random LoRA on every linear layer but `without`."""
    torch.manual_seed(0)
    specials = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = AutoConfig.for_model(family.name, vocab_size=len(tokenizer), **specials, **{**SHAPE, **family.shape})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    excluded = [without] if without else None
    lora = LoraConfig(r=4, target_modules="all-linear", exclude_modules=excluded, task_type="CAUSAL_LM")
    peft_model = get_peft_model(model, lora)
    with torch.no_grad():
        for name, parameter in peft_model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return LoadedModel(
        Held(Weights(peft_model.eval().requires_grad_(False))), tokenizer, torch.device("cpu"), has_adapter=True
    )


def backend(loaded: LoadedModel, *, adapter: bool) -> LocalBackend:
    return LocalBackend(lambda: loaded, adapter=adapter)


def named(family: Family) -> str:
    return f"{family.name}-windows" if family.shape.get("sliding_window") else family.name


@pytest.mark.parametrize("family", FAMILIES, ids=named)
def test_scores_and_answers_are_those_of_transformers_each_way(family: Family, tokenizer: PreTrainedTokenizerBase):
    loaded = build(family, tokenizer, without=family.without)
    assert isinstance(fitting_strategy(loaded, LIMITS), STRATEGIES[family.way])
    scores = [ScoreRequest(Prompt(text=text), tail) for text in QUESTIONS for tail in (" yes", " no and never")]
    asked = [GenerateRequest(Prompt(text=text), max_new_tokens=n) for text, n in zip(QUESTIONS, LENGTHS, strict=True)]
    pairs, prompts = score_tokens(tokenizer, scores), [prompt_tokens(tokenizer, one.prompt) for one in asked]
    told = {}
    for on in (False, True):
        with torch.inference_mode(), loaded.adapter(on=on) as model:
            told[on], texts = plain_scores(model, pairs), generated(model, tokenizer, asked)
            for way in list(STRATEGIES)[list(STRATEGIES).index(family.way) :]:
                fits = way == family.way
                strategy = fitting_strategy(loaded, LIMITS) if fits else STRATEGIES[way](loaded, LIMITS)
                found = in_order(model, strategy.plan_scores(pairs))
                assert [score.logprob for score in found] == pytest.approx(told[on], rel=2e-6, abs=1e-5), way
                found = in_order(model, strategy.plan_generations(asked, prompts))
                assert [answer.text for answer in found] == texts, way
    assert any(abs(base - candidate) > 1e-2 for base, candidate in zip(told[False], told[True], strict=True))


def in_order(model: Any, jobs: list[BatchJob[Any]]) -> list[Any]:
    found = dict(chain.from_iterable(job.run(model) for job in jobs))
    return [found[number] for number in range(len(found))]


def plain_scores(model: Any, pairs: list[TokenPair]) -> list[float]:
    found = []
    for context, tail in pairs:
        log_probs = model(input_ids=torch.tensor([[*context, *tail]]), use_cache=False).logits[0].log_softmax(-1)
        found.append(sum(log_probs[len(context) - 1 + i, token].item() for i, token in enumerate(tail)))
    return found


def generated(model: Any, tokenizer: PreTrainedTokenizerBase, requests: list[GenerateRequest]) -> list[str]:
    found = []
    for request in requests:
        ids = torch.tensor([prompt_tokens(tokenizer, request.prompt)])
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=request.max_new_tokens, do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        found.append(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))
    return found


def test_an_adapter_on_a_layer_that_cannot_have_one_is_named_before_the_base_is_measured(tokenizer):
    [llama4] = [family for family in FAMILIES if family.name == "llama4_text"]
    loaded = build(llama4, tokenizer, without=None)
    with pytest.raises(AdapterError) as told:
        backend(loaded, adapter=False).plan([ScoreRequest(Prompt(text="hi"), " yes")])
    assert "'llama4_text' cannot compute with an adapter on model.layers.0.feed_forward.router" in told.value.problem
    assert told.value.remedy == "train without it: exclude_modules: [router]"


def test_a_base_that_lacks_what_it_computes_with_is_named_before_anything_is_measured(tokenizer, monkeypatch):
    loaded = build(FAMILIES[0], tokenizer, without=None)

    def without_its_package(*_: Any, **__: Any) -> None:
        raise ImportError("`mamba_ssm` is needed: pip install mamba-ssm")

    monkeypatch.setattr(loaded.in_memory().model.get_base_model().model.layers[1], "forward", without_its_package)
    with pytest.raises(ModelError, match="'llama' cannot compute a single forward: `mamba_ssm` is needed"):
        backend(loaded, adapter=False).plan([ScoreRequest(Prompt(text="hi"), " yes")])


@pytest.mark.parametrize(("quantization", "remedy"), [("none", "no randomness"), ("int8", "--device=cpu")])
def test_a_forward_that_no_way_agrees_with_is_refused_with_what_can_be_done(
    tokenizer, tiny_model_dir: Path, quantization: str, remedy: str
):
    """On a GPU int8 stays packed."""
    model = load_base(tiny_model_dir, LoadOptions("float32", "cpu", quantization), trainable=True).eval()
    model.get_output_embeddings().register_forward_hook(lambda module, inputs, output: torch.rand_like(output) * 9)
    loaded = LoadedModel(Held(Weights(model)), tokenizer, torch.device("cpu"))
    with pytest.raises(EngineError, match="no way of computing agrees") as caught:
        fitting_strategy(loaded, BatchLimits())
    assert remedy in caught.value.remedy
