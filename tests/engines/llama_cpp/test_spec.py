from __future__ import annotations

import struct
from pathlib import Path

import pytest

from harness.config.candidate import adapter_subject, read_candidate
from harness.config.spec import ModelSpec, ServedModel, SubjectSpec, parse_model_spec
from harness.engines.backends import ENGINES
from harness.engines.llama_cpp.spec import GgufModel, Lora, with_loras
from harness.errors import ConfigError, ModelError
from harness.models.gguf import gguf_files, read_gguf_header


def _model(text: str) -> GgufModel:
    served = parse_model_spec(text).served
    assert served is not None
    return GgufModel.of(served)


def test_a_file_is_named_as_any_model_is(tiny_gguf: Path) -> None:
    assert _model(str(tiny_gguf)) == _model(f"gguf:{tiny_gguf}") == GgufModel(tiny_gguf)
    served = ModelSpec("server", str(tiny_gguf), ServedModel(str(tiny_gguf), "", "gguf"))
    assert adapter_subject(str(tiny_gguf)) == read_candidate(str(tiny_gguf)) == SubjectSpec(served)


def test_loras_with_scales_and_flags_are_read(tiny_gguf: Path, tiny_gguf_lora: Path, tmp_path: Path) -> None:
    (tmp_path / "chat.jinja").write_text("{{ messages }}")
    text = f"gguf:{tiny_gguf}+{tiny_gguf_lora}*0.5+{tiny_gguf_lora}?context=256&template={tmp_path}/chat.jinja"
    expected = (Lora(tiny_gguf_lora, 0.5), Lora(tiny_gguf_lora))
    assert _model(text) == GgufModel(tiny_gguf, expected, 256, tmp_path / "chat.jinja")


def test_a_lora_may_be_put_on_a_model_that_was_named(tiny_gguf: Path, tiny_gguf_lora: Path) -> None:
    served = parse_model_spec(f"gguf:{tiny_gguf}?context=64").served
    assert served is not None
    found = with_loras(served, [(str(tiny_gguf_lora), 2.0)], "--candidate")
    assert GgufModel.of(found) == GgufModel(tiny_gguf, (Lora(tiny_gguf_lora, 2.0),), 64)
    by_parts = read_candidate(f"{{model: {tiny_gguf}, adapter: [{{path: {tiny_gguf_lora}, weight: 2}}]}}").model
    assert by_parts == parse_model_spec(f"gguf:{tiny_gguf}+{tiny_gguf_lora}*2")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("gguf:{missing}", "there is no file"),
        ("{lora}", "is a LoRA without its model"),
        ("gguf:{model}+{model}", "is a model, where a LoRA was expected"),
        ("gguf:{model}+{lora}*much", "no scale of a LoRA"),
        ("gguf:{model}?contxt=5", "did you mean 'context'"),
        ("gguf:{model}?context=no", "no number of tokens"),
        ("gguf:{model}?template=/no/such.jinja", "no template"),
        ("gguf:{model}*2", "names no GGUF file"),
        ("gguf:", "names no GGUF file"),
    ],
)
def test_what_cannot_be_run_is_told_with_the_value(form: str, said: str, tiny_gguf: Path, tiny_gguf_lora: Path) -> None:
    text = form.format(model=tiny_gguf, lora=tiny_gguf_lora, missing=tiny_gguf.with_name("missing.gguf"))
    with pytest.raises(ConfigError, match=said):
        parse_model_spec(text)


def test_a_file_that_is_cut_off_or_another_is_told(tmp_path: Path, tiny_gguf: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(tiny_gguf.read_bytes()[:100])
    (tmp_path / "pickle.gguf").write_bytes(b"PK\3\4 archive")
    for name, said in (("cut", "damaged"), ("pickle", "no GGUF file")):
        with pytest.raises(ConfigError, match=said):
            parse_model_spec(str(tmp_path / f"{name}.gguf"))


def test_the_header_tells_what_identity_and_engine_need(tiny_gguf: Path, tiny_gguf_lora: Path) -> None:
    header = read_gguf_header(tiny_gguf)
    assert (header.file_type, header.context_length, header.is_adapter) == ("F32", 2048, False)
    assert header.special_tokens == {0, 1, 2}
    assert read_gguf_header(tiny_gguf_lora).is_adapter


def test_all_parts_of_a_split_model_are_found() -> None:
    found = gguf_files(Path("m-00001-of-00002.gguf"))
    assert [one.name for one in found] == ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]
    assert gguf_files(Path("m.gguf")) == [Path("m.gguf")]


def test_the_identity_tells_apart_what_answers_apart(
    tiny_gguf: Path, tiny_gguf_lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engines.llama_cpp.identity.llama_cpp_version", lambda: "xllamacpp 1")
    engine = ENGINES.get("gguf")
    (tmp_path / "chat.jinja").write_text("{{ messages }}")
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(tiny_gguf.read_bytes())
    texts = [
        str(tiny_gguf),
        f"gguf:{tiny_gguf}+{tiny_gguf_lora}",
        f"gguf:{tiny_gguf}+{tiny_gguf_lora}*0.5",
        f"gguf:{tiny_gguf}?context=64",
        f"gguf:{tiny_gguf}?template={tmp_path}/chat.jinja",
    ]
    digests = [engine.identity(engine.parse(text, "--model")).digest for text in texts]
    assert len(set(digests)) == len(texts)
    assert engine.identity(engine.parse(str(copy), "--model")).digest == digests[0]  # wherever it lies
    monkeypatch.setattr("harness.engines.llama_cpp.identity.llama_cpp_version", lambda: "xllamacpp 2")
    assert engine.identity(engine.parse(texts[0], "--model")).digest != digests[0]


def _gguf(*entries: tuple[str, int, bytes]) -> bytes:
    """A file of these fields: key, type, value."""
    fields = b"".join(
        struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + value for key, kind, value in entries
    )
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + fields


_TEXT = struct.pack("<Q", 3) + b"abc"


@pytest.mark.parametrize(
    "entries",
    [
        [("a", 9, struct.pack("<IQ", 9, 1) * 5000)],
        [("a", 9, struct.pack("<IQ", 6, 2**63))],
        [("tokenizer.ggml.token_type", 9, struct.pack("<IQ", 5, 2**62))],
        [("llama.context_length", 8, _TEXT)],
        [("general.file_type", 6, struct.pack("<f", 7.5))],
        [("tokenizer.ggml.eos_token_id", 5, struct.pack("<i", -1))],
        [("\x1b[31m", 99, b"")],
    ],
    ids=[
        "nested lists",
        "a huge list",
        "huge token types",
        "text for a number",
        "a fraction",
        "below zero",
        "unknown type",
    ],
)
def test_hostile_metadata_are_a_damaged_file(tmp_path: Path, entries: list[tuple[str, int, bytes]]) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(_gguf(*entries))
    with pytest.raises(ModelError, match="is a damaged GGUF file") as caught:
        read_gguf_header(path)
    assert "\x1b" not in str(caught.value)
