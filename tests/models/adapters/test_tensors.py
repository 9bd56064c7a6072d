"""Adapters that must be refused, each with the tensors or files named."""

from __future__ import annotations

import json
import os
import struct
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import save_tiny_adapter, save_tiny_model

from harness.checks import integrity
from harness.errors import AdapterError
from harness.models.adapters import weights
from harness.models.adapters.files import WEIGHTS
from harness.models.adapters.names import canonical_name, canonical_names
from harness.models.adapters.placing import unmatched_targets
from harness.models.adapters.tensors import match_tensors
from harness.models.adapters.weights import bad_values, read_tensor_headers
from harness.models.loading import LoadOptions, load_model

OPTIONS = LoadOptions(dtype="float32", device="cpu")


def rewrite(adapter: Path, change) -> None:
    tensors = load_file(adapter / WEIGHTS)
    change(tensors)
    save_file(tensors, adapter / WEIGHTS)


def edit_config(adapter: Path, **changes) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_healthy_adapter_matches_both_ways_and_loads(tiny_model_dir, adapter):
    match = match_tensors(adapter, tiny_model_dir)
    assert match.holds
    assert match.matched == 28
    assert load_model(tiny_model_dir, OPTIONS, adapter=adapter).has_adapter


def test_an_adapter_for_a_wider_base_names_tensors_and_shapes(tiny_model_dir, tmp_path):
    wide = save_tiny_model(tmp_path / "wide", hidden_size=128)
    stranger = save_tiny_adapter(wide, tmp_path / "stranger")
    with pytest.raises(AdapterError, match="does not fit the base") as caught:
        load_model(tiny_model_dir, OPTIONS, adapter=stranger)
    assert "28 of another shape" in caught.value.problem
    assert "is [4, 128], the base needs [4, 64]" in caught.value.problem
    assert "wide" in caught.value.remedy


def test_missing_and_renamed_tensors_are_named(tiny_model_dir, adapter):
    def rename(tensors):
        for name in [n for n in tensors if "layers.1.mlp.up_proj" in n]:
            tensors[name.replace("up_proj", "renamed")] = tensors.pop(name)

    rewrite(adapter, rename)
    match = match_tensors(adapter, tiny_model_dir)
    assert len(match.missing) == len(match.unexpected) == 2
    with pytest.raises(AdapterError, match=r"missing from the file: .*layers\.1\.mlp\.up_proj\.lora_A"):
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)


def test_an_extra_tensor_is_named(tiny_model_dir, adapter):
    rewrite(adapter, lambda t: t.update({"base_model.model.extra.lora_A.weight": torch.ones(2)}))
    assert match_tensors(adapter, tiny_model_dir).unexpected == ["base_model.model.extra.lora_A.weight"]


def test_a_target_module_that_matches_nothing_is_named_though_peft_is_silent(tiny_model_dir, adapter):
    config = json.loads((adapter / "adapter_config.json").read_text())
    edit_config(adapter, target_modules=[*config["target_modules"], "query_key_value"])
    match = match_tensors(adapter, tiny_model_dir)
    assert match.unmatched_targets == ["query_key_value"]
    assert not match.holds


def test_target_patterns_follow_pefts_rules():
    modules = ["model.layers.0.self_attn.q_proj", "lm_head"]
    assert unmatched_targets(["q_proj", "self_attn.q_proj", "proj"], modules) == ["proj"]
    assert unmatched_targets(r".*\.q_proj", modules) == []
    assert unmatched_targets("q_proj", modules) == ["q_proj"]  # a string must match the whole name
    assert unmatched_targets("all-linear", modules) == []


@pytest.mark.parametrize("name", ["adapter_model.bin", "head.pkl", "modeling_custom.py", "sub/weights.pt"])
def test_files_that_can_run_code_are_refused_by_name(tiny_model_dir, adapter, name):
    (adapter / name).parent.mkdir(exist_ok=True)
    (adapter / name).write_bytes(b"\x80\x04.")
    with pytest.raises(AdapterError, match=name):
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)


def test_pickle_instead_of_safetensors_is_refused(tiny_model_dir, adapter):
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    with pytest.raises(AdapterError, match=r"adapter_model\.bin") as caught:
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)
    assert "safetensors" in caught.value.remedy


def test_trainers_own_pickle_is_no_reason_to_refuse(tiny_model_dir, adapter):
    (adapter / "training_args.bin").write_bytes(b"\x80\x04.")
    assert load_model(tiny_model_dir, OPTIONS, adapter=adapter).has_adapter


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_in_the_adapter_is_refused_naming_the_tensor(tiny_model_dir, adapter, value):
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"

    def poison(tensors):
        tensors[name][0, 0] = value

    rewrite(adapter, poison)
    with pytest.raises(AdapterError, match=r"layers\.0\.self_attn\.q_proj\.lora_B"):
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)


def test_truncated_and_garbled_files_are_named(adapter):
    whole = (adapter / WEIGHTS).read_bytes()
    nested = struct.pack("<Q", 200_000) + b"[" * 200_000
    for damaged in (whole[:-10], whole[:4], b"\xff" * 64, b"", whole[:8] + b"}" + whole[9:], nested):
        (adapter / WEIGHTS).write_bytes(damaged)
        with pytest.raises(AdapterError, match=WEIGHTS):
            read_tensor_headers(adapter / WEIGHTS)


def with_header(path: Path, header: bytes, data: bytes) -> Path:
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"a": ("F32", [2], 0, 8), "b": ("F32", [2], 4, 12)}, "b overlaps the tensor before it"),
        ({"a": ("F32", [2], 0, 8), "b": ("F32", [1], 12, 16)}, "b leaves a gap before it"),
        ({"a": ("F32", [3], 0, 8)}, r"a \(F32, \[3\]\) takes 12 bytes, its header gives it 8"),
        ({"a": ("F32", [1 << 40, 1 << 40], 0, 8)}, "takes 4835703278458516698824704 bytes"),
        ({"a": ("F32", [-2, -1], 0, 8)}, r"shape \[-2, -1\]"),
        ({"a": ("PICKLE", [2], 0, 8)}, "type PICKLE"),
        ({"a": ("F32", [1.5, 2], 0, 8)}, r"\[1\.5, 2\] is no list of integers"),
        ({"a": ("F32", [True, 2], 0, 8)}, "is no list of integers"),
        ({"a": ("F32", "2", 0, 8)}, "'2' is no list of integers"),
    ],
)
def test_a_header_that_contradicts_itself_is_named_before_anything_is_loaded(tmp_path, header, said):
    entries = {n: {"dtype": d, "shape": s, "data_offsets": [start, end]} for n, (d, s, start, end) in header.items()}
    end = max(entry["data_offsets"][1] for entry in entries.values())
    with pytest.raises(AdapterError, match=said):
        read_tensor_headers(with_header(tmp_path / WEIGHTS, json.dumps(entries).encode(), bytes(end)))


def test_a_name_that_is_no_unicode_is_told_before_safetensors_meets_it(tmp_path):
    header = b'{"a\\ud800": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    with pytest.raises(AdapterError, match=r"is not a readable safetensors file: .*surrogates"):
        read_tensor_headers(with_header(tmp_path / WEIGHTS, header, bytes(4)))


@pytest.mark.parametrize("metadata", [5, ["pt"], {"format": 1}])
def test_metadata_that_safetensors_cannot_read_is_named(tmp_path, metadata):
    entries = {"__metadata__": metadata, "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    with pytest.raises(AdapterError, match="__metadata__ is"):
        read_tensor_headers(with_header(tmp_path / WEIGHTS, json.dumps(entries).encode(), bytes(8)))


def test_eight_bit_floats_are_read_and_a_nan_among_them_found(adapter):
    def narrow(tensors):
        tensors.update({n: t.to(torch.float8_e4m3fn) for n, t in tensors.items()})

    rewrite(adapter, narrow)
    assert bad_values(adapter / WEIGHTS).nonfinite == {}
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"
    rewrite(adapter, lambda t: t.update({name: torch.full((64, 4), float("nan")).to(torch.float8_e4m3fn)}))
    assert bad_values(adapter / WEIGHTS).nonfinite == {name: 256}


def test_a_name_that_stands_twice_in_the_header_is_named(tmp_path):
    entry = b'{"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}'
    path = with_header(tmp_path / WEIGHTS, b'{"a": %s, "a": %s}' % (entry, entry), bytes(8))
    with pytest.raises(AdapterError, match="a stands twice in the header"):
        read_tensor_headers(path)


def test_a_name_that_stands_twice_among_many_costs_no_more_than_a_sound_header(tmp_path):
    entry = b'"layers.%d.weight": {"dtype": "F32", "shape": [1], "data_offsets": [%d, %d]}'
    entries = [entry % (n, 4 * n, 4 * n + 4) for n in range(20_000)]
    sound = with_header(tmp_path / WEIGHTS, b"{%s}" % b",".join(entries), bytes(80_000))
    started = time.process_time()
    assert len(read_tensor_headers(sound)) == 20_000
    once = time.process_time()
    twice = with_header(tmp_path / "twice", b"{%s}" % b",".join([*entries, entries[-1]]), bytes(80_000))
    with pytest.raises(AdapterError, match=r"layers\.19999\.weight stands twice in the header"):
        read_tensor_headers(twice)
    assert time.process_time() - once < 10 * (once - started)


def test_a_header_is_parsed_once_while_its_file_stays_as_it_is(tmp_path, adapter, monkeypatch):
    monkeypatch.setattr("harness.digests._SETTLED_S", -1.0)
    parsed = []
    real = weights.load_json
    monkeypatch.setattr(weights, "load_json", lambda *given, **hooks: parsed.append(1) or real(*given, **hooks))
    for _ in range(3):
        read_tensor_headers(adapter / WEIGHTS)
    assert len(parsed) == 1
    rewrite(adapter, lambda tensors: tensors.popitem())
    before = len(read_tensor_headers(adapter / WEIGHTS))
    assert len(parsed) == 2 and before == len(load_file(adapter / WEIGHTS))


def test_a_header_that_may_still_change_is_read_anew(adapter, monkeypatch):
    monkeypatch.setattr("harness.digests._SETTLED_S", 1e9)
    name, header = next(iter(read_tensor_headers(adapter / WEIGHTS).items()))
    status = (adapter / WEIGHTS).stat()
    content = (adapter / WEIGHTS).read_bytes().replace(name.encode(), name[:-1].encode() + b"_")
    (adapter / WEIGHTS).write_bytes(content)
    os.utime(adapter / WEIGHTS, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read_tensor_headers(adapter / WEIGHTS)[f"{name[:-1]}_"] == header


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.uint8, torch.bool])
def test_tensors_of_integers_are_refused_by_name(tiny_model_dir, adapter, dtype):
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"
    rewrite(adapter, lambda tensors: tensors.update({name: tensors[name].to(dtype)}))
    with pytest.raises(
        AdapterError, match=r"holds 1 tensors of integers, first .*layers\.0\.self_attn\.q_proj\.lora_B"
    ):
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)
    check = integrity.adapter_is_safe(adapter)
    assert not check.holds and "integers" in check.reason and "float32" in check.remedy


@pytest.mark.parametrize(
    "name",
    [
        "{bare}",
        "base_model.model.base_model.model.{bare}",
        "{bare_named}",
        "module.base_model.model.{bare}",
        "_orig_mod.base_model.model.{bare}",
        "module._orig_mod.base_model.model._fsdp_wrapped_module.{bare_wrapped}",
    ],
)
def test_an_adapter_with_other_trainers_names_answers_as_with_pefts(tiny_model_dir, adapter, name):
    own = load_model(tiny_model_dir, OPTIONS, adapter=adapter)
    ids = torch.tensor([[5, 6, 7]])
    expected = own.in_memory().model(input_ids=ids).logits

    def rename(tensors):
        for key in list(tensors):
            bare = key.removeprefix("base_model.model.")
            forms = {
                "bare": bare,
                "bare_named": bare.replace(".weight", ".default.weight"),
                "bare_wrapped": bare.replace("layers.1.", "layers.1._checkpoint_wrapped_module."),
            }
            tensors[name.format(**forms)] = tensors.pop(key)

    rewrite(adapter, rename)
    loaded = load_model(tiny_model_dir, OPTIONS, adapter=adapter)
    assert torch.equal(loaded.in_memory().model(input_ids=ids).logits, expected)
    with loaded.adapter(on=False) as model:
        assert not torch.equal(model(input_ids=ids).logits, expected)


def test_a_module_that_is_called_module_keeps_its_name():
    own = "base_model.model.module.layers.0.q_proj.lora_A.weight"
    assert canonical_name(own) == own


def test_two_names_of_one_tensor_are_refused(adapter):
    def double(tensors):
        name = next(iter(tensors))
        tensors[name.replace(".weight", ".default.weight")] = tensors[name].clone()

    rewrite(adapter, double)
    with pytest.raises(AdapterError, match="which are the same tensor"):
        canonical_names(adapter / WEIGHTS)


def test_a_copy_of_the_bases_embeddings_is_left_out_and_the_adapter_loads(tiny_model_dir, adapter):
    name = "base_model.model.model.embed_tokens.weight"
    own = load_file(tiny_model_dir / "model.safetensors")["model.embed_tokens.weight"]
    rewrite(adapter, lambda tensors: tensors.update({name: own}))
    loaded = load_model(tiny_model_dir, OPTIONS, adapter=adapter)
    assert loaded.has_adapter


def test_a_file_that_is_allowed_by_name_does_not_keep_the_adapter_from_loading(tiny_model_dir, adapter):
    (adapter / "convert.pt").write_bytes(b"\x80\x04.")
    with pytest.raises(AdapterError, match=r"convert\.pt"):
        load_model(tiny_model_dir, OPTIONS, adapter=adapter)
    allowing = LoadOptions("float32", "cpu", allowed_files=("convert.pt",))
    assert load_model(tiny_model_dir, allowing, adapter=adapter).has_adapter
