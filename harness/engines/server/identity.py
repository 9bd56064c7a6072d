"""Who a served model is, as far as its server tells."""

from __future__ import annotations

import email.utils
import json
import logging
import threading
import time
from typing import Any

from harness.config.spec import ServedModel
from harness.engines.server.client import MalformedAnswerError, open_client, read_body
from harness.engines.server.retry import RetryPolicy, call_with_retries
from harness.models.identity import Identity

log = logging.getLogger(__name__)

_TIMEOUT_S = 30.0
_RETRY = RetryPolicy(tries=3, first_wait_s=0.2)
# Fields of a listing that tell one model from another, and stay while the model does. `meta` is llama.cpp's.
_TELLING = ("id", "root", "parent", "owned_by", "max_model_len", "meta")
_CLOCK_SLACK_S = 5.0


def server_identity(served: ServedModel) -> Identity:
    """Identity of a served model: where it is asked for, under which name, and what `/models` says of it.

    Weaker than a local identity. A server may put other weights, another template or another precision
    behind the same name, and nothing here would change: answers cached before are then stale. The
    listing narrows that down where it names the weights (`root` and `parent` of vLLM, `meta` of
    llama.cpp, a `created` that is older than the answer). Part `listed` is "no" where the
    server lists other names only; some then answer with whatever model they hold.
    """
    parts = {
        "server": served.url, "name": served.name, "template": "server", "precision": "server", "listed": "unknown",
    }  # fmt: skip
    listing, answered_s = _listing(served)
    if listing is None:
        return Identity(parts)
    entries = [entry for entry in listing if isinstance(entry, dict)]
    for entry in entries:
        if entry.get("id") == served.name:
            return Identity({**parts, "listed": "yes", **_listed_parts(entry, answered_s)})
    names = ", ".join(str(entry.get("id")) for entry in entries[:10]) or "none"
    log.warning("%s does not list %s (it lists: %s); it may answer with another model", served.url, served.name, names)
    return Identity({**parts, "listed": "no"})


def _listing(served: ServedModel) -> tuple[list[Any] | None, float]:
    """The server's list of models, None where it has none to give, and the server's time of its answer."""
    import openai

    client = open_client(served, timeout_s=_TIMEOUT_S)

    def ask() -> tuple[list[Any] | None, float]:
        try:
            response = client.models.with_raw_response.list()
            data = read_body(response.http_response).get("data")
            return data if isinstance(data, list) else None, _date_s(response.http_response.headers.get("date"))
        except openai.APIStatusError as exc:
            # Many servers have no listing, and `transformers serve` answers it with a 500 when offline.
            if exc.status_code in (401, 403, 408, 409, 429, 503):
                raise
        except MalformedAnswerError:
            pass
        return None, time.time()

    return call_with_retries(ask, _RETRY, served=served, stopped=threading.Event())


def _listed_parts(entry: dict[str, Any], answered_s: float) -> dict[str, str]:
    parts = {f"models.{key}": json.dumps(entry[key], sort_keys=True) for key in _TELLING if entry.get(key) is not None}
    created = entry.get("created")
    # vLLM and llama.cpp put the time of the request there: it tells nothing, and would change at every run.
    if isinstance(created, int | float) and answered_s - created > _CLOCK_SLACK_S:
        parts["models.created"] = json.dumps(created)
    return parts


def _date_s(header: str | None) -> float:
    try:
        return email.utils.parsedate_to_datetime(header or "").timestamp()
    except ValueError:
        return time.time()
