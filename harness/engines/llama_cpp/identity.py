"""Who a GGUF model is: its files, what is put on it, and what runs it."""

from __future__ import annotations

from harness.config.spec import ServedModel
from harness.digests import digest_file, digest_json
from harness.engines.llama_cpp.server import llama_cpp_version
from harness.engines.llama_cpp.spec import GgufModel
from harness.models.gguf import gguf_files, read_gguf_header
from harness.models.identity import Identity, cached_file_digest


def gguf_identity(served: ServedModel) -> Identity:
    """Identity of a GGUF model: as strong as that of a model in process, for its files are at hand.

    Raises:
        ConfigError: llama.cpp is not installed.
        ModelError: a file is damaged.
    """
    model = GgufModel.of(served)
    parts = {
        "weights": digest_json([cached_file_digest(path) for path in gguf_files(model.path)]),
        "quantization": read_gguf_header(model.path).file_type,
        "context": str(model.context_tokens),
        "runtime": llama_cpp_version(),
    }
    if model.loras:
        parts["adapter"] = digest_json([[cached_file_digest(lora.path), repr(lora.scale)] for lora in model.loras])
    if model.template is not None:
        parts["chat_template"] = digest_file(model.template)
    return Identity(parts)
