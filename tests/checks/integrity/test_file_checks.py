"""Each check that reads files fails on the fault it is for, names it, and passes on a healthy adapter."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import save_tiny_adapter, save_tiny_model

from harness.checks import integrity
from harness.errors import AdapterError
from harness.models.identity import base_digest
from harness.models.loading import LoadOptions, load_model, load_tokenizer
from harness.training.cache import seal

WEIGHTS = "adapter_model.safetensors"
B = "base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"
Tensors = dict[str, torch.Tensor]


def rewrite(adapter: Path, change: Callable[[Tensors], object]) -> None:
    tensors = load_file(adapter / WEIGHTS)
    change(tensors)
    save_file(tensors, adapter / WEIGHTS)


def configure(adapter: Path, **changes: Any) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def trained_checkpoint(base: Path, directory: Path) -> Path:
    """What transformers' Trainer saves of a LoRA adapter after a step."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")
    )
    arguments = TrainingArguments(
        str(directory / "out"), max_steps=1, save_steps=1, report_to="none", use_cpu=True, disable_tqdm=True
    )
    rows = [{"input_ids": [5, 6, 7], "labels": [5, 6, 7]}] * 8
    Trainer(model, arguments, train_dataset=rows, processing_class=load_tokenizer(base)).train()
    return directory / "out" / "checkpoint-1"


def save_adalora(base: Path, directory: Path, *, kept: dict[str, list[bool]] | None) -> Path:
    """An AdaLoRA adapter; `kept` tells which ranks it kept, matrix by matrix."""
    from peft import AdaLoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = AdaLoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], total_step=100, init_r=6, target_r=2)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    model.peft_config["default"].rank_pattern = kept
    model.save_pretrained(directory)
    return directory


class TestFormat:
    @pytest.mark.parametrize("name", ["notes.txt", "sub/state"])
    def test_a_pickle_by_any_other_name_is_refused(self, adapter: Path, name: str) -> None:
        (adapter / name).parent.mkdir(exist_ok=True)
        (adapter / name).write_bytes(pickle.dumps({"a": 1}))
        check = integrity.adapter_is_safe(adapter)
        assert not check.holds
        assert name in check.reason

    @pytest.mark.parametrize("name", ["SETUP.PY", "weights.BIN"])
    def test_a_suffix_counts_in_any_case(self, adapter: Path, name: str) -> None:
        (adapter / name).write_text("x = 1\n")
        assert integrity.adapter_is_safe(adapter).details["files"] == [name]

    def test_a_configuration_nested_too_deeply_is_named(self, adapter: Path) -> None:
        (adapter / "tokenizer_config.json").write_text("[" * 200_000)
        check = integrity.adapter_is_safe(adapter)
        assert not check.holds
        assert "tokenizer_config.json cannot be read" in check.reason

    def test_what_torch_saves_is_refused_by_its_content(self, adapter: Path) -> None:
        torch.save({"a": torch.ones(1)}, adapter / "state.dat")
        assert integrity.adapter_is_safe(adapter).details["files"] == ["state.dat"]

    @pytest.mark.parametrize("name", ["adapter_config.json", "tokenizer_config.json"])
    def test_an_auto_map_is_refused_unless_its_file_is_allowed(self, adapter: Path, name: str) -> None:
        file = adapter / name
        content = json.loads(file.read_text()) if file.is_file() else {}
        file.write_text(json.dumps({**content, "auto_map": {"AutoTokenizer": ["somewhere--code.Tokenizer", None]}}))
        check = integrity.adapter_is_safe(adapter)
        assert not check.holds
        assert f"{name} has an auto_map" in check.reason
        assert "allow_files" in check.remedy
        assert integrity.adapter_is_safe(adapter, allowed=[name]).holds

    def test_a_file_allowed_by_name_or_path_is_no_fault_and_its_neighbour_is(self, adapter: Path) -> None:
        (adapter / "checkpoint-7").mkdir()
        for name in ("zero.pt", "checkpoint-7/zero.pt", "convert.py"):
            (adapter / name).write_bytes(b"")
        assert integrity.adapter_is_safe(adapter, allowed=["convert.py", "zero.pt"]).holds
        some = integrity.adapter_is_safe(adapter, allowed=["convert.py", "checkpoint-7/zero.pt"])
        assert some.details["files"] == ["zero.pt"]

    def test_what_trainers_leave_beside_an_adapter_is_no_fault(self, adapter: Path) -> None:
        for name in ("README.md", "trainer_state.json", "special_tokens_map.json", "merges.txt", "axolotl_config.yml"):
            (adapter / name).write_text("{}")
        (adapter / "training_args.bin").write_bytes(pickle.dumps({}))
        (adapter / "checkpoint-5").mkdir()
        for name in ("scaler.pt", "optimizer.bin", "rng_state_3.pth", "checkpoint-5/optimizer.pt"):
            torch.save({}, adapter / name)
        assert integrity.adapter_is_safe(adapter).holds

    def test_a_trainers_checkpoint_holds_and_loads_as_it_is(self, tiny_model_dir: Path, tmp_path: Path) -> None:
        checkpoint = trained_checkpoint(tiny_model_dir, tmp_path)
        there = {path.name for path in checkpoint.iterdir()}
        assert {"optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"} <= there
        check = integrity.adapter_is_safe(checkpoint)
        assert check.holds, check.reason
        assert load_model(tiny_model_dir, LoadOptions("float32", "cpu"), adapter=checkpoint).has_adapter

    @pytest.mark.parametrize(
        "names",
        [
            [
                "global_step500/mp_rank_00_model_states.pt",
                "global_step500/bf16_zero_pp_rank_3_mp_rank_00_optim_states.pt",
                "global_step500_universal/zero/layers.0.weight/fp32.pt",
                "zero_to_fp32.py",
                "latest",
            ],
            [
                "epoch_2/zero_pp_rank_0_mp_rank_00_model_states.pt",
                "epoch_2/mp_rank_00_model_states.pt",
                "zero_to_fp32.py",
            ],
            [
                "checkpoint-9/optimizer_0/__0_0.distcp",
                "checkpoint-9/optimizer_0/.metadata",
                "checkpoint-9/scheduler.pt",
            ],
            [
                "pytorch_model_fsdp_0/__1_0.distcp",
                "pytorch_model_fsdp_0/.metadata",
                "random_states_1.pkl",
                "custom_checkpoint_0.pkl",
                "dl_state_dict_1.bin",
                "sampler.bin",
            ],
            ["weights/__0_0.distcp", "weights/.metadata", "__0_0.distcp", ".metadata"],
            ["pytorch_model_fsdp.bin", "optimizer_1.bin", "scheduler_1.bin"],
            ["iter_0000100/mp_rank_00/model_optim_rng.pt", "iter_0000100/__0_0.distcp", "iter_0000100/.metadata"],
        ],
        ids=["deepspeed", "deepspeed, tagged", "fsdp, nested", "fsdp", "torch", "fsdp, gathered", "megatron"],
    )
    def test_the_state_of_training_on_many_devices_is_no_fault(self, adapter: Path, names: list[str]) -> None:
        for name in names:
            (adapter / name).parent.mkdir(parents=True, exist_ok=True)
            (adapter / name).write_bytes(b"global_step500" if name == "latest" else pickle.dumps({"a": print}))
        check = integrity.adapter_is_safe(adapter)
        assert check.holds, check.reason

    @pytest.mark.parametrize(
        "name",
        [
            "adapter_model.bin",
            "global_step500/adapter_model.bin",
            "global_step500/adapter_model.pt",
            "global_step500/modeling.py",
            "pytorch_model_fsdp_0/adapter_model.bin",
            "pytorch_model_fsdp_0/hook.py",
            "pytorch_model.bin",
            "zero_to_fp32.pyc",
            "sub/.metadata",
            ".metadata",
            "latest",
            "global_step500.pt",
            "mp_rank_00_model_states.pt.py",
        ],
    )
    def test_code_and_what_is_loaded_do_not_hide_behind_the_state_of_training(self, adapter: Path, name: str) -> None:
        (adapter / name).parent.mkdir(exist_ok=True)
        (adapter / name).write_bytes(pickle.dumps({"a": print}))
        assert integrity.adapter_is_safe(adapter).details["files"] == [name]

    def test_a_link_out_of_the_adapter_does_not_hide_behind_the_state_of_training(
        self, adapter: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        (adapter / "global_step1").symlink_to(tmp_path / "elsewhere")
        assert integrity.adapter_is_safe(adapter).details["files"] == ["global_step1"]
        assert not integrity.adapter_is_safe(adapter, allowed=["global_step*"]).holds

    def test_files_are_allowed_by_patterns_but_for_those_that_are_loaded(self, adapter: Path) -> None:
        for name in ("state/part-1.pt", "state/part-2.pt", "adapter_model.bin"):
            (adapter / name).parent.mkdir(exist_ok=True)
            (adapter / name).write_bytes(b"")
        check = integrity.adapter_is_safe(adapter, allowed=["state/*", "*.bin", "*"])
        assert check.details["files"] == ["adapter_model.bin"]
        assert integrity.adapter_is_safe(adapter, allowed=["part-?.pt", "adapter_model.bin"]).holds

    @pytest.mark.parametrize("empty", [{}, {"base_model.model.lm_head.lora_B.weight": torch.zeros(0)}])
    def test_what_zero3_saves_before_it_gathers_is_told_by_every_check(
        self, adapter: Path, tiny_model_dir: Path, empty: dict[str, torch.Tensor]
    ) -> None:
        save_file(empty, adapter / WEIGHTS)
        for check in (integrity.adapter_is_safe(adapter), integrity.tensors_map_both_ways(adapter, tiny_model_dir)):
            assert not check.holds
            assert "DeepSpeed ZeRO-3" in check.reason
            assert "stage3_gather_16bit_weights_on_model_save" in check.remedy
        for check_values in (integrity.adapter_is_trained, integrity.adapter_is_finite, integrity.norms_are_even):
            with pytest.raises(AdapterError, match="ZeRO-3"):
                check_values(adapter)

    def test_a_pointer_of_git_lfs_is_called_one(self, adapter: Path) -> None:
        (adapter / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 30704\n")
        check = integrity.adapter_is_safe(adapter)
        assert "is a Git LFS pointer, not the weights" in check.reason
        assert check.remedy.endswith("lfs pull")

    @pytest.mark.parametrize("name", ["my_optimizer.pt", "optimizer.pth", "rng_state.pt", "training_args.bin.pkl"])
    def test_a_name_like_a_trainers_is_no_pass(self, adapter: Path, name: str) -> None:
        (adapter / name).write_bytes(b"")
        assert integrity.adapter_is_safe(adapter).details["files"] == [name]

    def test_a_pickle_that_is_called_safetensors_is_named(self, adapter: Path) -> None:
        (adapter / "other.safetensors").write_bytes(pickle.dumps({"a": 1}))
        check = integrity.adapter_is_safe(adapter)
        assert not check.holds
        assert "other.safetensors" in check.reason
        assert integrity.adapter_is_safe(adapter, allowed=["other.safetensors"]).holds

    def test_a_link_to_a_directory_elsewhere_is_named_and_one_within_is_no_fault(
        self, adapter: Path, tmp_path: Path
    ) -> None:
        (adapter / "runs").mkdir()
        (adapter / "latest").symlink_to(adapter / "runs")
        (adapter / "loop").symlink_to(adapter)
        assert integrity.adapter_is_safe(adapter).holds
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "code.py").write_text("x = 1\n")
        (adapter / "linked").symlink_to(tmp_path / "elsewhere")
        assert integrity.adapter_is_safe(adapter).details["files"] == ["linked"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"use_qlora_magic": True}, "use_qlora_magic to True"),
        ({"lora_aplha": 64}, "lora_aplha to 64"),
        ({"shared_with": ["q_proj"], "peft_version": "99.0.0"}, r"shared_with to \['q_proj'\]"),
        ({"use_new": True, "peft_version": "99.0.0.dev0@1a2b"}, "use_new to True"),
    ],
)
def test_a_key_that_peft_passes_over_is_named_with_its_remedy(adapter: Path, said: dict[str, Any], told: str) -> None:
    configure(adapter, **said)
    check = integrity.config_agrees_with_tensors(adapter)
    assert not check.holds and re.search(told, check.reason) and "no such key" in check.reason
    assert "PEFT that it was trained with" in check.remedy and "--model" not in check.remedy


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"use_new": False, "new_pattern": {}, "new_path": None}, ""),
        (
            {"new_group_size": 16, "new_mode": "exact", "use_new": False, "peft_version": "99.0.0"},
            "new_group_size, new_mode",
        ),
        ({"lora_dtype": "bfloat16", "lorap_lr_ratio": 16.0, "lorap_emb_lr": 1e-6}, ""),
    ],
)
def test_keys_that_do_nothing_are_let_be(adapter: Path, said: dict[str, Any], told: str) -> None:
    configure(adapter, **said)
    check = integrity.config_agrees_with_tensors(adapter)
    assert check.holds and told in check.reason
    assert ("newer PEFT" in check.reason) == bool(told)


def test_a_key_that_has_two_values_is_an_error_that_names_both(adapter: Path) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(path.read_text().replace("{", '{"lora_alpha": 999, ', 1))
    with pytest.raises(AdapterError, match="gives lora_alpha twice: 999 and"):
        integrity.config_agrees_with_tensors(adapter)


def test_half_precision_values_at_the_end_of_their_range_are_named(adapter: Path) -> None:
    def clip(tensors: Tensors) -> None:
        tensors.update({name: tensor.to(torch.float16) for name, tensor in tensors.items()})
        tensors[B][0, :3] = 65504

    rewrite(adapter, clip)
    check = integrity.adapter_is_finite(adapter)
    assert not check.holds
    assert f"1 of 28 tensors reach the largest float16, first {B} (3 values)" in check.reason


class TestConfig:
    def test_a_healthy_adapter_tells_its_strength(self, adapter: Path) -> None:
        check = integrity.config_agrees_with_tensors(adapter)
        assert check.holds
        assert check.details["scales"] == [2.0]
        assert check.details["unusual_scales"] == []

    def test_a_missing_alpha_is_told_and_not_guessed(self, adapter: Path) -> None:
        config = json.loads((adapter / "adapter_config.json").read_text())
        del config["lora_alpha"]
        (adapter / "adapter_config.json").write_text(json.dumps(config))
        check = integrity.config_agrees_with_tensors(adapter)
        assert not check.holds
        assert "lora_alpha is missing: PEFT guesses 8" in check.reason
        assert "write the lora_alpha" in check.remedy

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"r": 8}, "r is 8 for model.layers.0.mlp.down_proj"),
            ({"rank_pattern": {"q_proj": 2}}, "r is 2 for model.layers.0.self_attn.q_proj"),
            ({"rank_pattern": {"query": 4}}, "rank_pattern names 'query', which no adapted module follows"),
            ({"alpha_pattern": {"layers.9.*": 4}}, "alpha_pattern names 'layers.9.*'"),
            ({"lora_alpha": 0}, "lora_alpha is 0, which no strength is"),
            ({"lora_alpha": float("nan")}, "lora_alpha is nan"),
            ({"alpha_pattern": {"q_proj": "8"}}, "alpha_pattern['q_proj'] is '8'"),
            ({"alpha_pattern": {"q_proj": None}}, "alpha_pattern['q_proj'] is None"),
            ({"alpha_pattern": {"(q_proj": 8}}, "alpha_pattern names '(q_proj', which no adapted module follows"),
            ({"alpha_pattern": ["q_proj"]}, "alpha_pattern is ['q_proj'], not values by patterns"),
            ({"rank_pattern": ["q_proj"]}, "rank_pattern is ['q_proj'], not values by patterns"),
            ({"modules_to_save": ["lm_head"]}, "modules_to_save names 'lm_head', and no tensor is of it"),
            ({"modules_to_save": "lm_head"}, "modules_to_save is 'lm_head', not a list of names"),
        ],
    )
    def test_what_the_tensors_contradict_is_named(self, adapter: Path, changes: dict[str, Any], said: str) -> None:
        configure(adapter, **changes)
        check = integrity.config_agrees_with_tensors(adapter)
        assert not check.holds
        assert said in check.reason
        assert "adapter_config.json" in check.remedy

    def test_b_of_another_rank_than_a_is_named(self, adapter: Path) -> None:
        rewrite(adapter, lambda tensors: tensors.update({B: torch.ones(128, 3)}))
        assert "has rank 4" in integrity.config_agrees_with_tensors(adapter).reason
        assert f"{B} has rank 3" in integrity.config_agrees_with_tensors(adapter).reason

    def test_an_unusual_strength_is_told_and_no_failure(self, adapter: Path) -> None:
        configure(adapter, lora_alpha=256, alpha_pattern={"q_proj": 8})
        check = integrity.config_agrees_with_tensors(adapter)
        assert check.holds
        assert check.details["scales"] == [2.0, 64.0]
        assert "64 is out of the usual range" in check.reason

    def test_adaloras_ranks_are_its_own(self, tiny_model_dir: Path, tmp_path: Path) -> None:
        adapter = save_adalora(tiny_model_dir, tmp_path / "started", kept=None)
        assert integrity.config_agrees_with_tensors(adapter).details["ranks"] == [6]
        assert integrity.config_agrees_with_tensors(adapter).holds
        kept = {"model.layers.0.self_attn.q_proj.lora_E": [True, False, True, False, False, False]}
        pruned = save_adalora(tiny_model_dir, tmp_path / "pruned", kept=kept)
        check = integrity.config_agrees_with_tensors(pruned)
        assert check.holds, check.reason
        assert check.details["ranks"] == [2, 6]
        assert check.details["scales"] == [8 / 6]
        assert load_model(tiny_model_dir, LoadOptions("float32", "cpu"), adapter=pruned).has_adapter
        configure(pruned, rank_pattern=None)
        assert "r is 6 for model.layers.0" in integrity.config_agrees_with_tensors(pruned).reason

    def test_rank_stabilised_strength_divides_by_the_root(self, adapter: Path) -> None:
        configure(adapter, use_rslora=True)
        assert integrity.config_agrees_with_tensors(adapter).details["scales"] == [4.0]


class TestNorms:
    @pytest.mark.parametrize(("factor", "said"), [(1e-6, "never trained"), (1e4, "ran away"), (0.0, "never trained")])
    def test_a_module_unlike_its_kind_is_named(self, adapter: Path, factor: float, said: str) -> None:
        rewrite(adapter, lambda tensors: tensors[B].mul_(factor))
        check = integrity.norms_are_even(adapter)
        assert not check.holds
        assert f"1 of 14 modules stand out from their kind, most {B}" in check.reason
        assert said in check.remedy

    def test_layers_of_a_kind_are_held_against_each_other_alone(self, tmp_path: Path, adapter: Path) -> None:
        tensors = load_file(adapter / WEIGHTS)
        many = {}
        for layer in range(8):
            for name, tensor in tensors.items():
                strength = 30.0 if "down_proj.lora_B" in name else 1.0  # a kind that is stronger as a whole
                many[name.replace("layers.1", f"layers.{layer}")] = tensor * strength
        save_file({n: t.clone() for n, t in many.items()}, adapter / WEIGHTS)
        assert integrity.norms_are_even(adapter).holds
        weak = "base_model.model.model.layers.5.mlp.down_proj.lora_B.weight"
        rewrite(adapter, lambda tensors: tensors[weak].div_(30))
        assert weak in integrity.norms_are_even(adapter).reason

    @staticmethod
    def deepen(adapter: Path) -> None:
        """Four layers of each half."""
        tensors = load_file(adapter / WEIGHTS)
        many = {n.replace(".layers.", f".layers.{i}"): t.clone() for i in range(1, 5) for n, t in tensors.items()}
        save_file(many, adapter / WEIGHTS)

    @pytest.mark.parametrize(
        ("dead", "said"), [("layers.*0.mlp", "differ too much between layers"), ("up_proj", "the changes of up_proj")]
    )
    @pytest.mark.parametrize("factor", [1e-6, 1e6])
    def test_half_the_layers_or_a_whole_kind_apart_is_told(
        self, adapter: Path, dead: str, said: str, factor: float
    ) -> None:
        self.deepen(adapter)
        assert integrity.norms_are_even(adapter).holds
        rewrite(
            adapter, lambda tensors: [t.mul_(factor) for n, t in tensors.items() if re.search(f"{dead}.*lora_B", n)]
        )
        check = integrity.norms_are_even(adapter)
        assert not check.holds
        assert said in check.reason or f"nothing beside {dead}'s" in check.reason
        assert "compare with the last checkpoint" in check.remedy

    @pytest.mark.parametrize("bit", [2.0**14, 2.0**64])
    def test_a_flipped_bit_is_damage_and_no_learning_rate(self, adapter: Path, bit: float) -> None:
        rewrite(adapter, lambda tensors: tensors[B].view(-1)[7:8].mul_(bit))
        check = integrity.norms_are_even(adapter)
        assert not check.holds and B in check.reason
        assert "damaged" in check.remedy and "learning rate" not in check.remedy

    def test_a_layer_beyond_what_training_could_do_is_damage(self, adapter: Path) -> None:
        rewrite(adapter, lambda tensors: tensors[B].mul_(1e9))
        assert "damaged" in integrity.norms_are_even(adapter).remedy

    def test_layers_and_kinds_that_are_strong_by_design_are_no_fault(self, adapter: Path) -> None:
        self.deepen(adapter)
        rewrite(adapter, lambda tensors: [t.mul_(50) for n, t in tensors.items() if "down_proj.lora_B" in n])
        rewrite(adapter, lambda tensors: [t.mul_(9) for n, t in tensors.items() if re.search(r"layers.*1.*lora_B", n)])
        assert integrity.norms_are_even(adapter).holds

    def test_a_healthy_adapter_tells_where_in_depth_it_sits(self, adapter: Path) -> None:
        shares = integrity.norms_are_even(adapter).details["layer_shares"]
        assert shares.keys() == {"0", "1"}
        assert sum(shares.values()) == pytest.approx(1)


class TestRecord:
    @pytest.fixture
    def recorded(self, adapter: Path, tiny_model_dir: Path) -> Path:
        """An adapter as our own training leaves it."""
        config = json.loads((adapter / "adapter_config.json").read_text())
        peft = {"r": 4, "lora_alpha": 8, "target_modules": config["target_modules"]}
        seal(adapter, {"name": "mine"}, {"recipe": {"peft": peft}, "base": base_digest(tiny_model_dir)})
        return adapter

    def test_as_trained_it_holds(self, recorded: Path, tiny_model_dir: Path) -> None:
        assert integrity.strength_as_trained(recorded).reason == "adapter_config.json is as trained"
        assert integrity.base_as_trained(recorded, tiny_model_dir, base_name="tiny").holds

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"lora_alpha": 64}, "lora_alpha is 64 in adapter_config.json, but it was trained with 8"),
            ({"use_rslora": True}, "use_rslora is True in adapter_config.json, but it was trained with False"),
            ({"alpha_pattern": {"q_proj": 64}}, "alpha_pattern is {'q_proj': 64}"),
            ({"target_modules": ["q_proj"]}, "target_modules is ['q_proj']"),
        ],
    )
    def test_a_changed_configuration_names_the_key(self, recorded: Path, changes: dict[str, Any], said: str) -> None:
        configure(recorded, **changes)
        check = integrity.strength_as_trained(recorded)
        assert not check.holds
        assert said in check.reason

    def test_another_base_of_the_same_shapes_is_told_by_the_recorded_digest(
        self, recorded: Path, tiny_model_dir: Path, tmp_path: Path
    ) -> None:
        twin = save_tiny_model(tmp_path / "twin", seed=5)
        assert integrity.tensors_map_both_ways(recorded, twin).holds
        check = integrity.base_as_trained(recorded, twin, base_name="twin")
        assert not check.holds
        assert "trained on another base than 'twin'" in check.reason
        assert check.details["recorded_digest"] == base_digest(tiny_model_dir) != check.details["digest"]

    def test_rules_of_decoding_that_came_to_the_base_since_are_named(self, adapter: Path, tmp_path: Path) -> None:
        base = save_tiny_model(tmp_path / "base")
        seal(adapter, {"name": "mine"}, {"base": base_digest(base), "decoding": {}})
        assert integrity.base_as_trained(adapter, base, base_name="tiny").holds
        path = base / "generation_config.json"
        said = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps({**said, "temperature": 0.7}))
        assert integrity.base_as_trained(adapter, base, base_name="tiny").holds
        path.write_text(json.dumps({**said, "repetition_penalty": 1.3}))
        check = integrity.base_as_trained(adapter, base, base_name="tiny")
        assert (
            not check.holds and "sets repetition_penalty to 1.3, and to 'nothing' when it was trained" in check.reason
        )
        assert "generation_config.json" in check.remedy and "--model" not in check.remedy

    def test_an_adapter_without_a_record_says_so_and_holds(self, adapter: Path, tiny_model_dir: Path) -> None:
        assert "no training record" in integrity.strength_as_trained(adapter).reason
        check = integrity.base_as_trained(adapter, tiny_model_dir, base_name="tiny")
        assert check.holds
        assert "no digest of its base was recorded" in check.reason
        assert "another copy under the same name cannot be told apart" in check.reason

    @pytest.mark.parametrize(
        ("named", "warned"),
        [
            ("meta-llama/Llama-3.1-8B", True),
            ("owner/tiny", False),
            ("/data/models/Tiny/", False),
            ("C:\\models\\tiny", False),
            (None, False),
        ],
    )
    def test_without_a_record_another_name_is_warned_of_and_fails_nothing(
        self, adapter: Path, tiny_model_dir: Path, named: str | None, warned: bool
    ) -> None:
        configure(adapter, base_model_name_or_path=named)
        check = integrity.base_as_trained(adapter, tiny_model_dir, base_name="someone/tiny")
        assert check.holds
        assert check.details["names_differ"] is warned
        assert ("warning, another name" in check.reason) is warned

    @pytest.mark.parametrize(
        ("named", "base_name", "bits"),
        [
            ("unsloth/tiny-bnb-4bit", "tiny", 4),
            ("unsloth/tiny-unsloth-bnb-4bit", "someone/tiny", 4),
            ("mlx-community/Tiny-8bit", "tiny", 8),
            ("TheBloke/tiny-AWQ", "tiny", 4),
            ("owner/tiny-GPTQ-Int4", "tiny", 4),
            ("owner/tiny-GPTQ-Int8", "tiny", 8),
            ("/cache/models--unsloth--tiny-bnb-4bit/snapshots/0a1b2c", "tiny", 4),
            ("/cache/models--owner--tiny/snapshots/0a1b2c", "someone/tiny", None),
            ("owner/tiny", "/cache/hub/models--owner--tiny/snapshots/0a1b2c/", None),
            ("tiny", "C:\\cache\\models--tiny\\snapshots\\0a1b2c", None),
        ],
    )
    def test_a_name_tells_its_model_and_its_bits_and_no_more(
        self, adapter: Path, tiny_model_dir: Path, named: str, base_name: str, bits: int | None
    ) -> None:
        configure(adapter, base_model_name_or_path=named)
        check = integrity.base_as_trained(adapter, tiny_model_dir, base_name=base_name)
        assert check.holds
        assert check.details["names_differ"] is False
        assert check.details["trained_on_bits"] == bits
        assert (f"it was trained on a {bits}-bit base and is measured on a dense one" in check.reason) is bool(bits)
        assert ({4: "--quantization=nf4", 8: "--quantization=int8", None: "this is"}[bits]) in check.reason

    def test_measured_in_as_many_bits_no_word_is_said(
        self, adapter: Path, tiny_model_dir: Path, tmp_path: Path
    ) -> None:
        configure(adapter, base_model_name_or_path="unsloth/tiny-bnb-4bit")
        check = integrity.base_as_trained(adapter, tiny_model_dir, base_name="tiny", quantization="nf4")
        assert "warning" not in check.reason
        check = integrity.base_as_trained(adapter, tiny_model_dir, base_name="tiny", served="none")
        assert "warning" not in check.reason
        (tmp_path / "packed").mkdir()
        (tmp_path / "packed" / "config.json").write_text('{"quantization_config": {"quant_method": "bitsandbytes"}}')
        check = integrity.base_as_trained(adapter, tmp_path / "packed", base_name="tiny")
        assert "warning" not in check.reason

    @pytest.mark.parametrize(
        "named", ["owner/tiny-14B", "owner/tiny-v0.4", "owner/Phi-4", "owner/tiny-bit", "owner/gpt-8b"]
    )
    def test_a_name_that_only_looks_quantised_is_another_name(
        self, adapter: Path, tiny_model_dir: Path, named: str
    ) -> None:
        configure(adapter, base_model_name_or_path=named)
        check = integrity.base_as_trained(adapter, tiny_model_dir, base_name="tiny")
        assert check.details["trained_on_bits"] is None
        assert check.details["names_differ"]


class TestMapping:
    @pytest.mark.parametrize(
        "rename",
        [
            lambda name: name.removeprefix("base_model.model."),
            lambda name: f"base_model.model.{name}",
            lambda name: name.replace(".weight", ".default.weight"),
            lambda name: name.removeprefix("base_model.model.").replace(".weight", ".my_lora.weight"),
            lambda name: f"module.{name}",
            lambda name: f"_orig_mod.{name}",
            lambda name: name.replace(".layers.", "._fsdp_wrapped_module.layers."),
            lambda name: name.replace(".self_attn.", "._checkpoint_wrapped_module.self_attn.").replace(
                ".mlp.", "._checkpoint_wrapped_module.mlp."
            ),
        ],
        ids=["no prefix", "wrapped twice", "adapter's name", "both", "parallel", "compiled", "FSDP", "checkpointed"],
    )
    def test_other_trainers_names_are_read(
        self, adapter: Path, tiny_model_dir: Path, rename: Callable[[str], str]
    ) -> None:
        save_file({rename(name): t for name, t in load_file(adapter / WEIGHTS).items()}, adapter / WEIGHTS)
        check = integrity.tensors_map_both_ways(adapter, tiny_model_dir)
        assert check.holds
        assert check.details["renamed"] == 28
        assert integrity.config_agrees_with_tensors(adapter).holds
        assert integrity.norms_are_even(adapter).holds

    def test_embeddings_of_added_tokens_tell_what_is_missing(self, adapter: Path, tiny_model_dir: Path) -> None:
        rows = json.loads((tiny_model_dir / "config.json").read_text())["vocab_size"]
        name = "base_model.model.model.embed_tokens.weight"
        rewrite(adapter, lambda tensors: tensors.update({name: torch.ones(rows + 2, 64)}))
        check = integrity.tensors_map_both_ways(adapter, tiny_model_dir)
        assert not check.holds
        assert name in check.remedy
        tokens = integrity.tokenizer_is_the_bases(adapter, tiny_model_dir)
        assert not tokens.holds
        assert f"{name} has {rows + 2} rows, and there are {rows} tokens" in tokens.reason

    def test_an_unchanged_copy_of_the_bases_embeddings_is_no_fault_and_a_changed_one_is(
        self, adapter: Path, tiny_model_dir: Path
    ) -> None:
        name = "base_model.model.model.embed_tokens.weight"
        own = load_file(tiny_model_dir / "model.safetensors")["model.embed_tokens.weight"]
        rewrite(adapter, lambda tensors: tensors.update({name: own.to(torch.bfloat16)}))
        check = integrity.tensors_map_both_ways(adapter, tiny_model_dir)
        assert check.holds
        assert check.details["copies"] == [name]
        rewrite(adapter, lambda tensors: tensors[name].mul_(2))
        assert not integrity.tensors_map_both_ways(adapter, tiny_model_dir).holds

    def test_modules_to_save_are_asked_for(self, tiny_model_dir: Path, tmp_path: Path) -> None:
        adapter = save_tiny_adapter(tiny_model_dir, tmp_path / "adapter")
        configure(adapter, modules_to_save=["lm_head"])
        assert integrity.tensors_map_both_ways(adapter, tiny_model_dir).details["missing"] == [
            "base_model.model.lm_head.weight"
        ]
