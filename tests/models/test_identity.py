from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from tiny import save_tiny_adapter

from harness.errors import ModelError
from harness.models import identity as module
from harness.models import model_identity
from harness.models.identity import adapter_digest, cached_file_digest, chat_template_digest


@pytest.fixture
def base(tiny_model_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "base"))


def digest(base: Path, adapter: Path | None = None, *, dtype: str = "float32", quantization: str = "none") -> str:
    return model_identity(base, dtype=dtype, quantization=quantization, adapter=adapter).digest


def edit_json(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_copying_or_touching_a_model_does_not_change_it(base, tiny_model_dir):
    os.utime(base / "model.safetensors")
    assert digest(base) == digest(tiny_model_dir)


def test_precision_and_quantization_are_part_of_who_a_model_is(base):
    assert len({digest(base), digest(base, dtype="bfloat16"), digest(base, quantization="nf4")}) == 3


@pytest.mark.parametrize(("quantization", "same"), [("none", True), ("nf4", True), ("int8", False)])
def test_int8_is_another_function_where_activations_are_not_rounded(base, quantization, same):
    parts = [
        model_identity(base, dtype="float32", quantization=quantization, device=device).parts
        for device in ("cpu", "cuda:0")
    ]
    assert (parts[0] == parts[1]) == same
    assert parts[1]["quantization"] == quantization


def test_one_changed_weight_is_another_model(base):
    before = digest(base)
    tensors = load_file(base / "model.safetensors")
    tensors["model.norm.weight"][0] += 1
    save_file(tensors, base / "model.safetensors")
    assert digest(base) != before


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("chat_template.jinja", "chat_template"),
        ("tokenizer.json", "tokenizer"),
        ("generation_config.json", "generation_config"),
        ("config.json", "config"),
    ],
)
def test_each_part_changes_the_digest(base, file, part):
    before = model_identity(base, dtype="float32", quantization="none").parts
    if file.endswith(".json"):
        edit_json(base / file, something_new=1)
    else:
        (base / file).write_text("{{ messages }}")
    after = model_identity(base, dtype="float32", quantization="none").parts
    assert {name for name in before if before[name] != after[name]} == {part}


def test_the_version_that_wrote_a_config_does_not_matter(base):
    before = digest(base)
    edit_json(base / "config.json", transformers_version="0.0.0", _name_or_path="/elsewhere")
    assert digest(base) == before


def test_candidate_is_not_base_and_changes_with_the_adapter(base, adapter):
    before = digest(base, adapter)
    assert before != digest(base)
    save_tiny_adapter(base, adapter, seed=2)  # retrained in place: same path, new bytes
    assert digest(base, adapter) != before


def test_alpha_in_the_config_is_part_of_the_adapter(adapter):
    before = adapter_digest(adapter)
    edit_json(adapter / "adapter_config.json", lora_alpha=99)
    assert adapter_digest(adapter) != before


def test_the_order_peft_wrote_a_set_in_does_not_matter(adapter):
    before = adapter_digest(adapter)
    config = json.loads((adapter / "adapter_config.json").read_text())
    edit_json(adapter / "adapter_config.json", target_modules=sorted(config["target_modules"], reverse=True))
    assert adapter_digest(adapter) == before


def test_a_template_moved_into_the_tokenizer_config_is_the_same_template(base):
    before = chat_template_digest(base)
    template = (base / "chat_template.jinja").read_text()
    (base / "chat_template.jinja").unlink()
    edit_json(base / "tokenizer_config.json", chat_template=template)
    assert chat_template_digest(base) == before


def test_a_large_file_is_hashed_once_and_again_when_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SMALL_BYTES", 0)
    monkeypatch.setattr("harness.digests._SETTLED_S", -1.0)
    hashed = []
    real = module.digest_file
    monkeypatch.setattr(module, "digest_file", lambda path: hashed.append(path) or real(path))
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"one")
    first = cached_file_digest(file)
    assert cached_file_digest(file) == first
    assert len(hashed) == 1
    file.write_bytes(b"two")
    assert cached_file_digest(file) != first


def test_a_file_written_a_moment_ago_is_not_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SMALL_BYTES", 0)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"one")
    stamp = file.stat().st_mtime_ns
    first = cached_file_digest(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(stamp, stamp))  # same size, inode and mtime: only the bytes tell
    assert cached_file_digest(file) != first


def test_a_configuration_that_is_nested_too_deep_is_refused(base):
    (base / "config.json").write_text('{"a": ' * 600 + "1" + "}" * 600)
    with pytest.raises(ModelError, match=r"config.json is nested too deep|config.json cannot be read"):
        model_identity(base, dtype="float32", quantization="none")
