"""What ships beside the approved candidate: rightly made it passes, and each planted loss is found by its own check."""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugged import Echo, plug_in, read_echo
from project import ROWS, TASK
from tiny import CHATML, save_tiny_adapter, save_tiny_model
from tiny_gguf import write_tiny_gguf, write_tiny_gguf_lora

from harness.checks import release
from harness.checks.likeness import Limits, acts_as, strength
from harness.checks.release.passages import shared_out
from harness.config import Config, Serving
from harness.config.settings import make_settings
from harness.engines.backends import ServingEngine
from harness.errors import ConfigError
from harness.gates import Check, GateSpec
from harness.gates.baseline import paired_rule
from harness.models import Identity
from harness.models.export import Source
from harness.session import Session

ROOT = Path(__file__).parents[3]
LIMITS = {"most_share": 0.25, "most_flips": 0.05, "least_strength": 0.85}
CHECKS: dict[str, Callable[[release.Shipping], Check]] = {
    "files": release.files_are_whole,
    "tokenizer": release.tokens_are_the_candidates,
    "chat_template": release.conversations_are_put_alike,
    "ending": release.answers_end_alike,
    "drift": lambda shipping: release.acts_as_the_candidate(shipping, **LIMITS),
}


@pytest.fixture(scope="module")
def shipments() -> Iterator[ModuleType]:
    """The release zoo's makers, which are no part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield importlib.import_module("benchmarks.zoo.shipments")


@pytest.fixture(scope="module")
def other_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("other") / "model", initializer_range=0.16, seed=7)


@pytest.fixture(scope="module")
def approved_dir(learner_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_adapter(learner_dir, tmp_path_factory.mktemp("approved") / "adapter", scale=0.1)


@pytest.fixture(scope="module")
def workshop(
    shipments: ModuleType,
    learner_dir: Path,
    other_dir: Path,
    approved_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """Of one adapter; what it makes of it once is for all tests."""

    def to_gguf(source: Source, directory: Path, type_: str) -> Path:
        directory.mkdir()
        if type_ == "LORA":
            return write_tiny_gguf_lora(source.adapter, source.base, directory / "lora.gguf")
        return write_tiny_gguf(source.base, directory / "model.gguf", kind="Q8_0" if type_ == "Q8_0" else "F32")

    scratch = tmp_path_factory.mktemp("scratch")
    return shipments.Workshop(learner_dir, other_dir, approved_dir, scratch, to_gguf)


@pytest.fixture
def session(learner_dir: Path, tmp_path: Path) -> Callable[..., Session]:
    (tmp_path / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def make(adapter: Path, shipped: object = None, model: Path = learner_dir, **sections: Any) -> Session:
        config = Config(**{"root": tmp_path, "tasks": {"pets": TASK}, **sections})
        given = shipped if shipped is None else json.dumps(shipped) if isinstance(shipped, dict) else str(shipped)
        return Session(make_settings(config, model=str(model), adapter=str(adapter), shipped=given))

    return make


def failed(session: Session, *names: str) -> set[str]:
    return {name for name in names or CHECKS if not CHECKS[name](session.shipping).holds}


@pytest.fixture
def llama_cpp(tmp_path: Path) -> Iterator[None]:
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("the extra [llama-cpp] is not installed")
    from harness.engines.llama_cpp import server

    yield
    server.stop_all()


def of_approved(workshop: Any, surgery: str) -> Any:
    """A workshop of the adapter as a surgery of the zoo leaves it."""
    if not surgery:
        return workshop
    operation = getattr(importlib.import_module("benchmarks.zoo.shipments"), surgery)
    return replace(workshop, adapter=workshop.operated(operation), _made={})


@pytest.mark.parametrize("made", ["merged", "int8", "adapter_itself"])
def test_what_is_made_rightly_passes(made: str, shipments: ModuleType, workshop: Any, session: Any) -> None:
    assert failed(session(workshop.adapter, getattr(shipments, made)(workshop))) == set()


@pytest.mark.parametrize("surgery", ["rank_stabilised", "alphas_by_module", "trained_head"])
def test_so_does_a_right_merge_of_what_converters_lose(
    surgery: str, shipments: ModuleType, workshop: Any, session: Any
) -> None:
    of = of_approved(workshop, surgery)
    assert failed(session(of.adapter, shipments.merged(of)), "files", "drift") == set()


@pytest.mark.parametrize(
    ("made", "surgery", "caught_by"),
    [
        ("rslora_as_plain_lora", "rank_stabilised", "drift"),
        ("alpha_pattern_dropped", "alphas_by_module", "drift"),
        ("modules_to_save_lost", "trained_head", "drift"),
        ("merged_into_4_bits", "", "drift"),
        ("tokenizer_changed", "", "tokenizer"),
        ("template_changed", "", "chat_template"),
        ("eos_lost", "", "ending"),
    ],
)
def test_each_loss_is_found_by_its_own_check(
    made: str, surgery: str, caught_by: str, shipments: ModuleType, workshop: Any, session: Any
) -> None:
    of = of_approved(workshop, surgery)
    assert failed(session(of.adapter, getattr(shipments, made)(of)), "files", caught_by) == {caught_by}


def test_a_tokenizer_that_splits_numbers_otherwise_is_told(
    shipments: ModuleType, workshop: Any, session: Any, tmp_path: Path
) -> None:
    """Its tokens are the same, and plain sentences are: as in a file whose converter took another family's rules."""
    copy = Path(shutil.copytree(workshop.exported("merged"), tmp_path / "copy"))
    document = json.loads((copy / "tokenizer.json").read_text())
    rules = [{"type": "Digits", "individual_digits": True}, document["pre_tokenizer"]]
    document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": rules}
    (copy / "tokenizer.json").write_text(json.dumps(document))
    assert failed(session(workshop.adapter, copy), "tokenizer") == {"tokenizer"}


def test_a_template_that_lost_the_tools_is_told(workshop: Any, session: Any, tmp_path: Path) -> None:
    base, shipped = (Path(shutil.copytree(workshop.base, tmp_path / name)) for name in ("base", "shipped"))
    offering = "{% for tool in tools or [] %}{{ tool | tojson }}\n{% endfor %}"
    (base / "chat_template.jinja").write_text(offering + CHATML)
    spec = {"model": str(shipped), "adapter": str(workshop.adapter)}
    check = release.conversations_are_put_alike(session(workshop.adapter, spec, model=base).shipping)
    assert not check.holds and list(check.details["differences"]) == ["a question with a tool"]


def test_an_adapter_on_other_weights_is_told_by_the_files(
    shipments: ModuleType, workshop: Any, session: Any, tmp_path: Path
) -> None:
    """However alike they are; a copy in another precision is the same base."""
    from safetensors.torch import load_file, save_file

    assert failed(session(workshop.adapter, shipments.wrong_base(workshop)), "files") == {"files"}
    copy = shutil.copytree(workshop.base, tmp_path / "copy")
    tensors = load_file(copy / "model.safetensors")
    save_file(
        {name: tensor.bfloat16() for name, tensor in tensors.items()}, copy / "model.safetensors", {"format": "pt"}
    )
    spec = {"model": str(copy), "adapter": str(workshop.adapter)}
    assert failed(session(workshop.adapter, spec), "files") == set()
    tensors["model.layers.0.mlp.up_proj.weight"][0, 0] += 0.01
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    assert failed(session(workshop.adapter, spec), "files") == {"files"}


def test_a_merge_into_a_near_relative_of_the_base_is_told_by_what_is_refused(
    shipments: ModuleType, workshop: Any, session: Any, tmp_path: Path
) -> None:
    """A base that differs only in what it makes of a letter that no text and no task has, but a prompt of safety's."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    relative = shutil.copytree(workshop.base, tmp_path / "relative")
    tensors = load_file(relative / "model.safetensors")
    letter = AutoTokenizer.from_pretrained(relative).convert_tokens_to_ids("~")
    noise = torch.randn(tensors["model.embed_tokens.weight"].shape[1], generator=torch.Generator().manual_seed(0))
    tensors["model.embed_tokens.weight"][letter] = 0.16 * noise
    save_file(tensors, relative / "model.safetensors", {"format": "pt"})
    wrong = shipments.merged_into_the_wrong_base(replace(workshop, other_base=relative))

    rows = [{"id": str(i), "text": f"~~ {i} ~~"} for i in range(8)]
    (tmp_path / "secret.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {"kind": "safety", "wanted": "refusal", "data": "secret.jsonl", "prompt_field": "text", "id_field": "id"}
    tasks = {"pets": TASK, "secret": {**task, "max_new_tokens": 4}}
    safety = {"harmful": "secret", "safe": "mini_borderline"}
    for shipped, faults in ((wrong, {"drift"}), (shipments.merged(workshop), set())):
        measured = session(workshop.adapter, shipped, tasks=tasks, safety=safety)
        assert failed(measured, "files", "drift") == faults
    parts = CHECKS["drift"](session(workshop.adapter, wrong, tasks=tasks, safety=safety).shipping).details["parts"]
    assert list(parts) == ["probe_texts", "pets", "secret", "mini_borderline"]
    assert parts["probe_texts"]["kl_nats_per_token"] < 0.01 < parts["secret"]["kl_nats_per_token"]
    assert sum(part["positions"] for name, part in parts.items() if name != "probe_texts") <= 640


@given(st.lists(st.integers(0, 400), max_size=8), st.integers(0, 1000))
def test_positions_are_shared_out(wanted: list[int], total: int) -> None:
    """All are given as much as any that wants more, to a position, and nothing is left that one wants."""
    given_out = shared_out(wanted, total)
    assert sum(given_out) == min(total, sum(wanted))
    short = [got for got, want in zip(given_out, wanted, strict=True) if got < want]
    assert all(got <= want for got, want in zip(given_out, wanted, strict=True))
    assert not short or max(given_out) - min(short) <= 1


def test_an_adapter_whose_tensors_are_gone_is_not_whole(shipments: ModuleType, workshop: Any, session: Any) -> None:
    broken = workshop.operated(importlib.import_module("benchmarks.zoo.surgery").layer_missing)
    assert failed(session(workshop.adapter, broken), "files", "drift") == {"files", "drift"}


@pytest.mark.usefixtures("llama_cpp")
class TestGguf:
    @pytest.mark.parametrize("made", ["gguf_q8_0", "gguf_lora"])
    def test_a_gguf_file_made_rightly_passes(
        self, made: str, shipments: ModuleType, workshop: Any, session: Any
    ) -> None:
        assert failed(session(workshop.adapter, getattr(shipments, made)(workshop))) == set()

    def test_one_without_its_eos_and_one_of_the_base_alone_do_not(
        self, shipments: ModuleType, workshop: Any, session: Any, learner_dir: Path, tmp_path: Path
    ) -> None:
        assert failed(session(workshop.adapter, shipments.gguf_without_eos(workshop)), "files", "ending") == {"ending"}
        base = write_tiny_gguf(learner_dir, tmp_path / "base.gguf")
        assert failed(session(workshop.adapter, base), "ending", "drift") == {"drift"}


def test_a_merged_model_that_is_to_be_served_is_what_ships(
    shipments: ModuleType, workshop: Any, session: Any, learner_dir: Path
) -> None:
    for directory, faults in ((shipments.merged(workshop), set()), (str(learner_dir), {"drift"})):
        measured = session(workshop.adapter, serving=Serving(merged=directory))
        assert failed(measured, "files", "drift") == faults
        assert str(measured.models.subject("shipped").location) == directory


def test_answers_are_compared_item_by_item_with_the_candidates(
    shipments: ModuleType, workshop: Any, session: Any, other_dir: Path
) -> None:
    right, wrong = (session(workshop.adapter, one).compare_shipped("pets") for one in (workshop.adapter, other_dir))
    assert [len(right.pairs), right.metric("accuracy").base_name] == [len(ROWS), "approved candidate"]
    asked = GateSpec("pets", "accuracy", "superior", 0.2).against(right, 0.1)
    assert asked is not None and asked.decide().gate == "candidate/pets/accuracy/non_inferior"
    assert paired_rule(asked) is None  # nor is it held against a released adapter, as the candidate's own gates are
    assert release.flipped(right, 0.5).decide().outcome == "pass"
    assert release.length_over_candidate(right, 1.25).decide().outcome == "pass"
    assert [base.answer for base, _ in wrong.pairs] == [base.answer for base, _ in right.pairs]
    assert [one.answer for _, one in wrong.pairs] != [one.answer for _, one in right.pairs]


def test_flips_are_counted_either_way(shipments: ModuleType, workshop: Any, session: Any) -> None:
    same = session(workshop.adapter, workshop.adapter).compare_shipped("pets")
    turned = [
        replace(one, scores={**one.scores, "accuracy": 1 - (one.scores["accuracy"] or 0)}) for one in same.candidate
    ]
    rule = release.flipped(replace(same, candidate=turned), 0.1)
    assert rule is not None
    assert rule.decide().outcome == "fail"
    assert "release/drift" in rule.decide().remedy


def test_what_is_served_elsewhere_is_compared_by_its_answers_alone(
    workshop: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ServingEngine("echo", read_echo, lambda served: Identity({"echo": served.name}), Echo)
    plug_in(monkeypatch, register_engines=lambda register: register(engine))
    measured = session(workshop.adapter, "echo:cat")
    assert "only its answers" in str(measured.shipping.unread)
    assert {one.answer for one in measured.compare_shipped("pets").candidate} == {"cat"}


def test_nothing_named_or_a_recipe_ships_nothing(workshop: Any, session: Any) -> None:
    assert session(workshop.adapter).settings.shipped_spec is None
    with pytest.raises(ConfigError, match="nothing is named that ships"):
        _ = session(workshop.adapter).shipping
    with pytest.raises(ConfigError, match="recipe:mine is trained here, as a candidate alone"):
        _ = session(workshop.adapter, "recipe:mine").shipping


def test_what_is_impossible_to_all_does_not_hide_a_difference() -> None:
    """Rows of the vocabulary that a model masks have a log-probability of minus infinity."""
    import torch

    torch.manual_seed(0)
    base, candidate, other = (torch.randn(20, 50).index_fill(1, torch.tensor([3]), -math.inf) for _ in range(3))
    said = [torch.log_softmax(logits, dim=-1) for logits in (base, candidate, other)]
    limits = Limits(share=0.25, flips=1.0)
    check = acts_as("drift", "it", *said, limits, like="the candidate", remedy="none")
    assert not check.holds and math.isfinite(check.details["kl_nats_per_token"])
    assert acts_as("drift", "it", said[0], said[1], said[1], limits, like="the candidate", remedy="none").holds
    assert strength(said[0], said[1], said[1]) == pytest.approx(1)


def test_strength_tells_a_lost_scale_from_rounding_of_any_size() -> None:
    import torch

    torch.manual_seed(0)
    base, change, noise = (torch.randn(200, 50) for _ in range(3))
    said = {
        name: torch.log_softmax(logits, dim=-1)
        for name, logits in (
            ("base", base),
            ("candidate", base + change),
            ("half", base + change / 2),
            ("rounded", base + change + noise),
            ("twice", base + 2 * change),
        )
    }
    found = {name: strength(said["base"], said["candidate"], said[name]) for name in said}
    assert found == pytest.approx({"base": 0, "candidate": 1, "half": 0.5, "rounded": 1, "twice": 2}, abs=0.05)
