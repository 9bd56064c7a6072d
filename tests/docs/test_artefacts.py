"""The table of what can be a candidate is that of the tests, and names every method that PEFT has."""

from __future__ import annotations

from artefacts import PEFT_CASES, PEFT_REFUSALS, page
from documents import ROOT


def test_the_page_is_the_tests_table():
    written = (ROOT / "docs" / "reference" / "artefacts.md").read_text()
    _, _, generated = written.partition("<!-- generated: python tests/support/artefacts.py -->\n")
    assert generated.strip() == page().strip(), "python tests/support/artefacts.py prints what belongs there"


def test_every_method_of_peft_is_measured_or_refused():
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    named = {case.peft_type for case in PEFT_CASES} | {str(one.settings.get("peft_type")) for one in PEFT_REFUSALS}
    assert {kind.value for kind in PEFT_TYPE_TO_CONFIG_MAPPING} - named == set()
