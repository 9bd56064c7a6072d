"""What `--model`, `--adapter` and `--candidate` may say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit, urlunsplit

from harness.errors import ConfigError
from harness.paths import user_path
from harness.plugins import Registry

EMBEDDED_NAME = "smollm2-135m"
OPENAI = "openai"
"""Scheme of models on an OpenAI-compatible server."""
# As huggingface_hub writes paths: a branch with a slash in its name has it as %2F.
_HUB_PLACE = re.compile(
    r"(?P<id>[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?)(?:@(?P<revision>[\w.%-]+)(?:/(?P<subfolder>\w[\w./-]*))?)?"
)
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
    scheme: str = OPENAI

    def __str__(self) -> str:
        return f"{self.name}@{self.url}" if self.url else self.name


@dataclass(frozen=True)
class ModelSpec:
    """`value` is the embedded model's name, an absolute path, a hub id, or NAME@URL, by `kind`.

    `served` is set for kind `server`, and for no other; `revision` and `subfolder` (as in `owner/name@REV/sub/folder`) may be
    for kind `hub`.
    """

    kind: Literal["embedded", "local", "hub", "server"]
    value: str
    served: ServedModel | None = None
    revision: str | None = None
    subfolder: str = ""


@dataclass(frozen=True)
class AdapterSpec:
    """`value` is an absolute path, a hub id, or a recipe's name or path, by `kind`; `revision` and `subfolder` as of a model.

    Attributes:
        weight: that the adapter has among those it is combined with.
        merged: it is merged into the weights before those after it are put on.
    """

    kind: Literal["local", "hub", "recipe"]
    value: str
    revision: str | None = None
    subfolder: str = ""
    weight: float = 1.0
    merged: bool = False


@dataclass(frozen=True)
class SubjectSpec:
    """What is to be measured: a model, or the reference's where none is named, with the adapters on it.

    Attributes:
        combination: how several adapters become one, by PEFT's name; `density` is the share of values that it keeps.
        template: chat template: a file, `adapter` for that beside the adapter; None for the model's own.
        dtype, quantization: None takes those of the reference.
        name: what it is called where its own name will not do.
        parents: what it was merged from; None where that is to be found out.
    """

    model: ModelSpec | None = None
    adapters: Sequence[AdapterSpec] = ()
    combination: str = "cat"
    density: float | None = None
    quantization: str | None = None
    dtype: str | None = None
    template: str | None = None
    template_args: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    parents: Sequence[SubjectSpec] | None = None

    @property
    def recipe(self) -> str | None:
        """The recipe that its adapter is trained by; None where it is there."""
        return next((adapter.value for adapter in self.adapters if adapter.kind == "recipe"), None)


class _Scheme(Protocol):
    """What is needed here of an engine (`harness.engines.backends.ServingEngine`): its scheme, and how a model is read."""

    @property
    def name(self) -> str: ...

    @property
    def suffixes(self) -> Sequence[str]: ...

    @property
    def adapted(self) -> Callable[[ServedModel, Sequence[tuple[str, float]], str], ServedModel] | None: ...

    def parse(self, text: str, option: str, /) -> ServedModel: ...


_SCHEMES: Registry[_Scheme] = Registry("register_engines", "engine")


EMBEDDED = ModelSpec("embedded", EMBEDDED_NAME)


def parse_model_spec(text: str, option: str = "--model") -> ModelSpec:
    """Read what names a model.

    Args:
        option: that it was given to, for messages.

    Raises:
        ConfigError: it is neither the embedded model, a served one, an existing directory, nor shaped like a hub id.
    """
    if text == EMBEDDED_NAME:
        return EMBEDDED
    served = parse_served(text, option)
    if served is not None:
        return ModelSpec("server", str(served), served)
    place = _directory_or_hub(text, option, f"`{EMBEDDED_NAME}`, `openai:NAME@URL`, ")
    return ModelSpec(place.kind, place.value, revision=place.revision, subfolder=place.subfolder)


def parse_adapter_spec(text: str, option: str = "--adapter", weight: float = 1.0) -> AdapterSpec:
    """Read what names an adapter that is not served (`parse_served`).

    Raises:
        ConfigError: it is neither `recipe:NAME`, an existing directory, nor shaped like a hub id.
    """
    if text.startswith("recipe:"):
        name = text.removeprefix("recipe:")
        if not name:
            raise ConfigError(
                f"{option}=recipe: names no recipe", "write recipe:NAME, for example recipe:tool-calls-qlora"
            )
        return AdapterSpec("recipe", name, weight=weight)
    if (served := parse_served(text, option)) is not None:
        raise ConfigError(
            f"{option}: {served} is served, and can be put on no model here", "name it as the candidate's model"
        )
    place = _directory_or_hub(text, option, "`recipe:NAME`, ")
    return AdapterSpec(place.kind, place.value, place.revision, place.subfolder, weight)


def parse_served(text: str, option: str) -> ServedModel | None:
    """A model that an engine answers for: written SCHEME:..., or a file of a kind that an engine runs. None for any other."""
    scheme, colon, _ = text.partition(":")
    if colon and scheme in _SCHEMES:
        return _SCHEMES.get(scheme).parse(text, option)
    runs_it = next(
        (engine for engine in map(_SCHEMES.get, _SCHEMES.names()) if text.endswith(tuple(engine.suffixes))), None
    )
    return None if runs_it is None else runs_it.parse(text, option)


def parse_on_server(text: str, option: str) -> ServedModel:
    """A name on a server.

    Raises:
        ConfigError: it is none.
    """
    served = parse_served(text, option)
    if served is None or served.scheme != OPENAI:
        shown = re.sub("//[^/]*@", "//", text)  # without a password
        raise ConfigError(
            f"{option}={shown} is no name on a server",
            "write openai:NAME@URL, for example openai:my-model@http://localhost:8000/v1; a file or a directory that ships is "
            "--shipped",
        )
    return served


def put_on(model: ModelSpec, adapters: Sequence[tuple[str, float]], option: str) -> ModelSpec | None:
    """A served model with adapters on it, each a file and its weight; None where none are put on it here.

    Raises:
        ConfigError: one is no adapter that its engine runs.
    """
    adapted = None if model.served is None else _SCHEMES.get(model.served.scheme).adapted
    if model.served is None or adapted is None or not adapters:
        return None
    served = adapted(model.served, adapters, option)
    return ModelSpec("server", str(served), served)


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


class _Place(NamedTuple):
    kind: Literal["local", "hub"]
    value: str
    revision: str | None = None
    subfolder: str = ""


def _directory_or_hub(text: str, option: str, also: str) -> _Place:
    path = user_path(text, option)
    if path.is_dir():
        return _Place("local", str(path.resolve()))
    if path.is_file():
        raise ConfigError(
            f"{option}={text} is a file, and no engine here runs files of its kind", "name the directory that holds it"
        )
    hub = _HUB_PLACE.fullmatch(text)
    if hub is None:
        raise ConfigError(
            f"{option}={text}: no such directory",
            f"use {also}a local directory or a hub id (owner/name, owner/name@revision, owner/name@revision/subfolder)",
        )
    return _Place("hub", hub["id"], hub["revision"], hub["subfolder"] or "")
