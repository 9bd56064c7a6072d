"""What `--model` and `--adapter` may say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import SplitResult, urlsplit, urlunsplit

from harness.errors import ConfigError
from harness.plugins import Registry

EMBEDDED_NAME = "smollm2-135m"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
# A name may hold an "@" itself ("owner/name@main"), so the one before the scheme divides.
_SERVED = re.compile(r"(?P<name>[^\s@](?:\S*?\S)?)@(?P<url>https?://\S+)", re.IGNORECASE)
_SERVED_REMEDY = "write openai:NAME@URL, for example openai:my-model@http://localhost:8000/v1"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class ServedModel:
    """A model that another program answers for: its name there, and where that is.

    Attributes:
        url: of an OpenAI-compatible server the API's root, without credentials, query or final slash.
        scheme: how such models are written (SCHEME:...), which tells the engine that asks for them.
    """

    name: str
    url: str
    scheme: str = "openai"

    def __str__(self) -> str:
        return f"{self.name}@{self.url}" if self.url else self.name


@dataclass(frozen=True)
class ModelSpec:
    """`value` is the embedded model's name, an absolute path, a hub id, or NAME@URL, by `kind`.

    `served` is set for kind `server`, and for no other.
    """

    kind: Literal["embedded", "local", "hub", "server"]
    value: str
    served: ServedModel | None = None


@dataclass(frozen=True)
class AdapterSpec:
    """`value` is an absolute path, a hub id, a recipe's name or path, or NAME@URL, by `kind`.

    `served` is set for kind `server`, and for no other.
    """

    kind: Literal["local", "hub", "recipe", "server"]
    value: str
    served: ServedModel | None = None


class _Scheme(Protocol):
    """What is needed here of an engine (`harness.engines.backends.ServingEngine`): its scheme, and how a model is read."""

    @property
    def name(self) -> str: ...

    @property
    def suffixes(self) -> Sequence[str]: ...

    def parse(self, text: str, option: str, /) -> ServedModel: ...


_SCHEMES: Registry[_Scheme] = Registry("register_engines", "engine")


EMBEDDED = ModelSpec("embedded", EMBEDDED_NAME)


def parse_model_spec(text: str) -> ModelSpec:
    """Read a `--model` value.

    Raises:
        ConfigError: it is neither the embedded model, a served one, an existing directory, nor shaped like a hub id.
    """
    if text == EMBEDDED_NAME:
        return EMBEDDED
    served = _parse_served(text, "--model")
    if served is not None:
        return ModelSpec("server", str(served), served)
    kind, value = _directory_or_hub(text, option="--model", also=f"`{EMBEDDED_NAME}`, `openai:NAME@URL`, ")
    return ModelSpec(kind, value)


def parse_adapter_spec(text: str) -> AdapterSpec:
    """Read an `--adapter` value.

    Raises:
        ConfigError: it is neither `recipe:NAME`, `openai:NAME@URL`, an existing directory, nor shaped like a hub id.
    """
    if text.startswith("recipe:"):
        name = text.removeprefix("recipe:")
        if not name:
            raise ConfigError(
                "--adapter=recipe: names no recipe", "write recipe:NAME, for example recipe:tool-calls-qlora"
            )
        return AdapterSpec("recipe", name)
    served = _parse_served(text, "--adapter")
    if served is not None:
        return AdapterSpec("server", str(served), served)
    kind, value = _directory_or_hub(text, option="--adapter", also="`recipe:NAME`, `openai:NAME@URL`, ")
    return AdapterSpec(kind, value)


def _parse_served(text: str, option: str) -> ServedModel | None:
    """A model that an engine answers for: written SCHEME:..., or a file of a kind that an engine runs. None for any other."""
    scheme, colon, _ = text.partition(":")
    if colon and scheme in _SCHEMES:
        return _SCHEMES.get(scheme).parse(text, option)
    runs_it = next(
        (engine for engine in map(_SCHEMES.get, _SCHEMES.names()) if text.endswith(tuple(engine.suffixes))), None
    )
    return None if runs_it is None else runs_it.parse(text, option)


def parse_openai(text: str, option: str) -> ServedModel:
    """Read `openai:NAME@URL`, given to an option.

    Raises:
        ConfigError: it names no model or no URL, or holds credentials.
    """
    match = _SERVED.fullmatch(text.removeprefix("openai:"))
    if match is None:
        raise ConfigError(f"{option}={_masked(text)} names no model on a server", _SERVED_REMEDY)
    try:
        url = urlsplit(match["url"])
        port, host = url.port, url.hostname
    except ValueError:
        # Not the cause's words: of a password that breaks the URL they would quote a part.
        raise ConfigError(f"{option}={_masked(text)} has no URL that can be read", _SERVED_REMEDY) from None
    if "@" in url.netloc:
        raise ConfigError(
            f"{option}={_masked(text)} holds credentials",
            "take them out of the URL, where logs and reports would show them, and set OPENAI_API_KEY instead",
        )
    if url.query or url.fragment:
        raise ConfigError(
            f"{option}={_masked(text)}: the URL has a query or a fragment",
            "give the API's root alone, for example http://localhost:8000/v1; a key belongs in OPENAI_API_KEY",
        )
    if not host:
        raise ConfigError(f"{option}={_masked(text)} names no host", _SERVED_REMEDY)
    return ServedModel(match["name"], _canonical(url, host, port))


def _canonical(url: SplitResult, host: str, port: int | None) -> str:
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[url.scheme]:
        netloc += f":{port}"
    return urlunsplit((url.scheme, netloc, url.path.rstrip("/"), "", ""))


def _masked(text: str) -> str:
    """The value as seen, without what may be a secret: user information and query."""
    return re.sub(r"\?.*", "?***", re.sub(r"://.*@", "://***@", text))


def _directory_or_hub(text: str, *, option: str, also: str) -> tuple[Literal["local", "hub"], str]:
    path = Path(text).expanduser()
    if path.is_dir():
        return "local", str(path.resolve())
    if path.exists():
        raise ConfigError(f"{option}={text} is a file", "name the directory that holds it")
    if text.startswith(("/", ".", "~")) or text.count("/") > 1 or not _HUB_ID.fullmatch(text):
        raise ConfigError(
            f"{option}={text}: no such directory", f"use {also}a local directory or a hub id (owner/name)"
        )
    return "hub", text
