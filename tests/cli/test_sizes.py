"""Numbers on the command line that nothing has are refused by argparse's own sentence, before anything is read."""

from __future__ import annotations

import pytest

from harness.cli import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "--last", "0"], "0 is not a number from 1 to 1,000,000,000"),
        (["runs", "--last", "-3"], "-3 is not a number from 1"),
        (["runs", "--last", "1" + "0" * 30], "is not a number from 1"),
        (["runs", "--last", "9" * 5000], "invalid positive value"),
        (["train", "any", "--show", "-1"], "-1 is not a number from 1"),
        (["serve", "--port", "70000"], "70000 is no port"),
        (["serve", "--port", "-1"], "-1 is no port"),
        (["cache", "prune", "--unused-for", "nan"], "nan is no number of days"),
        (["cache", "prune", "--unused-for", "-1"], "-1 is no number of days"),
        (["cache", "prune", "--unused-for", "1e999"], "1e999 is no number of days"),
    ],
)
def test_a_number_that_nothing_has_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
