"""The page of pytest's options, out of the plugin's table and pytest's own parser."""

from __future__ import annotations

from generator import sources
from generator.markdown import code, table

_HEAD = """# Options

`pytest --help` lists them under *adapter-assay*. Each has an alias `--assay-NAME`, and an ini key for `pytest.ini` or
`[tool.pytest.ini_options]`. A value is taken from the command line first, then from the ini file, then from
[assay.yaml](configuration.md), then from the default. A short name that another plugin has taken keeps its alias only.

| | a model may be | an adapter may be |
|---|---|---|
| `recipe:NAME` | | trained first, or found in the cache; the default is the recipe of the profile or of assay.yaml |
| a directory | weights and tokenizer | weights and `adapter_config.json`, as any trainer left them |
| a hub id | fetched once | fetched once |
| `openai:NAME@URL` | a name on an OpenAI-compatible server | likewise; checks that need its files are skipped |
| `smollm2-135m` | the embedded model | |

"""


def page() -> str:
    """Every option with its values, ini key and help."""
    rows = []
    for option in sources.options():
        values = (
            "flag" if option.flag else ", ".join(map(code, option.choices)) if option.choices else code(option.metavar)
        )
        rows.append(("<br>".join(map(code, option.names)), values, option.help, code(option.dest)))
    return _HEAD + table(("option", "value", "what it does", "ini key"), rows)
