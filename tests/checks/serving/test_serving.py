"""A served candidate beside the one that was measured: a right one passes, and each fault is failed by its own gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Status
from served_tiny import BASE, CANDIDATE, FaultyServer, TinyServer, in_bfloat16, in_fp8, load
from tiny import CHATML

from harness.checks import serving
from harness.checks.release import Passages
from harness.checks.release.reading import Passage
from harness.checks.serving.conversations import Put, _fault
from harness.checks.serving.line import Line, Lines, Probe
from harness.checks.serving.load import Load
from harness.checks.serving.parity import rounding
from harness.config import Serving
from harness.config.spec import ServedModel
from harness.engines.server import RetryPolicy
from harness.gates import Gateable
from harness.records import Verdict
from harness.session import Session

GATES: Mapping[str, Callable[[serving.Parity], Gateable | None]] = {
    "effect": lambda parity: serving.effect(parity, 0.75),
    "strength": lambda parity: serving.strength_is_the_candidates(parity, 0.85),
    "template": serving.template,
    "decoding": lambda parity: serving.decoding(parity, 0.15),
    "quantisation": lambda parity: serving.quantisation(parity, 4.0),
    "isolation": lambda parity: serving.isolation(parity, 0.85, 0.75),
    "stability": lambda parity: serving.stability(parity, 4.0, 0.10),
}
HEADINGS = (
    "{% for message in messages %}{{ '### ' + message['role'] + '\n' + message['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def shop(learner_dir: Path, adapters: dict[str, Path], session: Session) -> Callable[..., TinyServer]:
    """Makes servers of the approved candidate, or of what its adapter was made into."""
    base, candidate = load(learner_dir), load(learner_dir, adapters["approved"])
    tokenizer = session.texts.candidate.loaded.tokenizer

    def make(adapter: str | None = "approved", *, scale: float = 1.0, change: Any = None, **how: Any) -> TinyServer:
        served = candidate
        if adapter is None:
            served = base
        elif adapter != "approved" or scale != 1 or change is not None:
            served = load(learner_dir, adapters[adapter], scale=scale, change=change or (lambda weights: weights))
        return TinyServer({BASE: base, CANDIDATE: served}, tokenizer, **how)

    return make


class KeptLines(Lines):
    """Computes what is expected at some probes once for all servers."""

    def __init__(self, texts: Passages, rounding: float) -> None:
        super().__init__(texts, rounding)
        self.kept: dict[Any, Line] = {}

    def of(self, probes: Sequence[Probe], passages: Sequence[Passage] | None = None) -> Line:
        if tuple(probes) not in self.kept:
            self.kept[tuple(probes)] = super().of(probes, passages)
        return self.kept[tuple(probes)]


KEPT: dict[tuple[int, float], KeptLines] = {}


def verdicts(
    session: Session, server: Callable[[str, Any], Any], *names: str, stated: Serving | None = None
) -> dict[str, Verdict | None]:
    """What gates say of a server; None of those that are skipped."""
    with FaultyServer(server) as http:
        parity = serving.Parity(
            ServedModel(CANDIDATE, http.url),
            ServedModel(BASE, http.url),
            session.texts,
            stated or Serving(),
            session.models.load_options,
            retry=RetryPolicy(tries=2, first_wait_s=0.01),
        )
        step = rounding(stated or Serving(), session.models.load_options)
        parity.lines = KEPT.setdefault((id(session), step), KeptLines(session.texts, step))
        found = {name: GATES[name](parity) for name in names or GATES}
        decided = {name: None if gate is None else gate.decide() for name, gate in found.items()}
        assert len(parity.line.probes) <= 64
    return decided


def outcomes(*asked: Any, **how: Any) -> dict[str, str]:
    return {name: verdict.outcome if verdict else "skipped" for name, verdict in verdicts(*asked, **how).items()}


@pytest.mark.parametrize("change", [None, in_bfloat16])
def test_the_candidate_itself_passes_every_gate(session: Session, shop: Any, change: Any) -> None:
    found = verdicts(session, shop(change=change))
    assert {name: verdict.outcome for name, verdict in found.items() if verdict} == dict.fromkeys(GATES, "pass")
    strength = found["strength"]
    assert strength is not None and strength.estimate is not None
    assert strength.estimate.ends == pytest.approx((1, 1), abs=0.02)


FAULTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "no adapter": ("effect", {"adapter": None}),
    "another adapter": ("effect", {"adapter": "other"}),
    "alpha / r of an rsLoRA": ("strength", {"scale": 0.5}),
    "alpha / sqrt(r) of a LoRA": ("strength", {"scale": 2.0}),
    "three tenths": ("strength", {"scale": 0.3}),
    "stale prefixes": ("isolation", {"mixes": True}),
    "another template": ("template", {"template": HEADINGS}),
    "another end of turns": ("template", {"template": CHATML.replace("<|im_end|>", "<|endoftext|>")}),
    "BOS twice": ("template", {"bos_twice": True}),
    "a context that cuts": ("template", {"cut": 256}),
    "a context that cuts and hides it": ("template", {"cut": 256, "counts_all": True}),
    "a repetition penalty": ("decoding", {"penalty": 1.5}),
    "FP8": ("quantisation", {"change": in_fp8}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_failed_by_its_gate(session: Session, shop: Any, fault: str) -> None:
    gate, how = FAULTS[fault]
    assert outcomes(session, shop(**how), gate) == {gate: "fail"}


@pytest.mark.parametrize("fault", ["another template", "BOS twice", "a repetition penalty", "FP8", "stale prefixes"])
def test_a_fault_elsewhere_is_none_of_the_adapter(session: Session, shop: Any, fault: str) -> None:
    found = outcomes(session, shop(**FAULTS[fault][1]), "effect", "strength")
    assert found == {"effect": "pass", "strength": "pass"}


def test_the_strength_that_is_served_is_told(session: Session, shop: Any) -> None:
    for scale in (0.3, 0.5, 2.0):
        verdict = verdicts(session, shop(scale=scale), "strength")["strength"]
        assert verdict is not None and verdict.estimate is not None
        assert verdict.estimate.value == pytest.approx(scale, abs=0.05)


def test_without_log_probabilities_written_tokens_decide_and_rounding_cannot_be_told(
    session: Session, shop: Any
) -> None:
    healthy = outcomes(session, shop(tells=False, takes_tokens=False))
    assert healthy.pop("quantisation") == "skipped"
    assert "fail" not in healthy.values()
    assert (healthy["effect"], healthy["template"], healthy["isolation"]) == ("pass", "pass", "pass")
    for how, gate in (
        ({"adapter": None}, "effect"),
        ({"adapter": "other"}, "effect"),
        ({"template": HEADINGS}, "template"),
    ):
        assert outcomes(session, shop(tells=False, takes_tokens=False, **how), gate) == {gate: "fail"}
    assert outcomes(session, shop(tells=False, takes_tokens=False, scale=0.3), "strength") == {"strength": "fail"}


def test_a_server_of_conversations_alone_is_asked_in_those(session: Session, shop: Any) -> None:
    assert "fail" not in outcomes(session, shop(talks=False)).values()
    assert outcomes(session, shop(talks=False, adapter=None), "effect") == {"effect": "fail"}
    assert outcomes(session, shop(talks=False, scale=0.3), "strength") == {"strength": "fail"}
    assert outcomes(session, shop(talks=False, bos_twice=True), "template") == {"template": "fail"}


def test_what_another_model_decodes_by_cannot_be_told(session: Session, shop: Any) -> None:
    assert outcomes(session, shop(adapter=None), "decoding") == {"decoding": "inconclusive"}


def test_quantisation_that_is_stated_is_let_pass(session: Session, shop: Any) -> None:
    """FP8 is no more than int8 and half as much as 4 bits: the steps that are stated."""
    stated = Serving(quantization="nf4")
    assert outcomes(session, shop(change=in_fp8), "quantisation", stated=stated) == {"quantisation": "pass"}


def test_load_that_changes_answers_fails(session: Session, shop: Any) -> None:
    assert outcomes(session, shop(forgets_when=8), "stability") == {"stability": "fail"}


@pytest.mark.parametrize(
    ("stated", "outcome", "said"),
    [
        (Serving(), "pass", "50 tokens/s, 95% of answers of 32 tokens within 2 s"),
        (Serving(latency_s=2.5, tokens_per_s=40), "pass", "50 tokens/s"),
        (Serving(latency_s=1.5), "fail", "within 1.5 s is asked for"),
        (Serving(tokens_per_s=60), "fail", "at least 60 tokens/s is asked for"),
    ],
)
def test_latency_and_throughput_are_told_and_gated_where_limits_are_set(
    session: Session, shop: Any, monkeypatch: pytest.MonkeyPatch, stated: Serving, outcome: str, said: str
) -> None:
    monkeypatch.setattr("harness.checks.serving.load.under_load", lambda parity: Load(parity.alone, [2.0] * 8, 50.0))
    verdict = verdicts(session, shop(), "stability", stated=stated)["stability"]
    assert verdict is not None and verdict.outcome == outcome and said in verdict.reason


def test_isolation_is_skipped_where_the_base_is_not_named(session: Session, shop: Any) -> None:
    with FaultyServer(shop()) as http:
        served = ServedModel(CANDIDATE, http.url)
        parity = serving.Parity(served, None, session.texts, Serving(), session.models.load_options)
        assert serving.isolation(parity, 0.85, 0.75) is None
        assert http.seen == []


def test_a_name_that_the_server_does_not_know_is_told_in_its_words(session: Session, shop: Any) -> None:
    from harness.errors import EngineError

    with FaultyServer(lambda path, body: Status(404)) as http:
        served = ServedModel("nobody", http.url)
        parity = serving.Parity(served, None, session.texts, Serving(), session.models.load_options)
        with pytest.raises(EngineError, match="404") as caught:
            serving.effect(parity, 0.75)
    assert "model's name" in caught.value.remedy


@pytest.mark.parametrize("seed", range(4))
def test_no_healthy_server_is_failed_whatever_its_batches_do(session: Session, shop: Any, seed: int) -> None:
    server = replace(shop(change=in_bfloat16), noise=0.01, seed=seed)
    assert "fail" not in outcomes(session, server, "effect", "strength", "template", "quantisation").values()


@pytest.mark.parametrize(
    ("refused", "outcome", "said"),
    [
        (lambda body: any(one["role"] == "system" for one in body["messages"]), "fail", "refuses a system prompt"),
        (lambda body: len(body["messages"][0]["content"]) > 600, "fail", "refuses a long conversation"),
        (lambda body: True, "inconclusive", "answers no conversation"),
    ],
)
def test_a_conversation_that_is_refused_is_a_fault_of_the_template(
    session: Session, shop: Any, refused: Any, outcome: str, said: str
) -> None:
    tiny = shop()

    def answer(path: str, body: Any) -> Any:
        return Status(400) if path.endswith("/chat/completions") and refused(body) else tiny(path, body)

    verdict = verdicts(session, answer, "template")["template"]
    assert verdict is not None and verdict.outcome == outcome and said in verdict.reason


def test_tools_may_be_refused_and_those_of_a_task_may_not() -> None:
    assert _fault(Put("a question with a tool", 9, refused=True), 0.1) == ""
    assert "refuses an item of pets" in _fault(Put("an item of pets", 9, refused=True), 0.1)


@pytest.mark.parametrize("told", [0, 3])
def test_a_server_that_counts_prompts_otherwise_is_not_held_to_its_count(
    session: Session, shop: Any, told: int
) -> None:
    """As a proxy that leaves out cached tokens, or adds its own."""
    tiny = shop(tells=False, takes_tokens=False)

    def answer(path: str, body: Any) -> Any:
        if isinstance(said := tiny(path, body), dict):
            said["usage"]["prompt_tokens"] *= bool(told)
            said["usage"]["prompt_tokens"] += told
        return said

    assert outcomes(session, answer, "template") == {"template": "inconclusive"}


def test_a_base_that_takes_conversations_alone_cannot_be_asked_in_turn_with_tokens(session: Session, shop: Any) -> None:
    with FaultyServer(shop()) as http, FaultyServer(shop(talks=False)) as other:
        served, base = ServedModel(CANDIDATE, http.url), ServedModel(BASE, other.url)
        parity = serving.Parity(served, base, session.texts, Serving(), session.models.load_options)
        gate = serving.isolation(parity, 0.85, 0.75)
    assert gate is not None
    verdict = gate.decide()
    assert verdict.outcome == "inconclusive" and "takes conversations alone" in verdict.reason
