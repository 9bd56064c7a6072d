"""Expressions of a foreign adapter_config.json that would never be done are refused by name, and no other."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.checks.integrity.lora import lora_pairs
from harness.errors import AdapterError
from harness.models.adapters import expressions
from harness.models.adapters.expressions import endless_expression
from harness.models.adapters.tensors import match_tensors

NAMES = [f"model.layers.{i}.{part}" for i in range(4) for part in ("self_attn.q_proj", "mlp.down_proj")]
ENDLESS = r"(\w+\.?)+!"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "_LONGEST_S", 0.1)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"target_modules": ENDLESS}, "target_modules"),
        ({"target_modules": r"([a-z]*[\._0-9]*)*\$"}, "target_modules"),
        ({"exclude_modules": r"((\w|\.)+)+\Z!"}, "exclude_modules"),
        ({"rank_pattern": {"q_proj": 4, ENDLESS: 8}}, "rank_pattern"),
        ({"layers_pattern": ["layers", r"(\w*\w*)*(\w*\w*)*(\w*\w*)*!"]}, "layers_pattern"),
        ({"target_modules": "(.|.)" * 30 + "!"}, "target_modules"),
        ({"modules_to_save": [r"(.*.*)*(.*.*)*(.*.*)*!"]}, "modules_to_save"),
        ({"some_pattern_of_a_later_peft": {ENDLESS: 1}}, "some_pattern_of_a_later_peft"),
    ],
)
def test_what_is_never_done_is_named(config: dict[str, Any], said: str) -> None:
    assert (endless_expression(config, NAMES) or "").startswith(said)


@pytest.mark.parametrize(
    "config",
    [
        {"target_modules": r".*\.layers\.\d+\.(self_attn|mlp)\.(q|down)_proj"},
        {"target_modules": ["q_proj", "down_proj"], "r": 8, "bias": "none", "rank_pattern": {r"layers\.[0-3]\..*": 4}},
        {"target_modules": "(unclosed+", "layers_pattern": None, "modules_to_save": [1, None, "+"]},
    ],
)
def test_what_is_done_in_time_is_let_be(config: dict[str, Any]) -> None:
    assert endless_expression(config, NAMES) is None


def test_many_that_take_a_little_each_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "_LONGEST_S", 0.02)
    config = {"rank_pattern": {f"(a{i}|b)+": 4 for i in range(20_000)}}
    assert (endless_expression(config, NAMES) or "").startswith("rank_pattern")


def test_what_no_expression_can_count_is_the_configuration_s_fault(
    tiny_model_dir: Path, tiny_adapter_dir: Path, tmp_path: Path
) -> None:
    adapter = Path(shutil.copytree(tiny_adapter_dir, tmp_path / "adapter"))
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"target_modules": "a{99999999999}"}))
    with pytest.raises(AdapterError, match=r"cannot be put on .*: the repetition number is too large"):
        match_tensors(adapter, tiny_model_dir)


def test_it_is_found_out_once_and_in_another_thread_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"target_modules": f"{ENDLESS}once", "r": 4}
    with ThreadPoolExecutor(1) as pool:
        assert (pool.submit(endless_expression, config, NAMES).result() or "").startswith("target_modules")
    monkeypatch.setattr(expressions, "computed", None)
    assert (endless_expression(config, NAMES) or "").startswith("target_modules")


@pytest.mark.parametrize(("key", "value"), [("target_modules", ENDLESS), ("rank_pattern", {ENDLESS: 8})])
def test_an_adapter_with_one_is_put_on_no_base(
    tiny_model_dir: Path, tiny_adapter_dir: Path, tmp_path: Path, key: str, value: object
) -> None:
    adapter = Path(shutil.copytree(tiny_adapter_dir, tmp_path / "adapter"))
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(AdapterError, match=f"{key} .* takes too long"):
        match_tensors(adapter, tiny_model_dir)
    with pytest.raises(AdapterError, match=f"{key} .* takes too long"):
        lora_pairs(adapter)
