from __future__ import annotations

import json
import logging
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from separate import DEADLINE_S, forkserver
from transformers import TrainerCallback

from harness.digests import digest_file, digest_json
from harness.errors import DataError
from harness.training import Recipe, TrainedAdapter, train
from harness.training.recipe_data import DataFile, RecipeData

_TURNS = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate("abcd")]


class _InterruptAt(TrainerCallback):
    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self._step:
            raise KeyboardInterrupt


class _CountSteps(TrainerCallback):
    def __init__(self) -> None:
        self.steps: list[int] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.steps.append(state.global_step)


def trained(recipe: Recipe, base: Path, cache: Path, *callbacks: TrainerCallback, digest: str = "b") -> TrainedAdapter:
    return train(recipe, base_path=str(base), base_digest=digest, cache_dir=cache, callbacks=callbacks)


def test_second_call_takes_the_cached_adapter_and_leaves_nothing_else_behind(
    make_recipe: Any, tiny_model_dir: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first = trained(make_recipe(), tiny_model_dir, cache)
    count = _CountSteps()
    second = trained(make_recipe(), tiny_model_dir, cache, count)
    assert (first.from_cache, second.from_cache) == (False, True)
    assert (first.path, first.digest, first.log) == (second.path, second.digest, second.log)
    assert count.steps == []
    assert {p.name for p in first.path.iterdir()} == {
        "adapter_model.safetensors",
        "adapter_config.json",
        "recipe.json",
        "training_log.json",
        "provenance.json",
    }
    assert [p.name for p in cache.iterdir() if p.is_dir()] == [first.path.name]
    provenance = json.loads((first.path / "provenance.json").read_text())
    assert (provenance["base"], provenance["decoding"]) == ("b", {})
    assert provenance["data"]["train"] == digest_file(tmp_path / "train.jsonl")
    assert "trl" in provenance["libraries"]


def test_an_interrupted_training_resumes_and_ends_in_the_same_adapter(
    make_recipe: Any, tiny_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = make_recipe(trainer={"max_steps": 6})
    with pytest.raises(KeyboardInterrupt):
        trained(recipe, tiny_model_dir, tmp_path / "cache", _InterruptAt(1))
    assert (
        "stopped at step 1; the next training starts anew: no checkpoint to go on from was written yet" in caplog.text
    )
    with pytest.raises(KeyboardInterrupt):
        trained(recipe, tiny_model_dir, tmp_path / "cache", _InterruptAt(5))
    assert "stopped at step 5; the next training goes on from checkpoint-4" in caplog.text
    count = _CountSteps()
    resumed = trained(recipe, tiny_model_dir, tmp_path / "cache", count)
    assert count.steps == [5, 6]
    straight = trained(recipe, tiny_model_dir, tmp_path / "other")
    assert resumed.digest == straight.digest
    assert [p.step for p in resumed.log.points] == [p.step for p in straight.log.points]
    assert not list((tmp_path / "cache").glob("*.work"))


def test_a_checkpoint_cut_off_while_written_is_passed_over(
    make_recipe: Any, tiny_model_dir: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(trainer={"max_steps": 6})
    with pytest.raises(KeyboardInterrupt):
        trained(recipe, tiny_model_dir, tmp_path / "cache", _InterruptAt(5))
    (torn,) = (tmp_path / "cache").glob("*.work/checkpoints/checkpoint-4")
    (torn / "trainer_state.json").unlink()
    count = _CountSteps()
    trained(recipe, tiny_model_dir, tmp_path / "cache", count)
    assert count.steps == [3, 4, 5, 6]


@pytest.mark.parametrize("damage", ["truncate", "remove", "provenance"])
def test_a_torn_cached_adapter_is_trained_again_with_a_warning(
    make_recipe: Any, tiny_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    recipe = make_recipe(trainer={"max_steps": 2})
    first = trained(recipe, tiny_model_dir, tmp_path / "cache")
    weights = first.path / "adapter_model.safetensors"
    if damage == "truncate":
        weights.write_bytes(weights.read_bytes()[:-4])
    elif damage == "remove":
        weights.unlink()
    else:
        (first.path / "provenance.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        again = trained(recipe, tiny_model_dir, tmp_path / "cache")
    assert not again.from_cache
    assert again.digest == first.digest
    assert "is damaged" in caplog.text


def test_key_follows_recipe_data_and_base_but_not_names_and_places(
    make_recipe: Any, tiny_model_dir: Path, tmp_path: Path
) -> None:
    from harness.training.cache import _provenance

    recipe = make_recipe()
    start = _provenance(recipe, "b")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("train.jsonl", "validation.jsonl"):
        (elsewhere / name).write_bytes((tmp_path / name).read_bytes())
    assert _provenance(recipe.model_copy(update={"root": elsewhere, "name": "other"}), "b") == start
    assert _provenance(recipe, "c") != start
    assert _provenance(make_recipe(peft={"r": 8}), "b") != start
    with (tmp_path / "train.jsonl").open("a") as stream:
        stream.write('{"prompt": "one", "completion": "more"}\n')
    assert _provenance(recipe, "b") != start


def test_adapters_cached_when_format_was_called_layout_are_still_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.training import cache

    monkeypatch.setattr(cache, "version", lambda name: "1")
    row = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}], "id": 1}
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(row)}\n" * 4)
    data = RecipeData(train=DataFile(path="a.jsonl", format="messages", limit=3), split=0.5)
    provenance = cache._provenance(Recipe(name="mine", base="b", data=data, root=tmp_path), "BASE")
    assert digest_json(provenance) == "06e999fc21eb977bec7ef0e8b2c1e9b247f45cfaf997106d4bc7ffe2fb0fb756"


@pytest.mark.parametrize(
    ("row", "train_on", "moves"),
    [
        ({"prompt": "a", "completion": "b", "id": 7}, "all", False),
        ({"prompt": "a", "completion": "b"}, "last", False),
        ({"messages": _TURNS}, "last", False),
        ({"messages": _TURNS}, "all", True),
        ({"messages": [*_TURNS[:3], {**_TURNS[3], "weight": 0}]}, "last", True),
        ({"messages": _TURNS[:2], "tools": [{"name": "f"}]}, "all", True),
        ({"messages": [_TURNS[0], {**_TURNS[1], "reasoning_content": "so"}]}, "all", True),
        ({"instruction": "a", "output": "b", "history": []}, "all", False),
        ({"instruction": "a", "output": "b", "history": [["c", "d"]]}, "last", True),
    ],
)
def test_only_rows_that_are_read_anew_are_trained_on_again(
    tmp_path: Path, row: dict[str, Any], train_on: Literal["all", "last"], moves: bool
) -> None:
    from harness.training import cache

    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    data = RecipeData(train=DataFile(path="a.jsonl"), train_on=train_on)
    provenance = cache._provenance(Recipe(name="mine", base="b", data=data, root=tmp_path), "BASE")
    assert "train_on" not in provenance["recipe"]["data"]
    assert ("reading" in provenance) == moves


def test_a_missing_data_file_is_named(make_recipe: Any, tiny_model_dir: Path, tmp_path: Path) -> None:
    recipe = make_recipe()
    (tmp_path / "train.jsonl").unlink()
    with pytest.raises(DataError, match=r"no such data file: .*train\.jsonl"):
        trained(recipe, tiny_model_dir, tmp_path / "cache")


def test_parallel_processes_train_once(make_recipe: Any, tiny_model_dir: Path, tmp_path: Path) -> None:
    recipe = make_recipe(trainer={"max_steps": 2})
    with ProcessPoolExecutor(2, forkserver()) as pool:
        start = partial(
            pool.submit, train, base_path=str(tiny_model_dir), base_digest="b", cache_dir=tmp_path / "cache"
        )
        jobs = [start(recipe), start(recipe)]
        found = [job.result(DEADLINE_S) for job in jobs]
    assert sorted(one.from_cache for one in found) == [False, True]
    assert found[0].digest == found[1].digest
