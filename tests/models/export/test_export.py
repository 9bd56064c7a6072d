from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import save_tiny_adapter

from harness.digests import digest_file
from harness.errors import AdapterError, ConfigError, ModelError
from harness.models.export import Source, export, parse_target
from harness.models.export.build import RECORD
from harness.models.export.llama_cpp import VARIABLE, LlamaCppTools, _scaled_plainly
from harness.models.gguf import read_gguf_header
from harness.models.identity import model_identity
from harness.models.loading import LoadOptions, load_model
from harness.models.probing import largest_shift, probe_log_probs
from harness.models.stored_quantization import stored_quantization

FLOAT32 = LoadOptions("float32", "cpu")


def _source(base: Path, adapter: Path | None = None) -> Source:
    return Source("tiny", base, adapter, {"digest": "d"})


def _said(model: Path, adapter: Path | None = None) -> torch.Tensor:
    loaded = load_model(model, FLOAT32, adapter=adapter)
    return probe_log_probs(loaded.in_memory().model, loaded.tokenizer)


def _kl(reference: torch.Tensor, other: torch.Tensor) -> float:
    return float((reference.exp() * (reference - other)).sum(-1).mean())


def test_merged_it_is_the_candidate_and_the_record_tells_how(learner_dir: Path, tmp_path: Path) -> None:
    adapter = save_tiny_adapter(learner_dir, tmp_path / "adapter", scale=0.1)
    made = export(_source(learner_dir, adapter), parse_target("merged"), tmp_path / "out")
    assert largest_shift(_said(learner_dir, adapter), _said(made)) < 1e-3
    record = json.loads((made / RECORD).read_text())
    assert (record["target"], record["source"]) == ("merged", {"name": "tiny", "digest": "d"})
    assert record["files"]["model.safetensors"] == digest_file(made / "model.safetensors")
    assert set(record["files"]) == {path.name for path in made.iterdir()} - {RECORD}


def test_a_change_of_tied_embeddings_alone_is_merged_as_it_acts(learner_dir: Path, tmp_path: Path) -> None:
    adapter = save_tiny_adapter(learner_dir, tmp_path / "adapter", scale=0.1, targets=["embed_tokens", "q_proj"])
    tensors = load_file(adapter / "adapter_model.safetensors")
    [name] = [name for name in tensors if "lora_embedding_A" in name]  # zero as PEFT initialises it
    torch.manual_seed(0)
    tensors[name] = torch.randn_like(tensors[name])
    save_file(tensors, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
    made = export(_source(learner_dir, adapter), parse_target("merged"), tmp_path / "out")
    assert largest_shift(_said(learner_dir, adapter), _said(made)) < 1e-3
    assert json.loads((made / "config.json").read_text())["tie_word_embeddings"] is False


@pytest.mark.parametrize(
    ("form", "stored", "most_kl"),
    [
        ("nf4", "bitsandbytes-nf4", 0.5),
        ("int8", "bitsandbytes-int8", 0.02),
        ("torchao-int8", "torchao-Int8WeightOnlyConfig", 0.02),
        ("torchao-int4", "torchao-IntxWeightOnlyConfig", 0.5),
        ("torchao-float8", "torchao-Float8WeightOnlyConfig", 0.05),
    ],
)
def test_a_quantised_checkpoint_is_the_candidate_within_its_precision(
    form: str, stored: str, most_kl: float, learner_dir: Path, tmp_path: Path
) -> None:
    if form.startswith("torchao") and importlib.util.find_spec("torchao") is None:
        pytest.skip("the extra [torchao] is not installed")
    adapter = save_tiny_adapter(learner_dir, tmp_path / "adapter", scale=0.3)
    made = export(_source(learner_dir, adapter), parse_target(form), tmp_path / "out")
    candidate, base = _said(learner_dir, adapter), _said(learner_dir)
    kl = _kl(candidate, _said(made))
    assert 0 < kl < most_kl
    assert kl < _kl(candidate, base) / 3
    assert stored_quantization(made) == stored
    assert model_identity(made, dtype="float32", quantization="none", device="cuda").parts["quantization"] == stored
    assert not list(made.glob("*.bin"))


def test_a_quantised_checkpoint_is_not_quantised_once_more(tiny_model_dir: Path, tmp_path: Path) -> None:
    made = export(_source(tiny_model_dir), parse_target("int8"), tmp_path / "out")
    with pytest.raises(ModelError, match=r"saved quantised \(bitsandbytes-int8\), and --quantization=nf4"):
        load_model(made, LoadOptions("float32", "cpu", quantization="nf4"))


@pytest.mark.parametrize("method", ["gptq", "awq", "compressed-tensors", "hqq"])
def test_a_checkpoint_whose_loader_is_not_installed_is_refused_by_name(
    method: str, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.quantizers import AutoHfQuantizer

    def refuse(*_: object, **__: object) -> None:
        raise ImportError(f"loading a {method} model needs another package")

    monkeypatch.setattr(AutoHfQuantizer, "from_config", refuse)
    config = json.loads((tiny_model_dir / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": method}}))
    with pytest.raises(
        ModelError, match=f"quantised by {method}, which cannot be loaded here: loading a {method} model"
    ):
        load_model(tmp_path, FLOAT32)


def test_nothing_is_overwritten_and_nothing_is_left_behind(
    tiny_model_dir: Path, tiny_adapter_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        export(_source(tiny_model_dir, tiny_adapter_dir), parse_target("merged"), tmp_path / "taken")
    monkeypatch.setattr("harness.models.export.merging._MOST_SHIFT", -1.0)
    with pytest.raises(AdapterError, match="merged, tiny is not the candidate"):
        export(_source(tiny_model_dir, tiny_adapter_dir), parse_target("merged"), tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_what_cannot_be_made_is_told_before_anything_costly(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=r"did you mean 'gguf:Q4_K_M'"):
        parse_target("gguf:Q4_KM")
    with pytest.raises(ConfigError, match="has no adapter"):
        export(_source(tiny_model_dir), parse_target("merged"), tmp_path / "out")
    with pytest.raises(ConfigError, match="nobody said where they are"):
        export(_source(tiny_model_dir), parse_target("gguf:Q8_0"), tmp_path / "out")


def _stand_in(directory: Path) -> LlamaCppTools:
    """Programs that are called as llama.cpp's are, and copy what they are given."""
    script = "import sys\na = sys.argv\nopen(a[a.index('--outfile') + 1], 'w').write(' '.join(a[-1:]))\n"
    directory.mkdir()
    (directory / "convert_hf_to_gguf.py").write_text(script)
    (directory / "convert_lora_to_gguf.py").write_text(script)
    (directory / "build" / "bin").mkdir(parents=True)
    quantize = directory / "build" / "bin" / "llama-quantize"
    quantize.write_text(f"#!{sys.executable}\nimport sys\nopen(sys.argv[2], 'w').write(sys.argv[3])\n")
    quantize.chmod(0o755)
    return LlamaCppTools(directory)


def test_the_programs_of_llama_cpp_are_called_in_turn(tiny_model_dir: Path, tmp_path: Path) -> None:
    made = export(
        _source(tiny_model_dir), parse_target("gguf:q4_k_m"), tmp_path / "out", _stand_in(tmp_path / "llama.cpp")
    )
    assert (made.name, made.read_text()) == ("tiny-Q4_K_M.gguf", "Q4_K_M")
    assert {path.name for path in made.parent.iterdir()} == {made.name, RECORD}
    steps = json.loads((made.parent / RECORD).read_text())["steps"]
    assert "convert_hf_to_gguf.py" in steps[0] and steps[1].endswith("Q4_K_M")


def test_a_converter_that_fails_is_told_with_its_words(tiny_model_dir: Path, tmp_path: Path) -> None:
    tools = _stand_in(tmp_path / "llama.cpp")
    assert tools.directory is not None
    (tools.directory / "convert_hf_to_gguf.py").write_text("raise SystemExit('Model TinyForCausalLM is not supported')")
    with pytest.raises(ModelError, match="TinyForCausalLM is not supported"):
        export(_source(tiny_model_dir), parse_target("gguf:F16"), tmp_path / "out", tools)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "said",
    [{"use_rslora": True}, {"alpha_pattern": {"q_proj": 3}}, {"rank_pattern": {"q_proj": 2}, "use_rslora": True}],
)
def test_scales_that_the_format_cannot_say_go_into_the_weights(
    said: dict[str, object], learner_dir: Path, tmp_path: Path
) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", **said)  # type: ignore[arg-type]
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(learner_dir), config)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    adapted.save_pretrained(tmp_path / "adapter")
    plain = _scaled_plainly(_source(learner_dir, tmp_path / "adapter"), tmp_path / "plain")
    document = json.loads((plain / "adapter_config.json").read_text())
    assert (document["use_rslora"], document["alpha_pattern"]) == (False, {})
    # as llama.cpp computes it: alpha over the rank that each matrix has
    (plain / "adapter_config.json").write_text(json.dumps({**document, "rank_pattern": said.get("rank_pattern", {}),
                                                           "alpha_pattern": {"q_proj": 8}}))  # fmt: skip
    again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(learner_dir), plain)
    ids = torch.arange(3, 40)[None]
    assert torch.allclose(adapted.eval()(ids).logits, again.eval()(ids).logits, atol=1e-4)


def test_an_adapter_that_gguf_has_no_form_for_is_refused(learner_dir: Path, tmp_path: Path) -> None:
    adapter = save_tiny_adapter(learner_dir, tmp_path / "adapter")
    document = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**document, "use_dora": True}))
    with pytest.raises(ConfigError, match="the adapter is DoRA, which GGUF has no form for"):
        _scaled_plainly(_source(learner_dir, adapter), tmp_path / "plain")


@pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"{VARIABLE} names no checkout of llama.cpp")
@pytest.mark.real_process
def test_the_real_converters_write_what_llama_cpp_reads(learner_dir: Path, tmp_path: Path) -> None:
    adapter = save_tiny_adapter(learner_dir, tmp_path / "adapter", scale=0.1)
    lora = export(_source(learner_dir, adapter), parse_target("gguf-lora"), tmp_path / "lora")
    assert read_gguf_header(lora).is_adapter
