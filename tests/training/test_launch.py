"""Recipes trained by several processes: that they are several, learn what one would, and end together."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
import yaml
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from harness.errors import RecipeError
from harness.models.embedded import ensure_embedded_model
from harness.training import Recipe, TrainedAdapter, load_recipe, train
from harness.training.distribution import check_distribution, trained_in_float32
from harness.training.launch import Launch, share_of_batch
from harness.training.launched import Failure, Job
from harness.training.launching import _told, await_builds

ONE, TWO = {"processes": 1}, {"processes": 2}
ZERO_3 = {**TWO, "deepspeed": {"zero_optimization": {"stage": 3}}}
WAYS = {"DDP": TWO, "ZeRO-2": {**TWO, "deepspeed": {"zero_optimization": {"stage": 2}}}, "ZeRO-3": ZERO_3}
NEEDS_DEEPSPEED = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed (extra `deepspeed`)"
)
ALL_WAYS = [
    pytest.param(launch, id=name, marks=[NEEDS_DEEPSPEED] if "deepspeed" in launch else [])
    for name, launch in WAYS.items()
]
AS_CLOSE = 1e-3
GENTLE = {
    "learning_rate": 0.001
}  # where started processes compute in bfloat16, what larger steps round otherwise adds up


def trained(recipe: Recipe, base: Path, cache: Path) -> TrainedAdapter:
    return train(recipe, base_path=str(base), base_digest="b", cache_dir=cache)


def losses(adapter: TrainedAdapter) -> list[float]:
    found = [loss for point in adapter.log.points for loss in (point.loss, point.eval_loss) if loss is not None]
    assert len(found) >= 4
    return found


@pytest.mark.parametrize("launch", ALL_WAYS)
def test_two_processes_learn_what_one_does(
    make_recipe: Callable[..., Recipe], tiny_model_dir: Path, tmp_path: Path, launch: dict[str, Any]
) -> None:
    alone = trained(make_recipe(trainer=GENTLE), tiny_model_dir, tmp_path / "cache")
    together = trained(make_recipe(trainer=GENTLE, launch=launch), tiny_model_dir, tmp_path / "cache")
    assert alone.path != together.path
    assert losses(together) == pytest.approx(losses(alone), abs=AS_CLOSE)
    one, other = (load_file(found.path / "adapter_model.safetensors") for found in (alone, together))
    assert {name: tensor.shape for name, tensor in one.items()} == {
        name: tensor.shape for name, tensor in other.items()
    }
    assert together.log.summary.trainable_params == alone.log.summary.trainable_params
    assert {path.name for path in together.path.iterdir()} == {path.name for path in alone.path.iterdir()}


@pytest.mark.real_model
@NEEDS_DEEPSPEED
@pytest.mark.parametrize("launch", ALL_WAYS)
def test_two_processes_learn_what_one_does_on_the_embedded_model(
    make_recipe: Callable[..., Recipe], tmp_path: Path, launch: dict[str, Any]
) -> None:
    base = ensure_embedded_model()
    said = {"max_steps": 2, "learning_rate": 1e-4, "eval_steps": 1, "per_device_eval_batch_size": 1}
    # in bfloat16 a loss depends on which rows are computed together: on as many as each of two processes has. These tests compute
    # in float32 whatever the processor has, and started processes do not
    halves = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    alone = trained(make_recipe(trainer={**said, **halves}, launch=ONE), base, tmp_path / "cache")
    together = trained(make_recipe(trainer=said, launch=launch), base, tmp_path / "cache")
    assert losses(together) == pytest.approx(losses(alone), abs=AS_CLOSE)


def test_a_killed_process_ends_all_with_its_own_error(
    make_recipe: Callable[..., Recipe], tiny_model_dir: Path, tmp_path: Path
) -> None:
    """No process is left, and the error says which one was killed, and how."""
    recipe = make_recipe(launch=TWO, trainer={"max_steps": 100_000, "eval_steps": 50_000})
    done = threading.Event()

    def kill_second() -> None:
        while not done.wait(0.05):
            for process in psutil.Process().children(recursive=True):
                if _environment(process).get("RANK") == "1":
                    process.send_signal(signal.SIGKILL)
                    return

    watch = threading.Thread(target=kill_second)
    watch.start()
    try:
        with pytest.raises(
            RecipeError, match="process 1 of 2 was killed by signal 9, and the others were ended with it"
        ):
            trained(recipe, tiny_model_dir, tmp_path / "cache")
    finally:
        done.set()
        watch.join()
    assert not [one for one in psutil.Process().children(recursive=True) if "RANK" in _environment(one)]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def test_a_wrong_recipe_is_told_by_the_process_that_finds_it(
    make_recipe: Callable[..., Recipe], tiny_model_dir: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(launch=TWO, peft={"target_modules": ["q_prj"]})
    with pytest.raises(
        RecipeError, match=r"process \d of 2: peft.target_modules: 'q_prj' matches no module of the base"
    ):
        trained(recipe, tiny_model_dir, tmp_path / "cache")


def test_processes_end_with_the_one_that_started_them(
    make_recipe: Callable[..., Recipe], tiny_model_dir: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(launch=TWO, trainer={"max_steps": 100_000, "eval_steps": 50_000})
    (tmp_path / "work").mkdir()
    Job(recipe, str(tiny_model_dir), tmp_path / "work", tmp_path / "adapter", None).write(tmp_path)
    started = subprocess.Popen(
        [sys.executable, "-m", "harness.training.launched", str(tmp_path)],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    workers: list[psutil.Process] = []
    while len(workers) < 2:
        workers = [one for one in psutil.Process(started.pid).children(recursive=True) if "RANK" in _environment(one)]
        time.sleep(0.05)
    assert started.stdin is not None
    started.stdin.close()  # as the system does where whoever holds it is killed
    assert started.wait() != 0
    assert psutil.wait_procs(workers)[1] == []


@pytest.mark.parametrize(
    ("launch", "processes", "found", "said"),
    [
        (TWO, 1, "NO", "launch.processes is 2, and 1 train together (NO)"),
        (
            {**TWO, "fsdp": {}},
            2,
            "MULTI_CPU",
            "launch.fsdp was asked for, and accelerate shares the work as MULTI_CPU on cpu",
        ),
        (ZERO_3, 2, "MULTI_CPU", "launch.deepspeed was asked for"),
    ],
)
def test_a_start_that_is_silently_another_is_refused(
    launch: dict[str, Any], processes: int, found: str, said: str
) -> None:
    accelerator = SimpleNamespace(
        num_processes=processes, distributed_type=f"DistributedType.{found}", device=SimpleNamespace(type="cpu")
    )
    with pytest.raises(RecipeError) as error:
        check_distribution(accelerator, Launch(**launch))
    assert said in str(error.value)
    assert error.value.remedy


@pytest.mark.parametrize(
    ("rows", "accumulation", "share"), [(4, 1, (2, 1)), (4, 3, (2, 3)), (3, 4, (3, 2)), (3, 1, None)]
)
def test_a_step_learns_from_as_many_rows_as_in_one_process(
    rows: int, accumulation: int, share: tuple[int, int] | None
) -> None:
    if share is not None:
        assert share_of_batch("mine", Launch(**TWO), rows, accumulation) == share
        return
    with pytest.raises(RecipeError, match=r"divides neither trainer.per_device_train_batch_size \(3\) nor"):
        share_of_batch("mine", Launch(**TWO), rows, accumulation)


def test_a_lock_that_nobody_holds_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    await_builds(0.0)
    lock = tmp_path / "py311_cpu" / "deepspeed_shm_comm" / "lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(RecipeError) as error:
        await_builds(0.0)
    assert str(lock) in error.value.problem
    assert error.value.remedy == f"where no other process compiles, remove it: rm {lock}"


def test_an_exit_without_a_word_is_told_by_its_code(make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe = make_recipe(launch=TWO)
    assert recipe.launch is not None
    Failure(1, 3).write(tmp_path)
    assert "process 1 of 2 ended with code 3" in _told(recipe, recipe.launch, tmp_path, 1).problem


def test_a_killed_process_is_told_before_what_others_raise_that_lost_it(tmp_path: Path) -> None:
    Failure(0, problem="RuntimeError: connection closed by peer").write(tmp_path)
    Failure(1, -signal.SIGKILL).write(tmp_path)
    assert Failure.first(tmp_path) == Failure(1, -signal.SIGKILL)
    Failure(0, -signal.SIGTERM).write(tmp_path)
    assert Failure.first(tmp_path) == Failure(1, -signal.SIGKILL)
    Failure(2, problem="the recipe is wrong", remedy="mend it").write(tmp_path)
    found = Failure.first(tmp_path)
    assert found is not None
    assert found.remedy == "mend it"


@pytest.mark.parametrize(
    ("launch", "trainer", "said"),
    [
        ({}, {}, "launch.processes is missing"),
        ({**TWO, "fsdp": {}, "deepspeed": {}}, {}, "deepspeed and fsdp are given"),
        ({"process": 2}, {}, "launch: unknown key 'process'"),
        ({**TWO, "deepspeed": {"zero_optimisation": {"stage": 3}}}, {}, "its keys are: zero_optimisation"),
        ({**TWO, "deepspeed": {"zero_optimization": {}}}, {}, "deepspeed names no stage of ZeRO"),
        (TWO, {"deepspeed": "ds.json"}, "how a training is distributed is said under `launch:`"),
    ],
)
def test_a_launch_that_cannot_be_is_refused(
    make_recipe: Callable[..., Recipe], launch: dict[str, Any], trainer: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError) as error:
        make_recipe(launch=launch, trainer=trainer)
    assert said in str(error.value)


def test_what_zero_3_trains_is_in_float32_though_the_base_is_not(tiny_model_dir: Path) -> None:
    """As TRL has it there: in the precision of the base, which rounds away what a step changes."""
    base = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=torch.bfloat16)
    config = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(base, config, autocast_adapter_dtype=False)
    trained_in_float32(model)
    assert {one.dtype for one in model.parameters() if one.requires_grad} == {torch.float32}
    assert {one.dtype for one in model.parameters() if not one.requires_grad} == {torch.bfloat16}


@pytest.mark.parametrize("is_cast", [False, True])
def test_zero_3_keeps_no_parameter_whole_beside_those_of_another_precision(is_cast: bool) -> None:
    said = Launch(**ZERO_3).arguments(is_cast=is_cast)["deepspeed"]["zero_optimization"]
    assert said["stage"] == 3
    assert said.get("stage3_param_persistence_threshold") == (None if is_cast else 0)


def test_all_stages_are_launched_as_the_recipe_says(tmp_path: Path) -> None:
    stage = {"data": {"train": {"path": "a.jsonl"}}, "trainer": {"learning_rate": 1e-3}}
    document = {"base": "tiny", "launch": TWO, "stages": [stage, stage]}
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(document))
    found = load_recipe(tmp_path / "two.yaml", root=tmp_path)
    assert [part.launch for part in found.parts] == [Launch(**TWO)] * 2
    assert json.loads(json.dumps(found.to_json()))["stages"][0]["launch"] == TWO
