"""`assay merge`: what it writes, the record beside it, and what it refuses."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tiny import save_tiny_adapter

from harness.cli import main
from harness.config import Config
from harness.config.merge_recipe import read_merge_recipe
from harness.config.settings import make_settings
from harness.digests import digest_file
from harness.errors import AssayError, ConfigError
from harness.models import mergekit
from harness.session.merging import merge
from harness.session.model_pair import ModelPair
from harness.session.parents import RECORD

Merge = Callable[..., Path]

# Averages what the configuration names, as the real one does by `linear`, and says what it was called with.
STUB = """#!{python}
import json, shutil, sys, yaml
from pathlib import Path
from safetensors.torch import load_file, save_file
config, out = yaml.safe_load(open(sys.argv[1])), Path(sys.argv[2])
models = [Path(one["model"]) for one in config["models"]]
if config["merge_method"] == "unknown":
    sys.exit("RuntimeError: Unimplemented merge method unknown")
out.mkdir(exist_ok=True)
for file in models[0].iterdir():
    shutil.copy(file, out)
loaded = [load_file(one / "model.safetensors") for one in models]
save_file({{k: sum(one[k] for one in loaded) / len(loaded) for k in loaded[0]}}, out / "model.safetensors", {{"format": "pt"}})
"""


@pytest.fixture
def other(tiny_model_dir: Path, tmp_path: Path) -> Path:
    return save_tiny_adapter(tiny_model_dir, tmp_path / "other", seed=3, rank=8, targets=["q_proj", "up_proj"])


@pytest.fixture
def run(tmp_path: Path, tiny_model_dir: Path) -> Merge:
    """Merges by a recipe."""

    def do(recipe: dict[str, Any], output: str = "merge") -> Path:
        file = tmp_path / "recipe.yaml"
        file.write_text(yaml.safe_dump(recipe))
        settings = make_settings(Config(root=tmp_path), model=str(tiny_model_dir))
        merge(read_merge_recipe(file), tmp_path / output, ModelPair(settings))
        return tmp_path / output

    return do


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program called mergekit-yaml."""
    program = tmp_path / "bin" / "mergekit-yaml"
    program.parent.mkdir()
    program.write_text(STUB.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(mergekit.sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def pair(root: Path, base: Path, candidate: Path) -> ModelPair:
    return ModelPair(make_settings(Config(root=root), model=str(base), candidate=str(candidate)))


def logits(models: ModelPair) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = models.loaded.in_memory().model(torch.arange(40)[None]).logits
    return found


def test_a_merged_model_is_the_stack_and_knows_its_parents(
    run: Merge, adapter: Path, other: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    made = run({"adapter": [str(adapter), {"path": "other", "weight": -0.5}]})
    record = json.loads((made / RECORD).read_text())
    assert record["files"] == {one.name: digest_file(one) for one in made.iterdir() if one.name != RECORD}
    assert record["recipe"]["adapter"][1]["weight"] == -0.5
    assert [one["name"] for one in record["parents"]] == ["adapter"]  # what is subtracted is to be undone
    stack = ModelPair(
        make_settings(
            Config(root=tmp_path), model=str(tiny_model_dir), candidate=f"[{adapter}, {{path: {other}, weight: -0.5}}]"
        )
    )
    models = pair(tmp_path, tiny_model_dir, made)
    assert torch.allclose(logits(models), logits(stack), atol=1e-4)
    assert list(models.parents) == ["adapter"]
    assert models.subject("adapter").identity() == pair(tmp_path, tiny_model_dir, adapter).identity("candidate")


def test_a_combination_is_saved_as_an_adapter(
    run: Merge, adapter: Path, other: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    made = run({"adapter": [str(adapter), str(other)], "combination": "svd", "save": "adapter"})
    models = pair(tmp_path, tiny_model_dir, made)
    assert models.shares_base
    assert list(models.parents) == ["adapter", "other"]


def test_a_single_adapter_is_its_merges_parent(run: Merge, adapter: Path) -> None:
    made = run({"adapter": str(adapter)})
    assert [one["name"] for one in json.loads((made / RECORD).read_text())["parents"]] == ["adapter"]


def test_tied_embeddings_are_parted_where_an_adapter_changes_one_of_them(
    run: Merge, tiny_model_dir: Path, tmp_path: Path
) -> None:
    embeds = save_tiny_adapter(tiny_model_dir, tmp_path / "embeds", targets=["embed_tokens", "q_proj"])
    file = embeds / "adapter_model.safetensors"
    tensors = load_file(file)
    torch.manual_seed(1)
    kept = {name: torch.randn_like(t) if "embedding_A" in name else t for name, t in tensors.items()}
    save_file(kept, file, {"format": "pt"})
    made = run({"adapter": str(embeds)})
    assert {"lm_head.weight", "model.embed_tokens.weight"} <= load_file(made / "model.safetensors").keys()
    difference = logits(pair(tmp_path, tiny_model_dir, made)) - logits(pair(tmp_path, tiny_model_dir, embeds))
    assert difference.abs().max() < 1e-3


def test_nothing_is_overwritten_and_nothing_half_made_stays(
    run: Merge, adapter: Path, other: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        run({"adapter": str(adapter)}, "there")
    with pytest.raises(AssayError, match="by linear"):
        run({"adapter": [str(adapter), str(other)], "combination": "linear"})
    assert not [path for path in tmp_path.iterdir() if "merge" in path.name]


def test_what_a_recipe_cannot_say_is_refused(run: Merge, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no adapter is named"):
        run({"combination": "cat"})
    with pytest.raises(ConfigError, match="unknown key 'quantization'"):
        run({"adapter": str(adapter), "quantization": "nf4"})
    with pytest.raises(ConfigError, match="only adapters are saved"):
        run({"adapter": [{"path": str(adapter), "merged": True}, str(adapter)], "save": "adapter"})
    with pytest.raises(ConfigError, match="linear averages its models"):
        run({"merge_method": "linear", "base_model": "a", "models": [{"model": "b"}]})
    with pytest.raises(ConfigError, match="names no model"):
        run({"merge_method": "ties"})


def test_mergekit_is_asked_for_by_name(run: Merge, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mergekit.shutil, "which", lambda name, path: None)
    with pytest.raises(ConfigError, match="mergekit-yaml is not installed") as error:
        run({"merge_method": "ties", "base_model": str(tiny_model_dir), "models": [{"model": str(tiny_model_dir)}]})
    assert "adapter-assay[mergekit]" in error.value.remedy


def test_mergekit_merges_models_that_were_checked_first(
    run: Merge, stub: None, adapter: Path, other: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    base = str(tiny_model_dir)
    models = [{"model": f"{base}+{adapter}"}, {"model": f"{base}+{other}"}, {"model": base}]
    made = run({"merge_method": "task_arithmetic", "base_model": base, "models": models})
    record = json.loads((made / RECORD).read_text())
    assert [one["name"] for one in record["parents"]] == ["adapter", "other"]
    assert record["steps"][0].startswith("mergekit-yaml mergekit.yaml made --random-seed 0")
    assert str(tmp_path) in (made / "mergekit_config.yml").read_text()  # as the recipe has it, not of what is gone
    assert list(pair(tmp_path, tiny_model_dir, made).parents) == ["adapter", "other"]
    with pytest.raises(AssayError, match="Unimplemented merge method unknown"):
        run({"merge_method": "unknown", "models": models}, "second")
    assert not (tmp_path / "second").exists()


def test_the_base_of_slerp_is_one_of_its_parents() -> None:
    document = {"merge_method": "slerp", "base_model": "a", "models": [{"model": "a"}, {"model": "b+c"}]}
    found = mergekit.references(document, "recipe.yaml")
    assert [(one.model, one.adapter) for one in found] == [("a", None), ("b", "c")]
    assert mergekit.merged_ones(document, found) == found
    assert [one.text for one in mergekit.merged_ones({**document, "merge_method": "ties"}, found)] == ["b+c"]


@pytest.mark.real_process
@pytest.mark.parametrize("method", ["slerp", "ties", "della"])
def test_the_real_mergekit_merges(run: Merge, adapter: Path, other: Path, tiny_model_dir: Path, method: str) -> None:
    try:
        mergekit.find_mergekit()
    except ConfigError:
        pytest.skip("mergekit-yaml is neither beside this Python nor on PATH")
    base = str(tiny_model_dir)
    weighed = {"t": 0.5} if method == "slerp" else {"weight": 0.5, "density": 0.6}
    models = [
        {"model": f"{base}+{one}", **({} if method == "slerp" else {"parameters": weighed})} for one in (adapter, other)
    ]
    recipe: dict[str, Any] = {"merge_method": method, "models": models, "dtype": "float32"}
    recipe |= {"base_model": models[0]["model"], "parameters": weighed} if method == "slerp" else {"base_model": base}
    made = run(recipe)
    assert [one["name"] for one in json.loads((made / RECORD).read_text())["parents"]] == ["adapter", "other"]


def test_the_command_makes_the_directory(
    adapter: Path,
    tiny_model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(yaml.safe_dump({"adapter": adapter.name, "save": "adapter"}))
    assert main(["merge", "recipe.yaml", "-o", "made", "--model", str(tiny_model_dir)]) == 0
    assert capsys.readouterr().out.strip() == "made"
    assert main(["merge", "nowhere.yaml", "-o", "more"]) == 2
