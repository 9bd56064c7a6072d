"""A session measures under the chat template, its arguments and the system prompt that were chosen, and says so in identities."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny import CHATML
from trainer_outputs import Place, openai_job

from harness.checks import integrity
from harness.config import Config
from harness.config.settings import make_settings
from harness.engines.rendering import render_text
from harness.engines.requests import Prompt
from harness.errors import Complaints, ConfigError
from harness.models.loading import load_tokenizer
from harness.session.model_pair import ModelPair
from harness.session.needs import Needs
from harness.session.preflight import check_files
from harness.session.subjects import ROLES

OTHER = (
    CHATML.replace("<|im_start|>", "[").replace("<|im_end|>", "]") + "{% if loud is defined %}{{ 'LOUD' }}{% endif %}"
)
NewPair = Callable[..., ModelPair]


@pytest.fixture
def base(tiny_model_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "base"))


@pytest.fixture
def new_pair(base: Path, adapter: Path, tmp_path: Path) -> NewPair:
    """A pair of the tiny base and an adapter with another template beside it."""
    (adapter / "chat_template.jinja").write_text(OTHER)

    def make(template: str | None = None, reasoning: str | None = None, **written: Any) -> ModelPair:
        config = Config(root=tmp_path, **written)
        return ModelPair(
            make_settings(config, model=str(base), adapter=str(adapter), template=template, reasoning=reasoning)
        )

    return make


def rendered(pair: ModelPair, role: Any) -> str:
    subject = pair.subject(role)
    return render_text(load_tokenizer(subject.weights.directory, pair.load_options_of(subject)), Prompt.chat("Why?"))


def template_check(pair: ModelPair) -> Any:
    adapter, base = pair.candidate.directory, pair.base.directory
    return integrity.chat_template_is_the_bases(adapter, base, load_tokenizer(base), pair.chosen_template)


def test_a_template_that_differs_asks_for_the_choice_and_holds_once_it_is_made(new_pair: NewPair) -> None:
    unchosen = template_check(new_pair())
    assert not unchosen.holds
    assert "--template=adapter" in unchosen.remedy and "--template=base" in unchosen.remedy
    for chosen in ("adapter", "base"):
        check = template_check(new_pair(chosen))
        assert check.holds
        assert check.reason.endswith(f"measured under the one that was chosen: {chosen}")


def test_the_chosen_template_renders_the_candidates_prompts_and_is_in_its_identity(
    new_pair: NewPair, tmp_path: Path
) -> None:
    plain = new_pair()
    (tmp_path / "own.jinja").write_text(OTHER)
    for pair in (new_pair("adapter"), new_pair(str(tmp_path / "own.jinja"))):
        assert rendered(pair, "candidate").startswith("[user")
        assert rendered(pair, "base") == rendered(plain, "base")
        assert pair.identities["base"] == plain.identities["base"]
        assert (
            pair.identities["candidate"].parts["chat_template"] != plain.identities["candidate"].parts["chat_template"]
        )
    for pair in (new_pair("base"), new_pair(reasoning="none")):
        assert pair.identities == plain.identities


def test_the_file_of_assay_yaml_may_choose_and_the_option_comes_first(new_pair: NewPair, tmp_path: Path) -> None:
    (tmp_path / "own.jinja").write_text(OTHER)
    from harness.config.file import Config as File

    config = File(root=tmp_path, template="own.jinja")
    assert make_settings(config).template == str(tmp_path / "own.jinja")
    assert make_settings(config, template="base").template == "base"


def test_a_base_without_a_template_is_asked_by_the_one_chosen(new_pair: NewPair, base: Path) -> None:
    (base / "chat_template.jinja").unlink()
    pair = new_pair("adapter")
    assert rendered(pair, "base") == rendered(pair, "candidate")
    assert pair.identities["base"].parts["chat_template"] == pair.identities["candidate"].parts["chat_template"]


def test_template_arguments_and_a_system_prompt_reach_both_and_their_identities(new_pair: NewPair) -> None:
    plain = new_pair("adapter")
    pair = new_pair("adapter", template_args={"loud": True}, system_prompt="Be brief.")
    assert rendered(pair, "candidate") == rendered(plain, "candidate") + "LOUD"
    for role in ("base", "candidate"):
        more = set(pair.identities[role].parts) - set(plain.identities[role].parts)  # type: ignore[index]
        assert more == {"template_args", "system_prompt"}
        asking = pair.asking(role)
        assert asking is not None and asking.system == "Be brief."


def test_nothing_is_asked_otherwise_of_models_that_do_not_think(new_pair: NewPair) -> None:
    assert [new_pair().asking(role) for role in ROLES] == [None, None]


def test_where_one_of_the_two_thinks_both_are_looked_through_for_thoughts(new_pair: NewPair, adapter: Path) -> None:
    thinking = CHATML.replace("assistant\n' }}", "assistant\n<think>\n' }}") + "{% if 0 %}</think>{% endif %}"
    (adapter / "chat_template.jinja").write_text(thinking)
    asking = new_pair("adapter", reasoning_tokens=99).asking
    own, base = asking("candidate"), asking("base")
    assert own is not None and own.reasoning is not None and base is not None and base.reasoning is not None
    assert (own.reasoning.begun, own.reasoning.budget, base.reasoning.budget) == (True, 99, 0)
    assert own.count is not None and own.count("Why?") > 0
    assert [new_pair("adapter", reasoning="none").asking(role) for role in ROLES] == [None, None]


def test_marks_of_ones_own_are_taken_and_half_of_them_refused(new_pair: NewPair) -> None:
    asking = new_pair(reasoning="[[,]]").asking("base")
    assert asking is not None and asking.reasoning is not None
    assert (asking.reasoning.open, asking.reasoning.close, asking.reasoning.budget) == ("[[", "]]", 2048)
    with pytest.raises(ConfigError, match="--reasoning is 'think'"):
        new_pair(reasoning="think")


def test_a_served_candidate_renders_its_own_template(base: Path, tmp_path: Path) -> None:
    served = "openai:tuned@http://127.0.0.1:9/v1"
    pair = ModelPair(make_settings(Config(root=tmp_path), model=str(base), adapter=served, template="adapter"))
    with pytest.raises(ConfigError, match="is served, and its server renders the chat template"):
        _ = pair.candidate


def test_what_is_named_and_is_not_there_is_told_before_anything_is_loaded(new_pair: NewPair) -> None:
    settings = new_pair("none.jinja", training={"log": "none.json"}).settings
    complaints = Complaints()
    check_files(settings, Needs(candidate=True), find_nothing, complaints)
    told = [one.problem for one in complaints.noted]
    assert any("none.jinja is missing" in one for one in told)
    assert any("training.log" in one and "is not the log of a training" in one for one in told)


def test_a_served_candidate_has_the_history_that_its_jobs_events_tell(tmp_path: Path, base: Path) -> None:
    openai_job(Place(tmp_path / "job", base, base))
    config = Config(root=tmp_path, training={"log": "job/events.json"})
    served = "openai:ft:tuned@http://127.0.0.1:9/v1"
    models = ModelPair(make_settings(config, model=str(base), adapter=served))
    history, record = models.training_history, models.training_record
    assert history is not None and record is not None
    assert (history.steps, history.planned_steps, history.source) == (40, 40, "events.json")
    assert (record.base, record.data) == ("gpt-4.1-nano-2025-04-14", ("file-abc",))


def find_nothing(name: str, fewshot: int | None) -> Any:
    raise AssertionError(name)
