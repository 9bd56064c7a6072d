"""What PEFT itself loads whole matches, and acts as PEFT loads it; what it does not load is told by its cause."""

from __future__ import annotations

import functools
import json
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from peft import LNTuningConfig, LoraConfig, PeftConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from harness.checks import integrity
from harness.checks.integrity.norms import change_norms
from harness.errors import AdapterError, ModelError
from harness.models.adapters.files import CONFIG, WEIGHTS
from harness.models.adapters.misfit import Cause
from harness.models.adapters.tensors import match_tensors
from harness.models.in_memory import Held, Weights
from harness.models.loading import LoadedModel, LoadOptions, attach_adapter, load_base
from harness.models.resolve import ResolvedAdapter
from harness.models.segment import named_as_the_base

Tensors = dict[str, torch.Tensor]
TEXT = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
VISION = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28,
    "patch_size": 14,
}  # fmt: skip
MROPE = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "llama": TEXT,
    "qwen3_moe": {**TEXT, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "head_dim": 8},
    "mixtral": {**TEXT, "num_local_experts": 4, "num_experts_per_tok": 2},
    "gpt_oss": {**TEXT, "num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 8},
    "gemma3": {"text_config": {**TEXT, "head_dim": 8}, "vision_config": VISION, "image_token_index": 20},
    "llava": {
        "text_config": {**TEXT, "model_type": "mistral"},
        "vision_config": {**VISION, "model_type": "clip_vision_model"},
        "image_token_index": 20,
    },
    "qwen2_5_vl": {
        "text_config": {**TEXT, "rope_parameters": MROPE},
        "vision_config": {
            "depth": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
            "patch_size": 14, "fullatt_block_indexes": [1],
        },
        "image_token_id": 20, "video_token_id": 21, "vision_start_token_id": 22, "vision_end_token_id": 23,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    },
}  # fmt: skip
IDS = torch.tensor([[40, 50, 60, 70, 80]])


def save_base(family: str, directory: Path, **changes: Any) -> Path:
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **{**FAMILIES[family], **changes})
    loader = AutoModelForImageTextToText if "vision_config" in FAMILIES[family] else AutoModelForCausalLM
    model = loader.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3 if parameter.ndim > 1 else 1)
    model.save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return functools.cache(lambda family: save_base(family, tmp_path_factory.mktemp(family)))


def load_plainly(base: Path) -> Any:
    image = "vision_config" in json.loads((base / "config.json").read_text())
    return (AutoModelForImageTextToText if image else AutoModelForCausalLM).from_pretrained(base).eval()


def save_adapter(base: Path, directory: Path, **lora: Any) -> Path:
    """As PEFT saves it for the transformers in use, with every tensor drawn."""
    torch.manual_seed(1)
    targets = {"target_modules": ["q_proj", "v_proj"], **lora}
    model = get_peft_model(load_plainly(base), LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", **targets))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(directory)
    return directory


def save_experts_one_by_one(base: Path, directory: Path, names: tuple[str, str, str], block: str) -> Path:
    """As transformers 4 had them: a pair for every expert, of gate, up and down."""
    torch.manual_seed(1)
    config = AutoConfig.from_pretrained(base)
    hidden, inner = config.hidden_size, getattr(config, "moe_intermediate_size", config.intermediate_size)
    shapes = {"self_attn.q_proj": (hidden, config.num_attention_heads * 8)}
    for expert in range(4):
        sizes = ((hidden, inner), (hidden, inner), (inner, hidden))
        shapes |= {f"{block}.experts.{expert}.{name}": size for name, size in zip(names, sizes, strict=True)}
    tensors = {}
    for layer in range(2):
        for name, (wide, out) in shapes.items():
            stem = f"base_model.model.model.layers.{layer}.{name}"
            tensors[f"{stem}.lora_A.weight"] = torch.randn(4, wide) * 0.1
            tensors[f"{stem}.lora_B.weight"] = torch.randn(out, 4) * 0.1
    directory.mkdir()
    save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})
    LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", *names], task_type="CAUSAL_LM").save_pretrained(directory)
    return directory


def rewrite(adapter: Path, change: Callable[[Tensors], Tensors]) -> None:
    save_file(change(load_file(adapter / WEIGHTS)), adapter / WEIGHTS, metadata={"format": "pt"})


def renamed(old: str, new: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {name.replace(old, new): tensor for name, tensor in tensors.items()}


def configure(adapter: Path, **changes: Any) -> None:
    path = adapter / CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=IDS).logits
    return found


EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
MADE: Mapping[str, Callable[[Callable[[str], Path], Path], tuple[Path, Path]]] = {
    "qwen3_moe, stacked": lambda bases, out: (
        bases("qwen3_moe"), save_adapter(bases("qwen3_moe"), out, target_parameters=EXPERTS),
    ),
    "qwen3_moe, experts alone": lambda bases, out: (
        bases("qwen3_moe"), save_adapter(bases("qwen3_moe"), out, target_modules=[], target_parameters=EXPERTS[1:]),
    ),
    "gpt_oss, stacked": lambda bases, out: (
        bases("gpt_oss"), save_adapter(bases("gpt_oss"), out, target_parameters=EXPERTS),
    ),
    "mixtral, stacked, of two ranks": lambda bases, out: (
        bases("mixtral"),
        save_adapter(bases("mixtral"), out, target_parameters=["gate_up_proj", "down_proj"], rank_pattern={"down_proj": 2}),
    ),
    "qwen3_moe of transformers 4": lambda bases, out: (
        bases("qwen3_moe"),
        save_experts_one_by_one(bases("qwen3_moe"), out, ("gate_proj", "up_proj", "down_proj"), "mlp"),
    ),
    "mixtral of transformers 4": lambda bases, out: (
        bases("mixtral"), save_experts_one_by_one(bases("mixtral"), out, ("w1", "w3", "w2"), "block_sparse_moe"),
    ),
    "gemma3": lambda bases, out: (
        bases("gemma3"), save_adapter(bases("gemma3"), out, target_modules=r".*language_model.*\.(q_proj|up_proj)"),
    ),
    "llava": lambda bases, out: (bases("llava"), save_adapter(bases("llava"), out, target_modules="all-linear")),
    "qwen2_5_vl": lambda bases, out: (bases("qwen2_5_vl"), save_adapter(bases("qwen2_5_vl"), out)),
    "llama, DoRA": lambda bases, out: (bases("llama"), save_adapter(bases("llama"), out, use_dora=True)),
}  # fmt: skip


def assert_loads_as_peft_does(base: Path, adapter: Path, as_peft_reads: Path | None = None) -> None:
    match = match_tensors(adapter, base)
    assert match.holds, match.describe()
    ours = attach_adapter(load_base(base, LoadOptions("float32", "cpu")), adapter, base).eval()
    theirs = PeftModel.from_pretrained(load_plainly(base), as_peft_reads or adapter).eval()
    assert torch.equal(logits(ours), logits(theirs))
    with ours.disable_adapter():
        assert (logits(ours) - logits(theirs)).abs().max() > 1e-3
    checks = [
        integrity.config_agrees_with_tensors(adapter, base),
        integrity.adapter_is_trained(adapter, base),
        integrity.norms_are_even(adapter, base),
    ]
    assert [check.reason for check in checks if not check.holds] == []


@pytest.mark.parametrize("made", MADE)
def test_what_peft_loads_matches_and_is_loaded_alike(bases: Callable[[str], Path], tmp_path: Path, made: str) -> None:
    base, adapter = MADE[made](bases, tmp_path / "adapter")
    assert_loads_as_peft_does(base, adapter)


@pytest.mark.parametrize("family", ["gemma3", "llava"])
def test_names_of_an_older_transformers_are_converted_as_peft_does(
    bases: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    base = bases(family)
    adapter = save_adapter(base, tmp_path / "adapter", target_modules=r".*language_model.*\.(q_proj|up_proj)")
    rewrite(adapter, renamed("model.model.language_model.layers", "model.language_model.model.layers"))
    assert match_tensors(adapter, base).converted == 8
    assert_loads_as_peft_does(base, adapter)


@pytest.mark.parametrize("magnitude", [".default.weight", ".default", ".weight"])
def test_magnitudes_of_dora_are_read_with_the_adapters_name_in_them(
    bases: Callable[[str], Path], tmp_path: Path, magnitude: str
) -> None:
    base = bases("llama")
    plain = save_adapter(base, tmp_path / "plain", use_dora=True)
    named = save_adapter(base, tmp_path / "named", use_dora=True)
    rewrite(named, renamed(".lora_magnitude_vector", f".lora_magnitude_vector{magnitude}"))
    rewrite(named, renamed(".lora_A.weight", ".lora_A.tuned.weight"))
    assert_loads_as_peft_does(base, named, as_peft_reads=plain)


def test_an_experts_missing_tensor_is_no_match(bases: Callable[[str], Path], tmp_path: Path) -> None:
    base, adapter = MADE["qwen3_moe of transformers 4"](bases, tmp_path / "adapter")
    gone = "base_model.model.model.layers.1.mlp.experts.2.up_proj.lora_B.weight"
    rewrite(adapter, lambda tensors: {name: tensor for name, tensor in tensors.items() if name != gone})
    assert not integrity.tensors_map_both_ways(adapter, base).holds


def test_dropout_of_training_does_not_keep_experts_from_being_read(
    bases: Callable[[str], Path], tmp_path: Path
) -> None:
    base, adapter = MADE["mixtral of transformers 4"](bases, tmp_path / "adapter")
    configure(adapter, lora_dropout=0.05)
    check = integrity.tensors_map_both_ways(adapter, base)
    assert check.holds
    assert "PEFT itself loads them once adapter_config.json says lora_dropout 0" in check.reason
    assert attach_adapter(load_base(base, LoadOptions("float32", "cpu")), adapter, base).peft_config


def test_ranks_and_strength_are_of_one_expert(bases: Callable[[str], Path], tmp_path: Path) -> None:
    base, adapter = MADE["mixtral, stacked, of two ranks"](bases, tmp_path / "adapter")
    check = integrity.config_agrees_with_tensors(adapter, base)
    assert check.details["ranks"] == [2, 4]
    assert check.details["scales"] == [2.0, 4.0]
    model = PeftModel.from_pretrained(load_plainly(base), adapter)
    norms = {pair.module: norm for pair, norm in change_norms(adapter, base).items()}
    wrapper = model.get_submodule("base_model.model.model.layers.1.mlp.experts")
    root_mean_square = float(wrapper.get_delta_weight("default").norm()) / math.sqrt(4)
    assert norms["model.layers.1.mlp.experts.down_proj"] == pytest.approx(root_mean_square, rel=1e-5)
    configure(adapter, r=8)
    assert (
        "r is 8 for model.layers.0.mlp.experts.gate_up_proj"
        in integrity.config_agrees_with_tensors(adapter, base).reason
    )


def test_an_expert_that_no_token_reached_is_idle_and_a_layer_of_them_is_dead(
    bases: Callable[[str], Path], tmp_path: Path
) -> None:
    base, adapter = MADE["qwen3_moe of transformers 4"](bases, tmp_path / "adapter")

    def silence(part: str) -> Callable[[Tensors], Tensors]:
        return lambda tensors: {n: t * (0 if part in n and "lora_B" in n else 1) for n, t in tensors.items()}

    rewrite(adapter, silence("layers.1.mlp.experts.2."))
    check = integrity.adapter_is_trained(adapter, base)
    assert check.holds
    assert len(check.details["idle_tensors"]) == 3
    assert integrity.norms_are_even(adapter, base).holds
    rewrite(adapter, silence("layers.1.mlp.experts."))
    assert not integrity.adapter_is_trained(adapter, base).holds


@pytest.mark.parametrize(
    ("family", "old"), [("gemma3", False), ("gemma3", True), ("llava", True), ("qwen2_5_vl", False)]
)
def test_what_text_does_not_reach_may_be_dead_and_the_language_model_may_not(
    bases: Callable[[str], Path], tmp_path: Path, family: str, old: bool
) -> None:
    base = bases(family)
    adapter = save_adapter(base, tmp_path / "adapter", target_modules="all-linear")

    def silence(tensors: Tensors) -> Tensors:
        return {n: t * (0 if "language_model" not in n and "lora_B" in n else 1) for n, t in tensors.items()}

    rewrite(adapter, silence)
    if old:
        rewrite(adapter, renamed("model.model.language_model.", "model.language_model.model."))
        for part in ("vision_tower", "multi_modal_projector"):
            rewrite(adapter, renamed(f"model.model.{part}.", f"model.{part}."))
    trained, norms = integrity.adapter_is_trained(adapter, base), integrity.norms_are_even(adapter, base)
    assert trained.holds, trained.reason
    assert norms.holds, norms.reason
    assert trained.details["idle_tensors"]
    dead = next(n for n in load_file(adapter / WEIGHTS) if "language_model" in n and "lora_B" in n)
    rewrite(adapter, lambda tensors: {n: t * (n != dead) for n, t in tensors.items()})
    trained = integrity.adapter_is_trained(adapter, base)
    assert trained.details["zero_tensors"] == [dead]
    assert not trained.holds
    assert not integrity.adapter_is_trained(adapter).holds


CAUSES: Mapping[Cause, tuple[Callable[[Path], object], str]] = {
    Cause.DORA_FLAG_LOST: (lambda adapter: configure(adapter, use_dora=False), "use_dora"),
    Cause.NO_MAGNITUDES: (
        lambda adapter: rewrite(adapter, lambda t: {n: v for n, v in t.items() if "magnitude" not in n}), "save",
    ),
    Cause.PREFIX: (
        lambda adapter: rewrite(adapter, renamed("model.model.layers", "model.language_model.layers")),
        "base_model.model.language_model. to base_model.model.model.",
    ),
    Cause.RANK: (lambda adapter: configure(adapter, r=8), "rank_pattern"),
    Cause.TARGETS: (lambda adapter: configure(adapter, target_modules=["q_proj", "v_proj", "query"]), "targets"),
    Cause.INCOMPLETE: (
        lambda adapter: rewrite(adapter, lambda t: {n: v for n, v in t.items() if "layers.0" in n}), "save the adapter again",
    ),
    Cause.CONFIG_NARROWED: (lambda adapter: configure(adapter, target_modules=["q_proj"]), "target_modules"),
    Cause.OTHER_SENSES: (
        lambda adapter: rewrite(
            adapter, lambda t: {**t, "base_model.model.model.vision_tower.fc.lora_B.weight": torch.ones(2, 4)}
        ),
        "language model",
    ),
    Cause.SEPARATE_EXPERTS: (
        lambda adapter: rewrite(
            adapter, lambda t: {**t, "base_model.model.model.layers.0.mlp.experts.0.w1.lora_B.weight": torch.ones(2, 4)}
        ),
        "transformers",
    ),
    Cause.OTHER_LAYOUT: (
        lambda adapter: [
            rewrite(adapter, renamed("q_proj", "qkv_proj")), configure(adapter, target_modules=["qkv_proj", "v_proj"]),
        ],
        "layout",
    ),
    Cause.OTHER_BASE: (lambda adapter: rewrite(adapter, renamed("self_attn.q_proj", "attention.query")), "--model"),
}  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES)
def test_what_does_not_fit_is_told_by_its_cause(bases: Callable[[str], Path], tmp_path: Path, cause: Cause) -> None:
    base = bases("llama")
    adapter = save_adapter(base, tmp_path / "adapter", use_dora=True)
    damage, remedy = CAUSES[cause]
    damage(adapter)
    check = integrity.tensors_map_both_ways(adapter, base)
    assert not check.holds
    assert check.details["cause"] == cause.value
    assert remedy in check.remedy
    with pytest.raises(AdapterError, match="does not fit the base"):
        attach_adapter(load_plainly(base), adapter, base)


def test_an_adapter_of_the_text_model_alone_names_the_prefix_to_rename(
    bases: Callable[[str], Path], tmp_path: Path
) -> None:
    base = bases("qwen2_5_vl")
    adapter = save_adapter(base, tmp_path / "adapter")
    rewrite(adapter, renamed("model.model.language_model.", "model.model."))
    check = integrity.tensors_map_both_ways(adapter, base)
    assert check.details["cause"] == Cause.PREFIX.value
    assert "rename base_model.model.model. to base_model.model.model.language_model." in check.remedy


def test_an_adapter_of_the_whole_on_its_text_model_names_the_prefix_and_what_to_take_out(
    bases: Callable[[str], Path], tmp_path: Path
) -> None:
    adapter = save_adapter(bases("llava"), tmp_path / "adapter", target_modules="all-linear")
    configure(adapter, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
    check = integrity.tensors_map_both_ways(adapter, bases("llama"))
    assert check.details["cause"] == Cause.PREFIX.value
    assert "rename base_model.model.model.language_model. to base_model.model.model." in check.remedy
    assert "take out the tensors of modules for images" in check.remedy


@pytest.mark.parametrize("with_segment", [True, False])
def test_an_adapter_is_read_with_and_without_the_segment_of_the_language_model(
    bases: Callable[[str], Path], tmp_path: Path, with_segment: bool
) -> None:
    """Saved under the language model's names it fits the image-text model, and the other way round."""
    family, served = ("llava", "llama") if with_segment else ("qwen2_5_vl", "qwen2_5_vl")
    targets = r".*language_model.*\.(q_proj|up_proj)" if with_segment else ["q_proj", "o_proj"]
    saved = save_adapter(bases(family), tmp_path / "adapter", target_modules=targets)
    adapter = Path(shutil.copytree(saved, tmp_path / "read"))
    if not with_segment:
        rewrite(adapter, renamed("model.model.language_model.", "model.model."))
    base = bases(served)
    found = named_as_the_base(ResolvedAdapter("a", adapter), base)
    assert found.as_left == adapter
    assert match_tensors(found.directory, base).holds
    sums, wanted = ([float(t.sum()) for t in load_file(one / WEIGHTS).values()] for one in (found.directory, saved))
    assert sorted(sums) == sorted(wanted)
    assert_loads_as_peft_does(base, found.directory)


def test_an_adapter_that_fits_or_differs_in_more_than_the_prefix_is_left_alone(
    bases: Callable[[str], Path], tmp_path: Path
) -> None:
    fits = ResolvedAdapter("a", save_adapter(bases("llama"), tmp_path / "fits"))
    assert named_as_the_base(fits, bases("llama")) is fits
    whole = ResolvedAdapter("b", save_adapter(bases("llava"), tmp_path / "whole", target_modules="all-linear"))
    assert named_as_the_base(whole, bases("llama")) is whole


def test_experts_that_peft_joins_and_then_places_nowhere_are_told_as_such(
    bases: Callable[[str], Path], tmp_path: Path
) -> None:
    base, adapter = MADE["qwen3_moe of transformers 4"](bases, tmp_path / "adapter")
    configure(adapter, target_modules=r".*(q_proj|experts\.\d+\.(gate|up|down)_proj)")
    assert integrity.tensors_map_both_ways(adapter, base).details["cause"] == Cause.SEPARATE_EXPERTS.value


def test_resized_embeddings_are_told_as_such_and_not_as_ranks(bases: Callable[[str], Path], tmp_path: Path) -> None:
    adapter = save_adapter(bases("llama"), tmp_path / "adapter", modules_to_save=["lm_head"])
    rewrite(adapter, lambda tensors: {n: torch.cat([t, t[:3]]) if "lm_head" in n else t for n, t in tensors.items()})
    check = integrity.tensors_map_both_ways(adapter, bases("llama"))
    assert check.details["cause"] == Cause.EMBEDDINGS.value


@pytest.mark.parametrize(
    ("family", "config"),
    [
        ("qwen3_moe", LoraConfig(r=4, target_modules=["q_proj"], target_parameters=["mlp.gate.weight"])),
        ("llama", LNTuningConfig(target_modules=["input_layernorm"])),
    ],
    ids=["a router gives several tensors", "a norm is trained in a copy"],
)
def test_where_an_adapter_acts_is_told_whatever_its_layers_compute(
    bases: Callable[[str], Path], family: str, config: PeftConfig
) -> None:
    torch.manual_seed(1)
    model = get_peft_model(load_plainly(bases(family)), config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    tokenizer = cast(Any, lambda text: {"input_ids": IDS[0].tolist()})
    loaded = LoadedModel(Held(Weights(model)), tokenizer, torch.device("cpu"), has_adapter=True)
    check = integrity.changes_the_base(loaded, least_kl=1e-4)
    assert check.holds
    assert set(check.details["layers"]) == ({0, 1} if family == "qwen3_moe" else set())


def test_half_of_what_is_joined_now_is_told_with_what_peft_asks_for(
    bases: Callable[[str], Path], tmp_path: Path
) -> None:
    base, adapter = MADE["mixtral of transformers 4"](bases, tmp_path / "adapter")
    configure(adapter, target_modules=["q_proj", "w1", "w2"])
    check = integrity.tensors_map_both_ways(adapter, base)
    assert "without also targeting w3" in check.reason
    assert "PEFT converts such adapters only whole" in check.remedy


@pytest.mark.parametrize(("model_type", "said"), [("t5", "an encoder with a decoder"), ("vit", "no causal language")])
def test_a_base_that_writes_no_text_is_one_clear_error(tmp_path: Path, model_type: str, said: str) -> None:
    AutoConfig.for_model(model_type).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=said) as caught:
        load_base(tmp_path, LoadOptions("float32", "cpu"))
    assert "--model" in caught.value.remedy


def test_an_image_text_model_whose_first_tokens_see_the_last_is_refused(tmp_path: Path) -> None:
    text = {**TEXT, "model_type": "gemma", "head_dim": 8}
    vision = {**VISION, "model_type": "siglip_vision_model", "projection_dim": 32}
    config = AutoConfig.for_model("paligemma", text_config=text, vision_config=vision, image_token_index=20)
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5 if parameter.ndim > 1 else 1)
    model.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="does not continue a text by itself"):
        load_base(tmp_path, LoadOptions("float32", "cpu"))
