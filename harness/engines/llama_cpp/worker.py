"""The process that llama.cpp's server runs in. Started by its path, so that it imports nothing but xllamacpp.

Standard input: one line of JSON, then it stays open for as long as the server is wanted. Standard output: one line of JSON,
the address. It ends when its input does, which happens however the process that started it dies.
"""

import json
import os
import select
import sys
from typing import Any

_LOOK_EACH_S = 1.0


def main() -> None:
    parent = os.getppid()
    settings = json.loads(sys.stdin.readline())
    with os.fdopen(os.dup(1), "w") as told:
        os.dup2(2, 1)  # what llama.cpp prints belongs in the log
        server = _start(settings)
        told.write(json.dumps({"address": server.listening_address}) + "\n")
    while True:
        # The pipe may be held open by a process that was forked from the parent: its death is looked for too.
        readable, _, _ = select.select([sys.stdin], [], [], _LOOK_EACH_S)
        if readable or os.getppid() != parent:
            os._exit(0)  # not by a way that waits for what is being answered


def _start(settings: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["context"] * settings["slots"]
    params.fit_params = False  # it would shorten the context where memory is short, and say so to nobody
    params.cache_ram_mib = 0  # up to 8 GiB of prompts otherwise
    params.warmup = False
    params.ui = False
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = settings["threads"]
        threads.poll = 0  # threads that spin while they wait take the cores from everybody else
    if settings["template"] is not None:
        params.chat_template = settings["template"]
    params.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_NONE
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, scale) for path, scale in settings["loras"]]
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
