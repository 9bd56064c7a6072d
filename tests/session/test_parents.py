"""Stacks of adapters, and what a merge was made of: opponents in the base's place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from project import ROWS, TASK
from tiny import save_tiny_adapter, save_tiny_model

from harness.checks import integrity
from harness.config import Config
from harness.config.settings import make_settings
from harness.config.spec import AdapterSpec, ModelSpec, SubjectSpec
from harness.errors import AssayError, ConfigError, ModelError
from harness.gates import Comparison
from harness.models.loading import load_model
from harness.session import Session
from harness.session.parents import RECORD, as_it_lies

NewSession = Callable[..., Session]


@pytest.fixture
def new_session(tmp_path: Path, tiny_model_dir: Path) -> NewSession:
    """Makes a session as a new pytest run would."""
    (tmp_path / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def make(candidate: object, **given: Any) -> Session:
        config = Config(root=tmp_path, tasks={"pets": TASK})
        return Session(make_settings(config, model=str(tiny_model_dir), candidate=str(candidate), **given))

    return make


@pytest.fixture
def other(tiny_model_dir: Path, tmp_path: Path) -> Path:
    return save_tiny_adapter(tiny_model_dir, tmp_path / "other", seed=3, rank=8, targets=["q_proj", "up_proj"])


def logits(session: Session) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = session.models.loaded.in_memory().model(torch.arange(40)[None]).logits
    return found


def edit(adapter: Path, **change: Any) -> Path:
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, **change}))
    return adapter


def test_a_stack_answers_as_the_base_with_the_sum_of_the_changes(
    new_session: NewSession, tiny_model_dir: Path, adapter: Path, other: Path
) -> None:
    session = new_session(f"[{adapter}, {{path: {other}, weight: -0.5}}]")
    summed = load_model(tiny_model_dir, session.models.load_options).in_memory().model
    for path, weight in ((adapter, 1.0), (other, -0.5)):
        alone = load_model(tiny_model_dir, session.models.load_options, adapter=path).in_memory().model
        for name, module in alone.named_modules():
            if hasattr(module, "get_delta_weight"):
                own = summed.get_submodule(name.removeprefix("base_model.model."))
                own.weight.data += weight * module.get_delta_weight("default")
    with torch.inference_mode():
        expected = summed(torch.arange(40)[None]).logits
    assert torch.allclose(logits(session), expected, atol=1e-5)
    check = integrity.combination_is_as_named(session.models.candidate)
    assert check is not None
    assert check.holds
    assert "exactly the weighted sum" in check.reason
    assert check.details["shares"].keys() == {"adapter", "other"}


def test_what_is_not_the_sum_says_so(
    new_session: NewSession, adapter: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    same_rank = save_tiny_adapter(tiny_model_dir, tmp_path / "same", seed=4)
    subject = new_session(f"{{adapter: [{adapter}, {same_rank}], combination: linear}}").models.candidate
    check = integrity.combination_is_as_named(subject)
    assert check is not None
    assert check.holds
    assert "away from the weighted sum" in check.reason


def test_a_member_that_adds_nothing_is_named(new_session: NewSession, adapter: Path, other: Path) -> None:
    check = integrity.combination_is_as_named(
        new_session(f"[{adapter}, {{path: {other}, weight: 0}}]").models.candidate
    )
    assert check is not None
    assert not check.holds
    assert check.reason.startswith("other adds nothing")


def test_a_damaged_member_is_named(new_session: NewSession, adapter: Path, other: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = other / "adapter_model.safetensors"
    tensors = load_file(file)
    save_file({name: t * 0 if "lora_B" in name else t for name, t in tensors.items()}, file)
    members = new_session(f"[{adapter}, {other}]").models.candidate.members
    failed = [check.name for member in members for check in integrity.member_is_sound(member) if not check.holds]
    assert failed == ["other/trained"]


@pytest.mark.parametrize(
    "change", [{"alora_invocation_tokens": [1, 2]}, {"use_qalora": True}, {"arrow_config": {"top_k": 2}}]
)
def test_a_setting_that_no_combination_takes_in_is_refused_by_name(
    new_session: NewSession, adapter: Path, other: Path, change: dict[str, Any]
) -> None:
    edit(other, **change)
    with pytest.raises(AssayError, match=next(iter(change))):
        _ = new_session(f"[{adapter}, {other}]").models.candidate


def test_dare_drops_the_same_values_each_time(
    new_session: NewSession, adapter: Path, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same_rank = save_tiny_adapter(tiny_model_dir, tmp_path / "same", seed=4)
    spec = f"{{adapter: [{adapter}, {same_rank}], combination: dare_linear, density: 0.5}}"
    first = logits(new_session(spec))
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "another"))
    torch.manual_seed(9)
    assert torch.equal(logits(new_session(spec)), first)


def test_an_adapter_on_a_merged_one_is_put_on_the_merge(
    new_session: NewSession, tiny_model_dir: Path, adapter: Path, other: Path
) -> None:
    said = new_session(f"[{{path: {adapter}, merged: true}}, {other}]")
    summed = new_session(f"[{adapter}, {other}]")
    assert torch.allclose(logits(said), logits(summed), atol=1e-4)
    candidate = said.models.candidate
    assert candidate.weights.name == f"{tiny_model_dir.name} + adapter"
    assert [member.base.name for member in candidate.members] == [tiny_model_dir.name, candidate.weights.name]
    assert not said.models.shares_base
    assert list(said.models.parents) == ["adapter"]
    assert said.models.subject("adapter").identity().parts["weights"] == candidate.identity().parts["weights"]


def test_an_adapter_whose_base_is_an_adapter_is_read_as_it_was_trained(
    new_session: NewSession, adapter: Path, other: Path
) -> None:
    edit(other, base_model_name_or_path=str(adapter))
    read, said = new_session(other), new_session(f"[{{path: {adapter}, merged: true}}, {other}]")
    assert read.models.candidate == said.models.candidate
    assert list(read.models.parents) == ["adapter"]


@pytest.mark.parametrize("named", ["adapter", "./adapter", "link"])
def test_an_adapter_that_names_itself_as_its_base_is_not_put_under_itself(
    adapter: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(adapter.parent)
    Path("link").symlink_to(adapter)
    edit(adapter, base_model_name_or_path="adapter")
    for spec in (SubjectSpec(adapters=[AdapterSpec("local", named)]), SubjectSpec(ModelSpec("local", named))):
        assert as_it_lies(spec) == spec


def test_an_order_of_training_that_cannot_be_is_refused(new_session: NewSession, adapter: Path, other: Path) -> None:
    with pytest.raises(ConfigError, match="comes after one that is not"):
        _ = new_session(f"[{adapter}, {{path: {other}, merged: true}}]").models.candidate
    with pytest.raises(ConfigError, match="merged, with weight"):
        _ = new_session(f"[{{path: {adapter}, merged: true, weight: 0.5}}, {other}]").models.candidate


def test_the_parents_of_a_stack_are_its_adapters_each_by_itself(
    new_session: NewSession, adapter: Path, other: Path
) -> None:
    models = new_session(f"[{{path: {adapter}, weight: 0.5}}, {{path: {other}, weight: -1}}]").models
    assert list(models.parents) == ["adapter"]  # what is subtracted is to be undone
    assert models.subject("adapter").identity() == new_session(adapter).models.identity("candidate")


def test_parents_may_be_named_and_none_may_be(
    new_session: NewSession, adapter: Path, other: Path, tmp_path: Path
) -> None:
    twin = Path(shutil.copytree(other, tmp_path / "deep" / "adapter"))
    said = f"[{adapter}, {twin}, {{name: third, adapter: {other}}}]"
    assert list(new_session(f"{{adapter: {other}, parents: {said}}}").models.parents) == [
        "adapter-1",
        "adapter-2",
        "third",
    ]
    assert not new_session(f"{{adapter: [{adapter}, {other}], parents: []}}").models.parents
    assert not new_session(adapter).models.parents
    with pytest.raises(AssayError, match="nowhere"):
        new_session(f"{{adapter: {other}, parents: [{tmp_path / 'nowhere'}]}}").models.check_candidate()


def test_parents_answer_in_the_bases_place_and_leave_no_samples_of_it(
    tmp_path: Path, tiny_model_dir: Path, adapter: Path, other: Path
) -> None:
    (tmp_path / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    kept: list[Any] = []
    config = Config(root=tmp_path, tasks={"pets": TASK})
    settings = make_settings(config, model=str(tiny_model_dir), candidate=f"[{adapter}, {other}]")
    session = Session(settings, keep_samples=kept.extend)
    against = session.compare("pets", against="other")
    assert isinstance(against, Comparison)
    assert {sample.role for sample in kept} == {"candidate"}
    alone = Session(make_settings(config, model=str(tiny_model_dir), candidate=str(other)))
    assert [s.answer for s in against.base] == [s.answer for s in alone.evaluate("pets", "candidate").samples]
    assert alone.facts().answers.computed == 0  # kept by who answered, whatever it was asked as
    verdict = against.metric("accuracy").non_inferior(0.02).decide()
    assert verdict.gate == "other/pets/accuracy/non_inferior"
    assert [parent.name for parent in session.facts().parents] == ["other"]


def test_a_parent_that_changed_since_the_merge_is_no_longer_it(
    new_session: NewSession, adapter: Path, other: Path, tmp_path: Path
) -> None:
    merge = save_tiny_model(tmp_path / "merge", seed=7)
    row = {"name": "first", "candidate": {"adapter": [str(adapter)]}, "digests": {"adapter": "0" * 64}}
    (merge / RECORD).write_text(json.dumps({"parents": [row]}))
    models = new_session(merge).models
    assert list(models.parents) == ["first"]
    with pytest.raises(ModelError, match="adapter of first changed since"):
        models.subject("first")
