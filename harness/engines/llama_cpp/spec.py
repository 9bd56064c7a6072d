"""How a GGUF model is written: `FILE.gguf`, or `gguf:FILE.gguf+LORA.gguf*SCALE?context=TOKENS&template=FILE`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl

from harness.config.spec import ServedModel
from harness.errors import ConfigError, ModelError, nearest
from harness.models.gguf import SUFFIX, gguf_files, read_gguf_header
from harness.paths import user_path

SCHEME = "gguf"
_REMEDY = f"write FILE{SUFFIX}, or {SCHEME}:FILE{SUFFIX}+LORA{SUFFIX}*SCALE for one with a LoRA on it"
_FILE = re.compile(rf"(?P<path>.+?{re.escape(SUFFIX)})(?:\*(?P<scale>[^+]+))?(?:\+|$)")
_FLAGS = ("context", "template")
# More costs memory that a small machine lacks, and few prompts are longer.
_LONGEST_BY_DEFAULT = 4096


@dataclass(frozen=True)
class Lora:
    """A LoRA in a GGUF file, and what its change is multiplied by."""

    path: Path
    scale: float = 1.0


@dataclass(frozen=True)
class GgufModel:
    """What llama.cpp is to run.

    Attributes:
        context: tokens that a prompt and its answer may have together; None is the model's own, up to 4096.
        template: file of a chat template in place of the model's own.
    """

    path: Path
    loras: Sequence[Lora] = ()
    context: int | None = None
    template: Path | None = None

    @property
    def context_tokens(self) -> int:
        """How many tokens a prompt and its answer may have together."""
        trained = read_gguf_header(self.path).context_length or _LONGEST_BY_DEFAULT
        return self.context or min(trained, _LONGEST_BY_DEFAULT)

    @property
    def served(self) -> ServedModel:
        """The same as it goes through specs and records."""
        files = [str(self.path), *(f"{lora.path}*{lora.scale:g}" for lora in self.loras)]
        flags = [f"{name}={value}" for name in _FLAGS if (value := getattr(self, name)) is not None]
        return ServedModel("+".join(files) + ("?" + "&".join(flags) if flags else ""), "", SCHEME)

    @classmethod
    def of(cls, served: ServedModel) -> GgufModel:
        """What a spec names; its files are looked at when they are used."""
        return _read(served.name, "the model")


def parse_gguf(text: str, option: str) -> ServedModel:
    """Read what names a GGUF model, given to an option; its files are looked at.

    Raises:
        ConfigError: it cannot be read, a file is not there or no GGUF file, or a model is where a LoRA should be.
    """
    model = _read(text.removeprefix(f"{SCHEME}:"), option)
    for path, is_lora in ((model.path, False), *((lora.path, True) for lora in model.loras)):
        _check_file(path, option, is_lora=is_lora)
    if model.template is not None and not model.template.is_file():
        raise ConfigError(f"{option}={text}: there is no template {model.template}", "name a file with a chat template")
    return model.served


def with_loras(served: ServedModel, loras: Sequence[tuple[str, float]], option: str) -> ServedModel:
    """A GGUF model with further LoRAs, each a file and its scale, on it.

    Raises:
        ConfigError: one is no LoRA in a GGUF file.
    """
    added = [Lora(user_path(path, option).resolve(), scale) for path, scale in loras]
    for lora in added:
        _check_file(lora.path, option, is_lora=True)
    model = GgufModel.of(served)
    return replace(model, loras=(*model.loras, *added)).served


def _read(text: str, option: str) -> GgufModel:
    files, _, flags = text.partition("?")
    found = list(_FILE.finditer(files))
    if not found or "".join(one[0] for one in found) != files or found[0]["scale"] is not None or files.endswith("+"):
        raise ConfigError(f"{option}={text} names no GGUF file", _REMEDY)
    path, *loras = (user_path(one["path"], option).resolve() for one in found)
    scales = [_scale(one["scale"] or "1", text, option) for one in found[1:]]
    given = dict(parse_qsl(flags, keep_blank_values=True))
    for name in given:
        if name not in _FLAGS:
            raise ConfigError(f"{option}={text}: there is no flag {name!r}", nearest(name, _FLAGS))
    template = given.get("template")
    return GgufModel(
        path,
        tuple(map(Lora, loras, scales)),
        None if "context" not in given else _count(given["context"], text, option),
        None if template is None else user_path(template, option).resolve(),
    )


def _check_file(path: Path, option: str, *, is_lora: bool) -> None:
    for part in gguf_files(path):
        if not part.is_file():
            raise ConfigError(
                f"{option}: there is no file {part}", "check the path; all parts of a split model are needed"
            )
    try:
        header = read_gguf_header(path)
    except ModelError as error:
        raise ConfigError(f"{option}: {error.problem}", error.remedy) from error
    if header.is_adapter and not is_lora:
        raise ConfigError(
            f"{option}: {path} is a LoRA without its model",
            f"write {SCHEME}:MODEL{SUFFIX}+{path} (*SCALE after it scales it)",
        )
    if is_lora and not header.is_adapter:
        raise ConfigError(f"{option}: {path} is a model, where a LoRA was expected", _REMEDY)


def _scale(text: str, spec: str, option: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not math.isfinite(scale):
        raise ConfigError(
            f"{option}={spec}: {text!r} is no scale of a LoRA", "write a number after the *, as in LORA.gguf*0.5"
        )
    return scale


def _count(text: str, spec: str, option: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise ConfigError(
            f"{option}={spec}: context={text} is no number of tokens", "write a whole number: ?context=8192"
        )
    return int(text)
