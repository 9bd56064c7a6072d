"""Two subjects: one model in memory where they share weights, else each by itself, in turn where memory holds but one."""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plugged import Echo, plug_in, read_echo
from project import ROWS, TASK
from tiny import save_tiny_adapter, save_tiny_model

from harness.config import Config
from harness.config.settings import make_settings
from harness.engines import DivergenceRequest, GenerateRequest, Prompt
from harness.engines.backends import ServingEngine
from harness.errors import AdapterError, ConfigError
from harness.models import Identity, loading
from harness.session import Session

NewSession = Callable[..., Session]


@pytest.fixture
def new_session(tmp_path: Path, tiny_model_dir: Path) -> NewSession:
    """Makes a session as a new pytest run would."""
    (tmp_path / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def make(candidate: object, **given: Any) -> Session:
        config = Config(root=tmp_path, tasks={"pets": TASK})
        return Session(make_settings(config, **{"model": str(tiny_model_dir), "candidate": str(candidate), **given}))

    return make


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the base's shape with weights of its own."""
    return save_tiny_model(tmp_path_factory.mktemp("full") / "model", seed=5)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the models loaded so far."""
    names: list[str] = []
    load = loading.load_base

    def counted(base: Path, *given: Any, **more: Any) -> Any:
        names.append(base.name)
        return load(base, *given, **more)

    monkeypatch.setattr(loading, "load_base", counted)
    return names


def answers(session: Session) -> list[str]:
    comparison = session.compare("pets")
    return [sample.answer for sample in (*comparison.base, *comparison.candidate)]


def test_an_adapter_by_either_option_is_the_same_candidate(
    new_session: NewSession, adapter: Path, loads: list[str]
) -> None:
    session = new_session(adapter)
    assert session.models.candidate.adapter is not None
    assert session.models.shares_base
    answers(session)
    assert len(loads) == 1
    config = Config(root=adapter.parent)
    given = make_settings(config, model=session.settings.model, adapter=str(adapter))
    assert Session(given).models.identities == session.models.identities


@pytest.mark.parametrize("peft", ["none", {"r": 2, "target_modules": ["q_proj"]}], ids=["whole", "adapter"])
def test_what_a_recipe_trains_is_the_candidate(new_session: NewSession, peft: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"prompt": "Greet.", "completion": "Hello."}) + "\n")
    trainer = {"max_steps": 1, "learning_rate": 0.01, "activation_checkpointing": False}
    document = {"base": "tiny", "peft": peft, "data": {"train": {"path": "rows.jsonl"}}, "trainer": trainer}
    (tmp_path / "mine.yaml").write_text(json.dumps(document))
    session = new_session("recipe:mine.yaml")
    candidate = session.models.candidate
    assert (candidate.name, candidate.recipe) == ("recipe:mine", "mine")
    assert (candidate.adapter is None, session.models.shares_base) == (peft == "none", peft != "none")
    assert len(answers(session)) == 2 * len(ROWS)
    assert session.models.training_history is not None
    assert session.models.training_history.stated_method == "sft"


def test_a_whole_model_is_measured_beside_its_base_and_in_turn_all_the_same(
    new_session: NewSession, full: Path, loads: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    beside = new_session(full)
    said = [*answers(beside), *(s.scores for s in beside.evaluate("general_text", "candidate").samples)]
    assert len(loads) == 2

    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "another"))
    monkeypatch.setattr("harness.models.memory.available_bytes", lambda device: 0)
    in_turn = new_session(full)
    models = in_turn.models
    assert [*answers(in_turn), *(s.scores for s in in_turn.evaluate("general_text", "candidate").samples)] == said
    assert in_turn.facts().answers.cached == 0
    assert [models.loaded_as(role).weights.is_released for role in ("base", "candidate")].count(False) == 1
    assert loads.count(full.name) > 1


def test_how_far_a_model_is_from_its_base_is_kept_for_that_base_alone(
    new_session: NewSession, full: Path, tmp_path: Path
) -> None:
    other = save_tiny_model(tmp_path / "other", seed=8)
    asked = [
        DivergenceRequest("The harbour was quiet before dawn."),
        GenerateRequest(Prompt(text="hi"), max_new_tokens=2),
    ]
    near, far = new_session(full).engine("candidate"), new_session(full, model=str(other)).engine("candidate")
    first, second = (dict(engine.answer(asked)) for engine in (near, far))
    assert first[0].kl != second[0].kl
    assert second[1].text == first[1].text
    assert (far.computed, far.cached) == (1, 1)


def test_the_model_in_memory_is_asked_first_of_the_next_task(
    new_session: NewSession, full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.models.memory.available_bytes", lambda device: 0)
    models = new_session(full).models
    assert models.in_turn == ("base", "candidate")
    for role in models.in_turn:
        assert models.loaded_as(role).in_memory().model is not None
    assert models.in_turn == ("candidate", "base")


def test_what_gave_way_to_another_takes_no_memory_whoever_answered_with_it(
    new_session: NewSession, full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.models.memory.available_bytes", lambda device: 0)
    session = new_session(full)
    session.evaluate("pets", "base")
    base = weakref.ref(session.models.loaded_as("base").in_memory().model)
    session.evaluate("pets", "candidate")
    assert base() is None


def test_another_quantization_is_a_model_of_its_own(new_session: NewSession, loads: list[str]) -> None:
    session = new_session("{quantization: nf4}")
    assert not session.models.shares_weights
    answers(session)
    assert len(loads) == 2


def test_a_template_of_the_candidates_own_needs_no_second_model(
    new_session: NewSession, adapter: Path, tmp_path: Path, loads: list[str]
) -> None:
    (tmp_path / "t.jinja").write_text("{% for m in messages %}{{ m['content'] }}!{% endfor %}")
    models = new_session(f"{{adapter: {adapter}, template: {tmp_path / 't.jinja'}}}").models
    base, candidate = (models.loaded_as(role) for role in ("base", "candidate"))
    assert base.in_memory().model is candidate.in_memory().model
    asked = [{"role": "user", "content": "hi"}]
    assert candidate.tokenizer.apply_chat_template(asked, tokenize=False) == "hi!"
    assert base.tokenizer.apply_chat_template(asked, tokenize=False) != "hi!"


def test_the_base_itself_is_no_candidate(new_session: NewSession, tiny_model_dir: Path) -> None:
    with pytest.raises(ConfigError, match="the candidate is the base"):
        _ = new_session(tiny_model_dir).models.identities


def test_nothing_can_be_put_on_what_is_served(new_session: NewSession, adapter: Path) -> None:
    served = "openai:tuned@http://localhost:1/v1"
    for parts in (f"adapter: {adapter}", "quantization: nf4"):
        with pytest.raises(ConfigError, match="cannot be put on it from here"):
            _ = new_session(f"{{model: '{served}', {parts}}}").models.candidate


def test_a_served_candidate_is_compared_with_a_base_on_this_machine(
    new_session: NewSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ServingEngine("echo", read_echo, lambda served: Identity({"echo": served.name}), Echo, suffixes=(".echo",))
    plug_in(monkeypatch, register_engines=lambda register: register(engine))
    comparison = new_session("echo:cat").compare("pets")
    assert {sample.answer for sample in comparison.candidate} == {"cat"}
    assert [one.item_id for one in comparison.base] == [one.item_id for one in comparison.candidate]
    assert new_session("model.echo").models.candidate.name == "model.echo"


def test_two_adapters_act_as_their_weighted_sum(
    new_session: NewSession, tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    import torch

    other = save_tiny_adapter(tiny_model_dir, tmp_path / "other", seed=3, rank=8)
    alone = [new_session(one).models.loaded.in_memory().model for one in (adapter, other)]
    models = new_session(f"[{adapter}, {{path: {other}, weight: -0.5}}]").models
    assert models.shares_base
    name = "base_model.model.model.layers.1.mlp.up_proj"
    first, second, both = (
        model.get_submodule(name).get_delta_weight("default") for model in (*alone, models.loaded.in_memory().model)
    )
    assert torch.allclose(both, first - 0.5 * second, atol=1e-5)
    assert models.candidate.name == f"{adapter.name} + -0.5 {other.name}"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"use_dora": True}, "DoRA's magnitudes"),
        ({"peft_type": "LOHA"}, "peft_type 'LOHA'"),
        ({"bias": "all"}, "trained biases"),
        ({"layers_to_transform": [0]}, "differ in layers_to_transform"),
    ],
)
def test_what_peft_would_combine_wrongly_is_refused_by_name(
    new_session: NewSession, adapter: Path, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    other = Path(shutil.copytree(adapter, tmp_path / "other"))
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(AdapterError, match=named):
        _ = new_session(f"[{adapter}, {other}]").models.candidate


def test_unequal_ranks_need_a_combination_that_takes_them(
    new_session: NewSession, tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    other = save_tiny_adapter(tiny_model_dir, tmp_path / "other", seed=3, rank=8)
    with pytest.raises(AdapterError, match="by linear") as error:
        _ = new_session(f"{{adapter: [{adapter}, {other}], combination: linear}}").models.candidate
    assert "combination: cat" in error.value.remedy
    for combination in ("svd", "ties_svd, density: 0.5"):
        assert new_session(f"{{adapter: [{adapter}, {other}], combination: {combination}}}").models.candidate.stack


def test_a_rank_stabilised_adapter_keeps_its_strength_among_others(
    new_session: NewSession, tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    import torch

    first = Path(shutil.copytree(adapter, tmp_path / "rslora"))
    config = json.loads((first / "adapter_config.json").read_text())
    (first / "adapter_config.json").write_text(json.dumps({**config, "use_rslora": True}))
    name = "base_model.model.model.layers.0.self_attn.q_proj"
    one, two, both = (
        new_session(given).models.loaded.in_memory().model.get_submodule(name).get_delta_weight("default")
        for given in (first, adapter, f"[{first}, {adapter}]")
    )
    assert torch.allclose(both, one + two, atol=1e-5)
