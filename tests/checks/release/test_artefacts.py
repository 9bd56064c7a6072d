"""Every subject of the table "Models, stacks and files": what the suites measure of it as the candidate, and as what ships."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from artefacts import MEASURED, WHOLE_CASES, WholeCase
from project import ROWS, TASK
from tiny import save_tiny_adapter, save_tiny_model
from tiny_gguf import write_tiny_gguf, write_tiny_gguf_lora

from harness.checks import release
from harness.checks.integrity import model_is_complete
from harness.checks.integrity.model_files import ModelFiles
from harness.config import Config
from harness.config.settings import make_settings
from harness.engines.requests import DivergenceRequest, GenerateRequest, Generation, Prompt, RollingRequest, Score
from harness.errors import EngineError
from harness.models.export import Source, export, parse_target
from harness.session import Session

TEXT = "The harbour was quiet before dawn."
Make = Callable[[Path, Path, Path], str]


def _exported(form: str) -> Make:
    def make(base: Path, adapter: Path, scratch: Path) -> str:
        return str(export(Source("tiny", base, adapter, {}), parse_target(form), scratch / form))

    return make


def _full_fine_tune(base: Path, adapter: Path, scratch: Path) -> str:
    return str(save_tiny_model(scratch / "tuned", initializer_range=0.16, seed=3))


def _stack(base: Path, adapter: Path, scratch: Path) -> str:
    other = save_tiny_adapter(base, scratch / "other", seed=3, scale=0.1)
    return json.dumps([str(adapter), {"path": str(other), "weight": 0.5}])


def _on_another_model(base: Path, adapter: Path, scratch: Path) -> str:
    return json.dumps({"model": _full_fine_tune(base, adapter, scratch), "adapter": str(adapter)})


def _on_int8(base: Path, adapter: Path, scratch: Path) -> str:
    packed = export(Source("tiny", base, None, {}), parse_target("int8"), scratch / "packed")
    return json.dumps({"model": str(packed), "adapter": str(adapter)})


def _gguf(base: Path, adapter: Path, scratch: Path) -> str:
    return str(write_tiny_gguf(Path(_exported("merged")(base, adapter, scratch)), scratch / "model.gguf", kind="Q8_0"))


def _gguf_lora(base: Path, adapter: Path, scratch: Path) -> str:
    lora = write_tiny_gguf_lora(adapter, base, scratch / "lora.gguf")
    return f"gguf:{write_tiny_gguf(base, scratch / 'base.gguf')}+{lora}"


MAKERS: dict[str, Make] = {
    "full_fine_tune": _full_fine_tune,
    "merged": _exported("merged"),
    "stack": _stack,
    "on_another_model": _on_another_model,
    "quantised_base": lambda base, adapter, scratch: "{quantization: nf4}",
    "int8": _exported("int8"),
    "nf4": _exported("nf4"),
    "on_int8": _on_int8,
    "torchao_int8": _exported("torchao-int8"),
    "torchao_int4": _exported("torchao-int4"),
    "gguf": _gguf,
    "gguf_lora": _gguf_lora,
}


@pytest.fixture(autouse=True)
def _servers_end() -> Iterator[None]:
    yield
    from harness.engines.llama_cpp.server import stop_all

    stop_all()


@pytest.mark.parametrize("case", WHOLE_CASES, ids=lambda case: case.made)
def test_every_cell_of_the_table_is_so(case: WholeCase, learner_dir: Path, tmp_path: Path) -> None:
    if case.needs is not None and importlib.util.find_spec(case.needs) is None:
        pytest.skip(f"{case.needs} is not installed")
    adapter = save_tiny_adapter(learner_dir, tmp_path / "adapter", scale=0.1)
    made = MAKERS[case.made](learner_dir, adapter, tmp_path)
    (tmp_path / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[:2]))
    config = Config(root=tmp_path, tasks={"pets": TASK})
    session = Session(make_settings(config, model=str(learner_dir), candidate=made))
    assert _files(session) == case.files
    answers = _asked(session, GenerateRequest(Prompt.chat("hi"), 2), RollingRequest(TEXT))
    assert isinstance(answers[0], Generation)
    assert isinstance(answers[1], Score) and math.isfinite(answers[1].logprob)
    if case.kl is None:
        _asked(session, DivergenceRequest(TEXT))
    else:
        with pytest.raises(EngineError, match=case.kl):
            _asked(session, DivergenceRequest(TEXT))
    ships = Session(make_settings(config, model=str(learner_dir), adapter=str(adapter), shipped=made))
    drift = release.acts_as_the_candidate(ships.shipping, most_share=0.25, most_flips=0.05, least_strength=0.85)
    assert math.isfinite(drift.details["kl_nats_per_token"])
    assert (ships.models.subject("shipped").is_served) == (case.shipped != MEASURED)


def _asked(session: Session, *requests: Any) -> list[Any]:
    return [answer for _, answer in sorted(session.engine("candidate").answer(list(requests)))]


def _files(session: Session) -> str:
    """What the integrity suite looks at."""
    subject, base = session.models.candidate, session.models.base
    if subject.is_served:
        return "skipped: its files are not at hand"
    if subject.location != base.location:
        files = ModelFiles(subject.weights.directory, base.directory, session.models.load_options)
        assert model_is_complete(files).holds
        return "measured as a whole model"
    return "measured as an adapter" if subject.adapter is not None else "skipped: it has no weights of its own"
