"""The measuring session: identities, caching across sessions, and what it asks for and when."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from project import ROWS, TASK
from tiny import save_tiny_adapter, save_tiny_model

from harness.config import BUILT_IN_PROFILES, Config, Profile
from harness.config.settings import make_settings
from harness.errors import AdapterError, ConfigError
from harness.models import loading
from harness.models.adapters import kind
from harness.models.loading import LoadedModel
from harness.session import Session
from harness.session.estimate import estimate
from harness.session.model_pair import ModelPair

NewSession = Callable[..., Session]


@pytest.fixture
def new_session(tmp_path: Path, tiny_model_dir: Path, adapter: Path) -> NewSession:
    """Makes a session as a new pytest run would."""
    (tmp_path / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def make(profile: Profile | None = None, **given: Any) -> Session:
        profiles = {**BUILT_IN_PROFILES, **({profile.name: profile} if profile else {})}
        config = Config(root=tmp_path, tasks={"pets": TASK}, profiles=profiles)
        wanted = {"model": str(tiny_model_dir), "adapter": str(adapter), "dtype": "float32", **given}
        return Session(make_settings(config, profile=profile.name if profile else None, **wanted))

    return make


def test_a_second_session_takes_every_answer_from_the_cache_and_loads_no_model(new_session: NewSession) -> None:
    first = new_session()
    samples = first.evaluate("pets", "candidate").samples
    assert first.facts().answers.to_json() == {"cached": 0, "computed": 10}
    second = new_session()
    assert [s.answer for s in second.evaluate("pets", "candidate").samples] == [s.answer for s in samples]
    assert second.facts().answers.to_json() == {"cached": 10, "computed": 0}
    assert "loaded" not in vars(second.models)


def test_an_adapter_retrained_in_place_never_meets_the_old_ones_answers(
    new_session: NewSession, tiny_model_dir: Path, adapter: Path
) -> None:
    before = new_session()
    before.compare("pets")
    shutil.rmtree(adapter)
    save_tiny_adapter(tiny_model_dir, adapter, seed=9, scale=2.0)

    after = new_session()
    old = [s.answer for s in before.evaluate("pets", "candidate").samples]
    assert [s.answer for s in after.evaluate("pets", "candidate").samples] != old
    assert after.facts().answers.to_json() == {"cached": 0, "computed": 10}
    after.evaluate("pets", "base")
    assert after.facts().answers.to_json() == {"cached": 10, "computed": 10}


def test_an_adapter_replaced_between_digest_and_load_is_refused(
    new_session: NewSession, tiny_model_dir: Path, adapter: Path
) -> None:
    session = new_session()
    assert session.models.identities["candidate"].digest
    save_tiny_adapter(tiny_model_dir, adapter, seed=9)
    with pytest.raises(AdapterError, match="changed while") as error:
        session.evaluate("pets", "candidate")
    assert "start again" in error.value.remedy


@pytest.mark.parametrize("change", [{"dtype": "bfloat16"}, {"quantization": "nf4"}, {"quantization": "int8"}])
def test_another_precision_is_another_identity(new_session: NewSession, change: dict[str, str]) -> None:
    plain, other = new_session(), new_session(**change)
    for role in ("base", "candidate"):
        assert plain.models.identities[role].digest != other.models.identities[role].digest  # type: ignore[index]


def test_a_run_says_that_only_the_weights_of_int8_count_on_a_cpu(new_session: NewSession) -> None:
    models = new_session(quantization="int8", device="cpu").models
    assert models.identities["base"].parts["quantization"] == "int8-weight-only"
    assert models.facts().precision.quantization == "int8-weight-only"


def test_a_run_says_in_which_way_answers_were_computed_in_process(new_session: NewSession) -> None:
    session = new_session()
    assert session.models.identities["base"].digest
    assert session.models.facts().precision.ways == ()
    session.evaluate("pets", "candidate")
    assert session.models.facts().precision.ways == ("packed attention",)


def test_base_and_candidate_share_one_model_in_memory(new_session: NewSession, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[Path] = []
    load = loading.load_model

    def counting(base: Path, *arguments: Any, **named: Any) -> LoadedModel:
        loads.append(base)
        return load(base, *arguments, **named)

    monkeypatch.setattr(loading, "load_model", counting)
    session = new_session()
    comparison = session.compare("pets")
    assert len(loads) == 1
    assert [b.answer for b in comparison.base] != [c.answer for c in comparison.candidate]
    assert session.compare("pets").base == comparison.base
    assert session.facts().answers.computed == 20


def test_samples_are_handed_over_once_an_evaluation(new_session: NewSession, tmp_path: Path) -> None:
    kept: list[tuple[str, int]] = []
    session = Session(new_session().settings, keep_samples=lambda rows: kept.append((rows[0].role, len(rows))))
    session.evaluate("pets", "candidate")
    session.compare("pets")
    assert kept == [("candidate", 10), ("base", 10)]


def test_the_profile_limits_items_and_training_rows(
    new_session: NewSession, tmp_path: Path, tiny_model_dir: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(f"base: {tiny_model_dir}\ndata: {{train: {{path: pets.jsonl}}}}\n")
    session = new_session(Profile(name="small", limit=4, train_rows=3), adapter="recipe:mine.yaml")
    assert len(session.task("pets").items) == 4
    assert session.models.recipe is not None
    assert session.models.recipe.data.train.limit == 3


def test_facts_ask_for_nothing_that_was_not_needed(new_session: NewSession) -> None:
    session = new_session(model="./nowhere", adapter="./nowhere")
    assert session.facts().to_json() == {"answers": {"cached": 0, "computed": 0}, "data": {}, "progress": {}}
    assert session.models.training_document() is None


def test_a_base_named_by_option_needs_no_recipe_to_be_found(new_session: NewSession, tiny_model_dir: Path) -> None:
    assert new_session(adapter="recipe:nowhere").models.base.directory == tiny_model_dir


def test_a_recipes_base_may_be_a_directory_beside_the_configuration(new_session: NewSession, tmp_path: Path) -> None:
    save_tiny_model(tmp_path / "base")
    (tmp_path / "mine.yaml").write_text("base: base\ndata: {train: {path: pets.jsonl}}\n")
    assert new_session(model=None, adapter="recipe:mine.yaml").models.base.directory == tmp_path / "base"


def test_without_adapter_or_recipe_it_says_what_to_pass(new_session: NewSession) -> None:
    with pytest.raises(ConfigError, match="no adapter to judge, and no other candidate"):
        _ = new_session(adapter=None).models.candidate


@pytest.mark.parametrize("text", ["{", "{}", '{"points": [{"stepp": 1}], "summary": {}}', "[]"])
def test_a_foreign_training_log_is_an_adapter_error(new_session: NewSession, adapter: Path, text: str) -> None:
    (adapter / "training_log.json").write_text(text)
    with pytest.raises(AdapterError, match=r"training_log\.json"):
        _ = new_session().models.training_log


def test_suites_copied_earlier_still_find_load_options_on_the_session(new_session: NewSession) -> None:
    session = new_session()
    with pytest.warns(FutureWarning, match=r"assay\.models\.load_options"):
        assert session.load_options == session.models.load_options


def test_an_adapter_that_changes_the_base_is_not_measured_and_leaves_no_answers_as_the_bases(
    new_session: NewSession, tiny_model_dir: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as unknown:
        unknown.setattr(kind, "change_of_base", lambda key, value: None)
        config = adapter / "adapter_config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "init_lora_weights": "olora"}))
        session = new_session()
        for role in ("base", "candidate"):
            with pytest.raises(AdapterError, match="cannot be compared with its base: switched off, the model is not"):
                session.evaluate("pets", role)
    shutil.rmtree(adapter)
    save_tiny_adapter(tiny_model_dir, adapter)
    healthy = new_session()
    healthy.evaluate("pets", "base")
    assert healthy.facts().answers.to_json() == {"cached": 0, "computed": 10}


def test_models_are_identified_once_for_all_answers_foreseen(
    new_session: NewSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, identified = new_session(), []
    find = ModelPair.other_base
    monkeypatch.setattr(ModelPair, "other_base", lambda pair, role: identified.append(role) or find(pair, role))
    found = estimate(session.models, [session.task("pets")])
    assert (found.answers, found.cached) == (20, 0)
    assert identified == ["base", "candidate"]
