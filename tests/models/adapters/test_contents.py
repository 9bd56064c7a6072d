"""A directory that is no adapter PEFT could load is named for what it holds, with what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.errors import AdapterError, ModelError
from harness.models import parse_adapter_spec, parse_model_spec, resolve_adapter, resolve_model
from harness.models.adapters.files import CONFIG, WEIGHTS, read_adapter_config, read_weights
from harness.models.loading import LoadOptions, load_model

MLX = {"fine_tune_type": "lora", "num_layers": 4, "lora_parameters": {"rank": 8, "scale": 20.0}}


def below(*names: str) -> Callable[[Path, Path], object]:
    return lambda directory, adapter: [shutil.copytree(adapter, directory / name) for name in names]


def files(*names: str, **contents: object) -> Callable[[Path, Path], object]:
    def write(directory: Path, adapter: Path) -> None:
        for name in names:
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_bytes(b"")
        for name, content in contents.items():
            (directory / f"{name}.json").write_text(json.dumps(content))

    return write


HELD: Mapping[str, tuple[Callable[[Path, Path], object], list[str]]] = {
    "nothing": (files(), ["it is empty"]),
    "the adapter of a pair": (
        below("reference", "default"), ["holds default/, reference/, each an adapter: pass one", "/here/default"],
    ),
    "checkpoints": (below("checkpoint-90", "checkpoint-1000"), ["checkpoint-90/, checkpoint-1000/", "/here/checkpoint-1000"]),
    "one": (below("out/adapter"), ["out/adapter/, which is an adapter: pass it", "/here/out/adapter"]),
    "mlx, a checkpoint": (
        files("0000100_adapters.safetensors", adapter_config=MLX),
        ["is an MLX adapter (0000100_adapters.safetensors)", "rename the one to be measured to adapters.safetensors"],
    ),
    "mlx, its configuration alone": (files(adapter_config=MLX), ["MLX adapter (adapter_config.json)", "copy its adapters"]),
    "mlx, old": (files("adapters.npz", adapter_config=MLX), ["is an MLX adapter", "mlx_lm.fuse"]),
    "mlx, weights alone": (files("adapters.safetensors"), ["is an MLX adapter", "that mlx_lm wrote"]),
    "gguf": (files("lora-f16.gguf"), ["GGUF file (lora-f16.gguf)", "openai:NAME@URL"]),
    "a whole model": (
        files("model-00001-of-00002.safetensors", config={}), ["holds a whole model", "serving: merged:"],
    ),
    "weights alone": (files(WEIGHTS), [f"{WEIGHTS} and no {CONFIG}", f"copy the {CONFIG}"]),
    "a pickle alone": (files("adapter_model.bin"), ["is a pickle", "weights_only=True"]),
    "a diffusion model's": (files("pytorch_lora_weights.safetensors"), ["LoRA of diffusers"]),
    "training state": (files("global_step5/mp_rank_00_model_states.pt"), ["state of a training run", "zero_to_fp32.py"]),
    "anything else": (files("notes.txt", "train.log"), ["there are notes.txt, train.log"]),
}  # fmt: skip


@pytest.mark.parametrize("held", HELD)
def test_what_lies_in_place_of_an_adapter_is_named(tmp_path: Path, tiny_adapter_dir: Path, held: str) -> None:
    directory = tmp_path / "here"
    directory.mkdir()
    lay, said = HELD[held]
    lay(directory, tiny_adapter_dir)
    with pytest.raises(AdapterError) as caught:
        resolve_adapter(parse_adapter_spec(str(directory)))
    message = str(caught.value)
    assert str(directory) in caught.value.problem
    assert [part for part in said if part not in message] == []


@pytest.mark.parametrize(
    ("lay", "said"),
    [
        (files("adapter_model.bin"), "torch.load('adapter_model.bin', weights_only=True"),
        (files("lora.gguf"), "PEFT adapter that it was converted from"),
        (files(), f"copy its {WEIGHTS} there"),
    ],
)
def test_without_weights_beside_a_configuration_the_same_is_told(
    adapter: Path, lay: Callable[[Path, Path], object], said: str
) -> None:
    (adapter / WEIGHTS).unlink()
    lay(adapter, adapter)
    with pytest.raises(AdapterError) as caught:
        read_weights(adapter)
    assert said in caught.value.remedy


def test_an_adapter_with_others_below_it_is_taken_as_it_is(adapter: Path, tiny_adapter_dir: Path) -> None:
    shutil.copytree(tiny_adapter_dir, adapter / "reference")
    assert resolve_adapter(parse_adapter_spec(str(adapter))).directory == adapter


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("model.safetensors", "the weights"),
        ("config.json", "the file itself"),
        ("tokenizer_config.json", "the file itself"),
    ],
)
def test_a_base_of_git_lfs_pointers_is_called_so(tiny_model_dir: Path, tmp_path: Path, name: str, held: str) -> None:
    base = Path(shutil.copytree(tiny_model_dir, tmp_path / "base"))
    (base / name).write_text(POINTER)
    with pytest.raises(ModelError, match=f"{name} is a Git LFS pointer, not {held}") as caught:
        resolve_model(parse_model_spec(str(base)))
    assert caught.value.remedy == f"run git lfs pull: git -C {base} lfs pull"


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"])
def test_an_adapter_of_git_lfs_pointers_is_called_so(adapter: Path, name: str) -> None:
    (adapter / name).write_text(POINTER)
    with pytest.raises(AdapterError, match=f"{name} is a Git LFS pointer"):
        resolve_adapter(parse_adapter_spec(str(adapter)))


@pytest.mark.parametrize(
    ("twice", "said"),
    [('"lora_alpha": 64', "lora_alpha twice: 64 and 8"), ('"rank_pattern": {"q": 2, "q": 4}', "q twice: 2 and 4")],
)
def test_a_key_with_two_values_is_refused_by_its_name(adapter: Path, twice: str, said: str) -> None:
    text = (adapter / CONFIG).read_text()
    (adapter / CONFIG).write_text(text.replace("{", "{" + twice + ",", 1))
    for read in (lambda: read_adapter_config(adapter), lambda: resolve_adapter(parse_adapter_spec(str(adapter)))):
        with pytest.raises(AdapterError, match=said):
            read()


def test_a_key_that_stands_twice_with_one_value_is_no_fault(adapter: Path) -> None:
    text = (adapter / CONFIG).read_text()
    (adapter / CONFIG).write_text(text.replace("{", '{"lora_alpha": 8,', 1))
    assert read_adapter_config(adapter)["lora_alpha"] == 8


def test_a_slip_in_the_task_type_is_warned_of_and_measured_as_what_it_is(tiny_model_dir: Path, adapter: Path) -> None:
    from harness.checks import integrity

    config = json.loads((adapter / CONFIG).read_text())
    (adapter / CONFIG).write_text(json.dumps({**config, "task_type": "SEQ_2_SEQ_LM"}))
    check = integrity.tensors_map_both_ways(adapter, tiny_model_dir)
    assert check.holds
    assert "warning, adapter_config.json says task_type 'SEQ_2_SEQ_LM'" in check.reason
    loaded = load_model(tiny_model_dir, LoadOptions("float32", "cpu"), adapter=adapter)
    assert type(loaded.in_memory().model).__name__ == "PeftModelForCausalLM"
