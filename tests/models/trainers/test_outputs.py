"""Twelve trainers' outputs are read as they lie, without a false rejection; damaged twins are rejected by what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trainer_outputs
from trainer_outputs import CONFIG, OUTPUTS, WEIGHTS, Place, rewrite, save, tensors

from harness.checks import integrity, training
from harness.errors import AdapterError
from harness.gates import Check
from harness.models import parse_adapter_spec, resolve_adapter
from harness.models.loading import load_tokenizer
from harness.models.trainers.registry import read_training_record
from harness.training.history import TrainingHistory, read_history

# what `data` and the like are expected to say, by the attributes of a record
SAID: Mapping[str, Mapping[str, Any]] = {
    "TRL checkpoint": {"trainer": "TRL", "method": "sft"},
    "Axolotl": {
        "trainer": "Axolotl", "base": "my-org/tiny", "base_bits": 4, "data": ("data/train.jsonl",), "max_length": 1024,
        "template": "chatml", "method": "sft", "strength": {"r": 4, "lora_alpha": 8},
    },
    "Axolotl, FSDP": {"trainer": "Axolotl", "max_length": 1024},
    "LLaMA-Factory": {
        "trainer": "LLaMA-Factory", "base": "my-org/tiny", "base_bits": 4, "data": ("pets", "tickets"), "max_length": 512,
        "template": "qwen", "method": "sft",
    },
    "LLaMA-Factory, PPO": {"method": "ppo"},
    "Unsloth": {"trainer": "Unsloth", "base": "unsloth/tiny-unsloth-bnb-4bit", "base_bits": 4},
    "torchtune": {"trainer": "torchtune", "base": "/models/tiny", "data": ("data/train.json",), "max_length": 768},
    "MLX": {"trainer": "MLX", "base": "mlx-community/tiny-4bit", "base_bits": 4, "max_length": 2048, "data": ("data/",)},
    "Tinker": {"trainer": "Tinker", "base": "my-org/tiny", "max_length": 4096, "template": "qwen3"},
    "OpenAI job": {"trainer": "OpenAI fine-tuning job", "base": "gpt-4.1-nano-2025-04-14", "data": ("file-abc",)},
    "DeepSpeed": {"trainer": "transformers' Trainer"},
    "FSDP": {"trainer": "transformers' Trainer"},
}  # fmt: skip
STEPS = {"TRL checkpoint": 12, "MLX": 0}


@pytest.fixture
def laid(tmp_path: Path, tiny_model_dir: Path, tiny_adapter_dir: Path) -> Callable[[str], Path]:
    """Lays a trainer's output, and says what a user would pass."""

    def lay(name: str) -> Path:
        path = tmp_path / name.replace(", ", "-").replace(" ", "-")
        OUTPUTS[name](Place(path, tiny_adapter_dir, tiny_model_dir))
        return path / "epoch_0" if name == "torchtune" else path

    return lay


def history_of(path: Path) -> TrainingHistory | None:
    record = read_training_record(path)
    return read_history(path, None, method=record.method if record else None)


def verdicts(path: Path, base: Path) -> list[Check]:
    """Every check of an adapter that needs no model, and those of its log."""
    record, checks = read_training_record(path), []
    if (path / CONFIG).is_file():
        adapter = resolve_adapter(parse_adapter_spec(str(path))).directory
        checks += [
            integrity.adapter_is_safe(adapter),
            integrity.tensors_map_both_ways(adapter, base),
            integrity.config_agrees_with_tensors(adapter, base),
            integrity.strength_as_trained(adapter, record),
            integrity.base_as_trained(adapter, base, base_name="my-org/tiny", record=record),
            integrity.tokenizer_is_the_bases(adapter, base),
            integrity.chat_template_is_the_bases(adapter, base, load_tokenizer(base)),
            integrity.adapter_is_finite(adapter),
            integrity.adapter_is_trained(adapter, base),
        ]
    history = history_of(path)
    if history is not None:
        checks.append(training.log_is_finite(history))
    return checks


def rejection(path: Path, base: Path) -> str:
    """Why an artefact is rejected; empty where it is not."""
    try:
        failed = [check for check in verdicts(path, base) if not check.holds]
    except AdapterError as exc:
        return exc.problem
    return f"{failed[0].name}: {failed[0].reason}" if failed else ""


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_trainers_output_is_read_as_it_lies(name: str, laid: Callable[[str], Path], tiny_model_dir: Path) -> None:
    path = laid(name)
    record, history = read_training_record(path), history_of(path)
    assert record is not None
    assert {key: getattr(record, key) for key in SAID[name]} == SAID[name]
    assert record.notes == ()
    assert (history.steps if history else 0) == STEPS.get(name, 40)
    assert rejection(path, tiny_model_dir) == ""


@pytest.mark.parametrize("name", ["Axolotl, FSDP", "MLX", "FSDP"])
def test_what_peft_does_not_load_as_it_lies_becomes_the_same_adapter(
    name: str, laid: Callable[[str], Path], tiny_adapter_dir: Path
) -> None:
    from harness.models.adapters.names import canonical_name

    resolved = resolve_adapter(parse_adapter_spec(str(laid(name))))
    made = {canonical_name(key): value for key, value in tensors(resolved.directory).items()}
    own = tensors(tiny_adapter_dir)
    assert made.keys() == own.keys()
    assert all(bool((made[key] == own[key]).all()) for key in own)
    config, wanted = (json.loads((one / CONFIG).read_text()) for one in (resolved.directory, tiny_adapter_dir))
    assert [config[key] for key in ("r", "lora_alpha")] == [wanted[key] for key in ("r", "lora_alpha")]
    assert resolved.as_left != resolved.directory
    assert resolve_adapter(parse_adapter_spec(str(resolved.as_left))).directory == resolved.directory


def _drop(path: Path, end: str) -> None:
    file = next(path.glob("*.safetensors"))
    held = tensors(path) if file.name == WEIGHTS else trainer_outputs_file(file)
    save(file, {name: value for name, value in held.items() if name != sorted(n for n in held if n.endswith(end))[0]})


def trainer_outputs_file(file: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(file)


DAMAGED: Mapping[str, tuple[str, Callable[[Path], object], str]] = {
    "a part of FSDP's is missing": (
        "FSDP", lambda path: (path / "adapter_model-00002-of-00003.safetensors").unlink(), "2 of the 3 parts",
    ),
    "an index names another part": (
        "Axolotl, FSDP",
        lambda path: rewrite(
            path / "merged" / "model.safetensors.index.json",
            lambda index: index["weight_map"].update({next(iter(index["weight_map"])): "model-00009-of-00002.safetensors"}),
        ),
        "does not name what the parts hold",
    ),
    "MLX lacks half of a module": ("MLX", lambda path: _drop(path, "lora_b"), "lora_b is missing"),
    "MLX lost its scale": (
        "MLX", lambda path: rewrite(path / CONFIG, lambda config: config["lora_parameters"].pop("scale")), "scale None",
    ),
    "alpha was doubled after Axolotl": (
        "Axolotl", lambda path: rewrite(path / CONFIG, lambda config: config.update(lora_alpha=16)), "strength: lora_alpha is 16",
    ),
    "alpha was lost after torchtune": (
        "torchtune", lambda path: rewrite(path / CONFIG, lambda config: config.update(lora_alpha=32)), "lora_alpha is 32",
    ),
    "LLaMA-Factory's log ends in NaN": (
        "LLaMA-Factory",
        lambda path: (path / "trainer_log.jsonl").write_text(
            (path / "trainer_log.jsonl").read_text() + '{"current_steps": 41, "loss": NaN}\n'
        ),
        "finite",
    ),
    "a job's events are torn": ("OpenAI job", lambda path: (path / "events.json").write_text('{"data": [{'), "torn or no JSON"),
    "a pickle beside Unsloth's": ("Unsloth", lambda path: (path / "extra.bin").write_bytes(b"\x80\x02}q\x00."), "extra.bin"),
    "a tensor of Tinker's is lost": ("Tinker", lambda path: _drop(path, "lora_B.weight"), "tensors_map"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_twin_is_rejected_by_its_cause(
    damage: str, laid: Callable[[str], Path], tiny_model_dir: Path
) -> None:
    name, break_it, cause = DAMAGED[damage]
    path = laid(name)
    break_it(path)
    assert cause in rejection(path, tiny_model_dir)


def test_litgpt_is_refused_as_the_pickle_it_is_with_the_commands_that_convert_it(tmp_path: Path) -> None:
    trainer_outputs.litgpt(Place(tmp_path / "final", tmp_path, tmp_path))
    with pytest.raises(AdapterError, match=r"an adapter of LitGPT \(lit_model.pth.lora\), a pickle") as caught:
        resolve_adapter(parse_adapter_spec(str(tmp_path / "final")))
    for command in ("litgpt merge_lora", "litgpt convert_from_litgpt", "weights_only=True", "checkpoints/my-org/tiny"):
        assert command in caught.value.remedy
    record = read_training_record(tmp_path / "final")
    assert record is not None
    assert (record.trainer, record.base_bits, record.max_length, record.template) == ("LitGPT", 4, 512, "alpaca")


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)
HOSTILE = {
    "a bomb of aliases": BOMB,
    "merges of merges": "a: &a {k: 1}\n" + BOMB.replace("[x,x,x,x,x,x,x,x,x]", "{<<: *a}", 0) + "z: {<<: [*a, *a]}\n",
    "python objects": "base_model: !!python/object/apply:os.system [echo]\n",
    "no date": "base_model: 2024-99-99\n",
    "itself": "a: &a [*a]\n",
    "five thousand deep": "[" * 5000,
    "a mebibyte and more": "x" * (1 << 21),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_of_a_trainer_is_a_note_and_no_more(
    text: str, laid: Callable[[str], Path], tiny_model_dir: Path
) -> None:
    path = laid("Axolotl")
    card = path / "README.md"
    card.write_text(card.read_text().replace(trainer_outputs.AXOLOTL_YAML, text))
    for name in ("training_args.yaml", "torchtune_config.yaml", "hyperparameters.yaml"):
        (path / name).write_text(text)
    record = read_training_record(path)
    assert record is not None
    assert record.notes
    assert all(len(note) < 600 for note in record.notes)
    assert rejection(path, tiny_model_dir) == ""


def test_names_out_of_a_foreign_file_are_of_one_kind_and_bounded(laid: Callable[[str], Path]) -> None:
    path = laid("LLaMA-Factory")
    (path / "training_args.yaml").write_text(
        f"stage: [1]\nmodel_name_or_path: {'x' * 5000}\ndataset: {{a: 1}}\ncutoff_len: -3\nlora_rank: true\ntemplate: 7\n"
    )
    record = read_training_record(path)
    assert record is not None
    assert (record.base, record.data, record.max_length, record.template) == ("x" * 300, (), None, None)
    assert record.strength == {}


def test_a_reader_of_ones_own_is_believed_where_it_tells_more(
    monkeypatch: pytest.MonkeyPatch, laid: Callable[[str], Path]
) -> None:
    from plugged import plug_in

    from harness.models.trainers.record import TrainingRecord
    from harness.models.trainers.registry import Trainer

    ours = Trainer("ours", lambda artefact: TrainingRecord("ours", "card", max_length=99))
    plug_in(monkeypatch, register_trainers=lambda register: register(ours))
    record = read_training_record(laid("Axolotl"))
    assert record is not None
    assert (record.trainer, record.max_length, record.base) == ("ours", 99, "my-org/tiny")


def test_the_table_of_trainers(
    laid: Callable[[str], Path], tiny_model_dir: Path, tiny_adapter_dir: Path, tmp_path: Path
) -> None:
    """Printed with -s: who was read, and by what the damaged twins were rejected."""
    read = {name: rejection(laid(name), tiny_model_dir) for name in OUTPUTS if name != "TRL checkpoint"}
    lines = [f"{name:22} {'rejected: ' + why if why else 'read'}" for name, why in read.items()]
    for number, (damage, (name, break_it, _)) in enumerate(DAMAGED.items()):
        path = tmp_path / f"twin-{number}"
        OUTPUTS[name](Place(path, tiny_adapter_dir, tiny_model_dir))
        passed = path / "epoch_0" if name == "torchtune" else path
        break_it(passed)
        read[damage] = rejection(passed, tiny_model_dir)
        lines.append(f"{damage:34} {'rejected: ' + read[damage][:70] if read[damage] else 'READ'}")
    print("\n" + "\n".join(lines))
    assert {name: bool(why) for name, why in read.items()} == {name: name in DAMAGED for name in read}
