from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import RecipeError
from harness.training import load_recipe

ROOT = Path(__file__).parents[2]
GOOD = """
base: some/model
quantization: nf4
peft: {r: 8, target_modules: all-linear}
data:
  train: {path: a.jsonl, limit: 10}
  split: 0.2
trainer: {learning_rate: 1e-3, max_steps: 5}
early_stopping_patience: 2
"""


def load(tmp_path: Path, text: str):  # type: ignore[no-untyped-def]
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path, root=tmp_path)


def test_a_good_recipe_keeps_every_value(tmp_path: Path) -> None:
    recipe = load(tmp_path, GOOD)
    assert (recipe.name, recipe.base, recipe.method, recipe.quantization) == ("mine", "some/model", "sft", "nf4")
    assert recipe.peft == {"r": 8, "target_modules": "all-linear"}
    assert recipe.data.train.limit == 10
    assert recipe.data.split == 0.2
    assert recipe.early_stopping_patience == 2
    assert recipe.resolve(recipe.data.train) == tmp_path.resolve() / "a.jsonl"


def test_exponent_without_a_dot_is_a_number_as_in_yaml_1_2(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).trainer["learning_rate"] == 0.001


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("quantization: nf4", "quantisation: nf4", ["quantisation", "did you mean 'quantization'"]),
        ("quantization: nf4", "quantization: int3", ["int3", "none, nf4"]),
        ("quantization: nf4", "method: lorra", ["method is 'lorra'", "choose one of: sft, dpo, ipo, kto"]),
        ("quantization: nf4", "method: stf", ["did you mean 'sft'"]),
        ("base: some/model", "", ["mine.yaml: base is missing"]),
        ("base: some/model", "base: 7", ["base is 7 (int)", "give a text"]),
        ("r: 8", "rank: 8", ["peft: unknown key 'rank'"]),
        ("r: 8", "r: eight", ["peft.r is 'eight' (str)", "int"]),
        ("r: 8", "r: true", ["peft.r is True (bool)"]),
        ("r: 8", "init_lora_weights: pissa_niter_4", ["quantization is 'nf4'", "peft.init_lora_weights changes them"]),
        ("r: 8", "init_lora_weights: corda", ["changes the base weights"]),
        ("r: 8", "bias: all", ["bias", "servers that switch adapters"]),
        ("learning_rate", "learning_rat", ["trainer: unknown key 'learning_rat'", "did you mean 'learning_rate'"]),
        ("max_steps: 5", "max_steps: lots", ["trainer.max_steps is 'lots' (str)"]),
        ("r: 8", "r: 1000000000000", ["peft.r is 1000000000000", "give at most 65,536"]),
        ("r: 8", "r: 0", ["peft.r is 0", "above 0"]),
        ("max_steps: 5", "weight_decay: .nan", ["trainer.weight_decay is nan", "give a number"]),
        ("r: 8", "lora_alpha: -16", ["peft.lora_alpha is -16", "0 or more"]),
        ("max_steps: 5", "max_length: -5", ["trainer.max_length is -5", "above 0"]),
        ("max_steps: 5", "per_device_train_batch_size: 0", ["per_device_train_batch_size is 0", "above 0"]),
        ("max_steps: 5", "max_steps: 1000000000000", ["max_steps is 1000000000000", "at most 1,000,000,000"]),
        ("max_steps: 5", "num_train_epochs: .inf", ["trainer.num_train_epochs is inf", "give a number"]),
        ("max_steps: 5", "num_train_epochs: -1", ["trainer.num_train_epochs is -1", "above 0"]),
        ("limit: 10", "limit: 1000000000000", ["data.train.limit is 1000000000000", "at most 1,000,000,000"]),
        ("max_steps: 5", "output_dir: x", ["output_dir", "checkpoints live in the adapter cache"]),
        ("limit: 10", "limit: 0", ["data.train.limit is 0", "at least 1"]),
        ("limit: 10", "rows: 10", ["data.train: unknown key 'rows'", "known keys: format, limit, path"]),
        ("split: 0.2", "split: 2", ["data.split is 2", "above 0 and below 1"]),
        ("split: 0.2", "", ["early_stopping_patience needs validation data"]),
        ("split: 0.2", "split: 0.2\n  validation: {path: b.jsonl}", ["data.validation is given too"]),
        ("trainer: {", "trainer: {eval_strategy: 'no', ", ["eval_strategy is 'no' but"]),
        ("base: some/model", "base: a\nbase: b", ["line 3", "'base' is given twice"]),
        ("base: some/model", "base: [", ["mine.yaml, line"]),
    ],
)
def test_a_wrong_recipe_names_file_key_and_value(tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    assert old in GOOD
    with pytest.raises(RecipeError) as error:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert "mine.yaml" in str(error.value)
    for words in said:
        assert words in str(error.value)
    assert error.value.remedy


def test_an_empty_recipe_is_told_all_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"(?s)mine\.yaml: base is missing.*mine\.yaml: data is missing"):
        load(tmp_path, "")


@pytest.mark.parametrize("text", ["- a list", "just text"])
def test_a_recipe_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipeError, match="not a mapping"):
        load(tmp_path, text)


def test_a_missing_recipe_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.yaml"):
        load_recipe(tmp_path / "nowhere.yaml", root=tmp_path)


@pytest.mark.parametrize("name", ["tool-calls-qlora", "tool-calls-lora"])
def test_shipped_recipes_load_and_their_data_exists(name: str) -> None:
    recipe = load_recipe(ROOT / "fixtures" / "recipes" / f"{name}.yaml", root=ROOT)
    assert recipe.resolve(recipe.data.train).is_file()
    assert recipe.has_validation


def test_checking_a_recipe_imports_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from harness.training import load_recipe, train;"
        f"root = Path({str(ROOT)!r}); load_recipe(root / 'fixtures/recipes/tool-calls-qlora.yaml', root=root);"
        "print([m for m in ('torch', 'transformers', 'trl', 'peft', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
