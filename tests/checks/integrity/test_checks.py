"""Each integrity check fails on the fault it is for, names it, and passes on a healthy adapter."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import LINEAR_LAYERS, save_tiny_adapter, save_tiny_model

from harness.checks import integrity
from harness.checks.integrity.merging import MergeWarning, merged_in_place
from harness.checks.likeness import clear_flips, mean_kl
from harness.errors import AdapterError
from harness.models.in_memory import Held, Weights
from harness.models.loading import LoadedModel, LoadOptions, attach_adapter, load_base, load_model
from harness.models.probing import probe_log_probs
from harness.models.quantization import dense_copy, round_anew

WEIGHTS = "adapter_model.safetensors"
B = "base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"
Tensors = dict[str, torch.Tensor]


def rewrite(adapter: Path, change: Callable[[Tensors], object]) -> None:
    tensors = load_file(adapter / WEIGHTS)
    change(tensors)
    save_file(tensors, adapter / WEIGHTS)


def scale_b(factor: float) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.update({n: t * factor for n, t in tensors.items() if "lora_B" in n})


def load(base: Path, adapter: Path, dtype: str = "float32") -> LoadedModel:
    return load_model(base, LoadOptions(dtype=dtype, device="cpu"), adapter=adapter)


def test_a_healthy_adapter_passes_every_check(tiny_model_dir: Path, adapter: Path) -> None:
    loaded = load(tiny_model_dir, adapter)
    checks = [
        integrity.adapter_is_safe(adapter),
        integrity.adapter_is_finite(adapter),
        integrity.adapter_is_trained(adapter),
        integrity.tensors_map_both_ways(adapter, tiny_model_dir),
        integrity.changes_the_base(loaded, least_kl=1e-4),
        integrity.merges_cleanly(loaded, most_kl=1e-6),
    ]
    assert [check.name for check in checks if not check.holds] == []
    assert len({check.name for check in checks}) == 6
    assert all(check.reason for check in checks)


def test_all_b_zero_is_an_untrained_adapter(adapter: Path) -> None:
    rewrite(adapter, scale_b(0))
    check = integrity.adapter_is_trained(adapter)
    assert not check.holds
    assert "14 of 28 tensors are all zero" in check.reason


def test_a_single_zero_b_is_named(adapter: Path) -> None:
    rewrite(adapter, lambda tensors: tensors[B].zero_())
    check = integrity.adapter_is_trained(adapter)
    assert not check.holds
    assert f"1 of 28 tensors are all zero, first {B}" in check.reason
    assert check.details["zero_tensors"] == [B]


@pytest.mark.parametrize(
    "name",
    [
        B.replace("lora_B", "lora_A"),
        "base_model.model.lm_head.weight",
        "base_model.model.model.layers.0.mlp.up_proj.lora_magnitude_vector",
        "base_model.model.model.embed_tokens.lora_embedding_A",
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float8_e4m3fn])
def test_any_other_dead_tensor_is_named_and_a_bias_of_zero_is_none(
    adapter: Path, name: str, dtype: torch.dtype
) -> None:
    rewrite(adapter, lambda tensors: tensors.update({"base_model.model.lm_head.bias": torch.zeros(8)}))
    assert integrity.adapter_is_trained(adapter).holds
    rewrite(adapter, lambda tensors: tensors.update({name: torch.zeros(8, 8, dtype=dtype)}))
    check = integrity.adapter_is_trained(adapter)
    assert not check.holds
    assert check.details["zero_tensors"] == [name]


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_nan_and_infinity_are_found_in_any_precision(adapter: Path, value: float, dtype: torch.dtype) -> None:
    def poison(tensors: Tensors) -> None:
        tensors.update({name: tensor.to(dtype) for name, tensor in tensors.items()})
        tensors[B][0, :2] = value

    rewrite(adapter, poison)
    check = integrity.adapter_is_finite(adapter)
    assert not check.holds
    assert f"1 of 28 tensors hold NaN or infinities, first {B} (2 values)" in check.reason


@pytest.mark.parametrize("name", ["adapter_model.bin", "extra.pt", "modeling_evil.py", "nested/optimizer.pkl"])
def test_a_file_that_can_run_code_is_named(adapter: Path, name: str) -> None:
    (adapter / name).parent.mkdir(exist_ok=True)
    (adapter / name).write_bytes(b"\x80\x04.")
    check = integrity.adapter_is_safe(adapter)
    assert not check.holds
    assert name in check.reason


def test_a_pickle_in_place_of_the_weights_fails_one_check_and_cannot_be_measured_by_the_others(adapter: Path) -> None:
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    assert "adapter_model.bin" in integrity.adapter_is_safe(adapter).reason
    for check in (integrity.adapter_is_finite, integrity.adapter_is_trained):
        with pytest.raises(AdapterError, match=WEIGHTS):
            check(adapter)


def test_torn_weights_fail_and_are_no_crash(tiny_model_dir: Path, adapter: Path) -> None:
    (adapter / WEIGHTS).write_bytes((adapter / WEIGHTS).read_bytes()[:-100])
    assert "truncated" in integrity.adapter_is_safe(adapter).reason
    assert not integrity.tensors_map_both_ways(adapter, tiny_model_dir).holds
    for check in (integrity.adapter_is_finite, integrity.adapter_is_trained):
        with pytest.raises(AdapterError, match="truncated"):
            check(adapter)


@pytest.mark.parametrize(
    ("change", "missing", "unexpected"),
    [
        (lambda tensors: tensors.update({B.replace("up_proj", "renamed"): tensors.pop(B)}), 1, 1),
        (lambda tensors: tensors.pop(B), 1, 0),
        (lambda tensors: tensors.update({B.replace("layers.1", "layers.7"): torch.ones(128, 4)}), 0, 1),
    ],
    ids=["renamed", "missing", "extra"],
)
def test_tensors_without_a_module_and_modules_without_a_tensor_are_named(
    tiny_model_dir: Path, adapter: Path, change: Callable[[Tensors], object], missing: int, unexpected: int
) -> None:
    rewrite(adapter, change)
    check = integrity.tensors_map_both_ways(adapter, tiny_model_dir)
    assert not check.holds
    assert (len(check.details["missing"]), len(check.details["unexpected"])) == (missing, unexpected)
    assert "layers." in check.reason
    assert "--model" in check.remedy


def test_an_adapter_of_another_base_is_told_by_its_shapes(tiny_model_dir: Path, tmp_path: Path) -> None:
    stranger = save_tiny_adapter(save_tiny_model(tmp_path / "wide", hidden_size=128), tmp_path / "stranger")
    check = integrity.tensors_map_both_ways(stranger, tiny_model_dir)
    assert not check.holds
    assert "28 of another shape" in check.reason
    assert check.details["misshapen"][B] == [[256, 4], [128, 4]]


def test_an_adapter_too_weak_to_matter_is_caught_where_b_is_not_zero(tiny_model_dir: Path, adapter: Path) -> None:
    rewrite(adapter, scale_b(1e-9))
    assert integrity.adapter_is_trained(adapter).holds
    check = integrity.changes_the_base(load(tiny_model_dir, adapter), least_kl=1e-4)
    assert not check.holds
    assert "leaves the base's predictions as they are" in check.reason


def test_predictions_that_are_nan_are_called_so_by_every_check_that_compares_them(
    tiny_model_dir: Path, adapter: Path
) -> None:
    rewrite(adapter, scale_b(1e6))  # finite as tensors, and too large for what float16 computes
    loaded = load(tiny_model_dir, adapter, "float16")
    for check in (
        integrity.changes_the_base(loaded, least_kl=1e-4),
        integrity.answers_repeat(loaded),
        integrity.switches_cleanly(loaded),
        integrity.padding_changes_nothing(loaded, most_kl=0.02),
    ):
        assert not check.holds
        assert "predictions of the candidate are NaN" in check.reason
        assert "--dtype=bfloat16" in check.remedy


def test_a_merge_that_adds_another_delta_is_caught(
    learner_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft.tuners.lora import Linear

    adapter = save_tiny_adapter(learner_dir, tmp_path / "adapter")
    right = Linear.get_delta_weight
    monkeypatch.setattr(Linear, "get_delta_weight", lambda self, name: -2 * right(self, name))
    check = integrity.merges_cleanly(load(learner_dir, adapter), served_merged=True)
    assert not check.holds
    assert "merged acts differently from unmerged" in check.reason
    assert check.details["kl_nats_per_token"] > 0.02


def test_a_merge_at_twice_the_strength_of_a_mild_adapter_is_caught_by_its_share_of_the_effect(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft.tuners.lora import Linear

    mild = save_tiny_adapter(tiny_model_dir, tmp_path / "mild", scale=0.02)
    loaded = load(tiny_model_dir, mild)
    assert integrity.merges_cleanly(loaded, served_merged=False).details["share_of_effect"] < 1e-3
    right = Linear.get_delta_weight
    monkeypatch.setattr(Linear, "get_delta_weight", lambda self, name: 2 * right(self, name))
    check = integrity.merges_cleanly(loaded, served_merged=True)
    assert not check.holds
    assert check.details["kl_nats_per_token"] < 0.02
    assert check.details["share_of_effect"] > 0.5


class TestWhatAMergeMayLose:
    """Judged by share of the effect and by flipped next tokens, and only of an adapter that is served merged."""

    @staticmethod
    def merged_stronger(
        factor: float, base: Path, directory: Path, monkeypatch: pytest.MonkeyPatch, scale: float
    ) -> LoadedModel:
        """An adapter that merges into more, or less, than it adds unmerged."""
        from peft.tuners.lora import Linear

        loaded = load(base, save_tiny_adapter(base, directory / "adapter", scale=scale))
        right = Linear.get_delta_weight
        monkeypatch.setattr(Linear, "get_delta_weight", lambda self, name: factor * right(self, name))
        return loaded

    def test_a_small_share_of_a_strong_adapter_is_no_fault_however_many_nats_it_is(
        self, learner_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loaded = self.merged_stronger(1.2, learner_dir, tmp_path, monkeypatch, scale=0.1)
        check = integrity.merges_cleanly(loaded, served_merged=True)
        assert check.holds
        assert check.details["kl_nats_per_token"] > 0.02
        assert check.details["share_of_effect"] < 0.25
        assert not integrity.merges_cleanly(loaded, served_merged=True, most_kl=0.02).holds

    def test_next_tokens_that_flip_tell_what_a_share_of_a_large_effect_hides(
        self, learner_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loaded = self.merged_stronger(1.3, learner_dir, tmp_path, monkeypatch, scale=0.3)
        check = integrity.merges_cleanly(loaded, served_merged=True)
        assert not check.holds
        assert check.details["share_of_effect"] < 0.25
        assert "allowed are 5% flipped" in check.reason

    def test_what_is_not_served_merged_is_told_and_where_nothing_is_known_it_warns(
        self, learner_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loaded = self.merged_stronger(-2, learner_dir, tmp_path, monkeypatch, scale=0.1)
        with warnings.catch_warnings():
            warnings.simplefilter("error", MergeWarning)
            unmerged = integrity.merges_cleanly(loaded, served_merged=False)
        with pytest.warns(MergeWarning, match="merged acts differently from unmerged"):
            unknown = integrity.merges_cleanly(loaded)
        assert unmerged.holds and unknown.holds
        for check in (unmerged, unknown):
            assert "merged acts differently from unmerged" in check.reason
            assert "serve it unmerged" in check.reason
        assert "merged: false" in unknown.reason
        assert not integrity.merges_cleanly(loaded, served_merged=True).holds

    def test_a_tie_that_rounding_breaks_is_no_flip(self) -> None:
        unmerged = torch.tensor([[0.50, 0.45, 0.05], [0.70, 0.20, 0.10], [0.60, 0.25, 0.15]]).log()
        merged = torch.tensor([[0.45, 0.50, 0.05], [0.40, 0.50, 0.10], [0.55, 0.30, 0.15]]).log()
        assert clear_flips(unmerged, merged) == pytest.approx(1 / 3)
        assert clear_flips(unmerged, unmerged) == 0


def test_a_merge_that_overflows_the_precision_in_use_names_the_weight(tiny_model_dir: Path, adapter: Path) -> None:
    rewrite(adapter, lambda tensors: tensors[B].mul_(1e6))
    check = integrity.merges_cleanly(load(tiny_model_dir, adapter, "float16"), served_merged=True)
    assert not check.holds
    assert "hold NaN or infinities, first base_model.model.model.layers.1.mlp.up_proj.base_layer.weight" in check.reason
    assert "bfloat16" in check.remedy


def test_the_effect_is_told_layer_by_layer(tiny_model_dir: Path, adapter: Path) -> None:
    rewrite(
        adapter,
        lambda tensors: tensors.update({n: t * 0 for n, t in tensors.items() if "lora_B" in n and "layers.0" in n}),
    )
    check = integrity.changes_the_base(load(tiny_model_dir, adapter), least_kl=1e-4)
    assert check.holds
    assert "most in layer 1" in check.reason
    assert check.details["layers"][0] == 0
    assert check.details["layers"][1] > 0.1


def base_weights(loaded: LoadedModel) -> Tensors:
    return {name: p.detach().clone() for name, p in loaded.in_memory().model.named_parameters() if "lora_" not in name}


def save_adapter(base: Path, directory: Path, **config: object) -> Path:
    """A mild adapter of another kind than the tiny one."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=4, lora_alpha=8, target_modules=LINEAR_LAYERS, task_type="CAUSAL_LM", **config),  # type: ignore[arg-type]
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.02)
    model.save_pretrained(directory)
    return directory


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_base_is_bit_identical_after_a_merge_even_one_that_failed(
    tiny_model_dir: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, fails: bool
) -> None:
    loaded = load(tiny_model_dir, adapter, dtype)
    before = base_weights(loaded)
    if fails:
        from peft.tuners.lora import Linear

        right, calls = Linear.get_delta_weight, iter(range(100))

        def failing(self: Linear, name: str) -> torch.Tensor:
            if next(calls) == 5:
                raise ValueError("planted")
            return right(self, name)

        monkeypatch.setattr(Linear, "get_delta_weight", failing)
        assert "planted" in integrity.merges_cleanly(loaded, served_merged=False).reason
    else:
        integrity.merges_cleanly(loaded, served_merged=False)
    after = base_weights(loaded)
    assert before.keys() == after.keys()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert not any(getattr(module, "merged", False) for module in loaded.in_memory().model.modules())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("quantization", "dora"), [("nf4", False), ("nf4", True), ("int8", False)])
def test_a_merge_quantised_anew_is_what_peft_makes_of_packed_weights(
    tiny_model_dir: Path, tmp_path: Path, dtype: str, quantization: str, dora: bool
) -> None:
    mild = save_adapter(tiny_model_dir, tmp_path / "mild", use_dora=dora)
    options = LoadOptions(dtype, "cpu", quantization)
    loaded = load_model(tiny_model_dir, options, adapter=mild)
    with merged_in_place(loaded) as layers:
        round_anew(layers)
        ours = {
            name: layer.weight.detach().clone()
            for name, layer in loaded.in_memory().model.named_modules()
            if name.endswith("base_layer")
        }
    packed = attach_adapter(load_base(tiny_model_dir, options, trainable=True), mild, tiny_model_dir)
    packed.merge_adapter()
    assert len(layers) == len(ours) == 14
    for name, weight in ours.items():
        theirs = dense_copy(packed.get_submodule(name), weight.dtype).weight
        # PEFT quantises the sum in float32; where it was rounded to bfloat16 first, a few fall to the next step
        same = torch.isclose(theirs, weight, rtol=0.0 if dtype == "float32" else 0.02)
        assert float(same.float().mean()) > (0.999 if dtype == "float32" else 0.95), name


@pytest.mark.parametrize(("quantization", "within"), [("nf4", {"rel": 0.02}), ("int8", {"abs": 0.005})])
def test_a_packed_base_is_merged_as_the_dense_one_that_stands_for_it_and_is_put_back(
    tiny_model_dir: Path, tmp_path: Path, quantization: str, within: dict[str, float]
) -> None:
    mild = save_tiny_adapter(tiny_model_dir, tmp_path / "mild", scale=0.01)
    options = LoadOptions("float32", "cpu", quantization)
    dense = load_model(tiny_model_dir, options, adapter=mild)
    base = load_base(tiny_model_dir, options, trainable=True)
    model = attach_adapter(base, mild, tiny_model_dir).eval()
    packed = LoadedModel(Held(Weights(model)), dense.tokenizer, dense.device, has_adapter=True)
    before = probe_log_probs(model, packed.tokenizer)
    checks = [integrity.merges_cleanly(loaded, served_merged=False) for loaded in (dense, packed)]
    assert all(check.holds for check in checks)
    ours, theirs = (check.details["quantised_anew"]["share_of_effect"] for check in checks)
    assert ours == pytest.approx(theirs, **within)
    assert mean_kl(before, probe_log_probs(model, packed.tokenizer)) == 0


def test_a_4bit_merge_that_loses_a_mild_adapter_is_told_and_fails_where_a_merged_model_is_served(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    mild = save_tiny_adapter(tiny_model_dir, tmp_path / "mild", scale=0.007)
    loaded = load_model(tiny_model_dir, LoadOptions("bfloat16", "cpu", "nf4"), adapter=mild)
    unmerged = integrity.merges_cleanly(loaded, served_merged=False, most_share=0.25)
    assert unmerged.holds
    assert "quantised anew to 4 bits, it would differ by" in unmerged.reason
    served = integrity.merges_cleanly(loaded, most_share=0.25, served_merged=True)
    assert not served.holds
    assert served.details["share_of_effect"] == unmerged.details["quantised_anew"]["share_of_effect"] > 0.25
    assert served.details["left_dense"]["share_of_effect"] < 0.01
    assert "serve it unmerged" in served.remedy


def test_a_strong_adapter_may_be_served_merged_in_4_bits(tiny_model_dir: Path, adapter: Path) -> None:
    loaded = load_model(tiny_model_dir, LoadOptions("bfloat16", "cpu", "nf4"), adapter=adapter)
    assert integrity.merges_cleanly(loaded, most_share=0.25, served_merged=True).holds


def test_what_peft_refuses_to_merge_holds_only_where_it_is_served_unmerged(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    biased = save_adapter(tiny_model_dir, tmp_path / "biased", lora_bias=True)
    loaded = load(tiny_model_dir, biased)
    before = base_weights(loaded)
    check = integrity.merges_cleanly(loaded, served_merged=False)
    assert check.holds
    assert "PEFT cannot merge it (Impossible to merge LoRA with `lora_bias=True`" in check.reason
    served = integrity.merges_cleanly(loaded, served_merged=True)
    assert not served.holds
    assert "serve it unmerged" in served.remedy
    after = base_weights(loaded)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_dora_on_a_quantised_base_merges_into_it(tiny_model_dir: Path, tmp_path: Path, quantization: str) -> None:
    dora = save_adapter(tiny_model_dir, tmp_path / "dora", use_dora=True)
    loaded = load_model(tiny_model_dir, LoadOptions("bfloat16", "cpu", quantization), adapter=dora)
    before = probe_log_probs(loaded.in_memory().model, loaded.tokenizer)
    assert integrity.merges_cleanly(loaded, served_merged=False).holds
    assert mean_kl(before, probe_log_probs(loaded.in_memory().model, loaded.tokenizer)) == 0


def test_a_merge_in_bfloat16_rounds_but_within_the_default_margin(tiny_model_dir: Path, tmp_path: Path) -> None:
    mild = save_tiny_adapter(tiny_model_dir, tmp_path / "mild", scale=0.02)
    check = integrity.merges_cleanly(load(tiny_model_dir, mild, "bfloat16"), served_merged=False)
    assert check.holds
    assert check.details["kl_nats_per_token"] > 0
