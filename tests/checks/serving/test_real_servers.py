"""Real servers, with the candidate and with a conversion that knows alpha over rank alone, half the strength of an rsLoRA."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import transformers_serve
from tiny import save_merged
from tiny_gguf import write_tiny_gguf, write_tiny_gguf_lora

from harness.checks import serving
from harness.config import Serving
from harness.config.spec import ServedModel
from harness.records import Verdict
from harness.session import Session

pytestmark = pytest.mark.real_process


@pytest.fixture(scope="module")
def twin(adapters: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The approved adapter as an rsLoRA: alpha / sqrt(r) is 4 / 2, where it was 8 / 4."""
    directory = Path(shutil.copytree(adapters["approved"], tmp_path_factory.mktemp("twin") / "adapter"))
    file = directory / "adapter_config.json"
    config = json.loads(file.read_text())
    assert (config["lora_alpha"], config["r"]) == (8, 4)
    file.write_text(json.dumps({**config, "use_rslora": True, "lora_alpha": 4}))
    return directory


@pytest.fixture
def llama_cpp() -> Iterator[None]:
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("the extra [llama-cpp] is not installed")
    from harness.engines.llama_cpp import server

    yield
    server.stop_all()


def decided(session: Session, served: ServedModel) -> dict[str, Verdict | None]:
    parity = serving.Parity(served, None, session.texts, Serving(), session.models.load_options)
    found = {
        "effect": serving.effect(parity, 0.75),
        "strength": serving.strength_is_the_candidates(parity, 0.85),
        "template": serving.template(parity),
        "decoding": serving.decoding(parity, 0.15),
        "quantisation": serving.quantisation(parity, 4.0),
        "stability": serving.stability(parity, 4.0, 0.10),
    }
    return {name: None if gate is None else gate.decide() for name, gate in found.items()}


@pytest.mark.usefixtures("llama_cpp")
def test_llama_cpp(session: Session, adapters: dict[str, Path], twin: Path, learner_dir: Path, tmp_path: Path) -> None:
    from harness.engines.llama_cpp.server import LlamaCppServer
    from harness.engines.llama_cpp.spec import GgufModel, Lora

    model = write_tiny_gguf(learner_dir, tmp_path / "model.gguf")
    outcomes = {}
    for name, adapter in (("right", adapters["approved"]), ("wrong", twin)):
        lora = write_tiny_gguf_lora(adapter, learner_dir, tmp_path / f"{name}.gguf")
        server = LlamaCppServer(GgufModel(model, [Lora(lora, 1.0)]), 4)
        try:
            found = decided(session, ServedModel("tiny", f"{server.client.base_url}".rstrip("/") + "/v1"))
        finally:
            server.stop()
        outcomes[name] = {gate: verdict.outcome if verdict else "skipped" for gate, verdict in found.items()}
        strength = found["strength"]
        assert strength is not None and strength.estimate is not None
        assert strength.estimate.value == pytest.approx({"right": 1.0, "wrong": 0.5}[name], abs=0.03)
    assert outcomes["right"] == dict.fromkeys(outcomes["right"], "pass")
    assert outcomes["wrong"]["strength"] == "fail"


def test_transformers_serve(
    session: Session, adapters: dict[str, Path], twin: Path, learner_dir: Path, tmp_path: Path
) -> None:
    """It gives no log-probabilities and takes no tokens: written tokens decide."""
    plain = tmp_path / "plain"  # alpha over rank, whatever the configuration says
    shutil.copytree(twin, plain)
    config = json.loads((plain / "adapter_config.json").read_text())
    (plain / "adapter_config.json").write_text(json.dumps({**config, "use_rslora": False}))
    for name, adapter in (("right", adapters["approved"]), ("wrong", plain)):
        merged = save_merged(learner_dir, adapter, tmp_path / name)
        with transformers_serve(merged, dtype="float32", log=tmp_path / f"{name}.txt") as served:
            found = decided(session, served)
        outcomes = {gate: verdict.outcome if verdict else "skipped" for gate, verdict in found.items()}
        assert outcomes["quantisation"] == "skipped"
        if name == "right":
            assert "fail" not in outcomes.values()
            assert (outcomes["effect"], outcomes["template"]) == ("pass", "pass")
        else:
            assert "fail" in (outcomes["effect"], outcomes["strength"])
