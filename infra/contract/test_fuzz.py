"""Some hundreds of calls that the contract allows and that it does not; `make fuzz-api` makes thousands."""

from __future__ import annotations

import re

import fuzz
import local_stack

CASES = 25


def test_drawn_calls_are_answered_as_the_document_says(stack):
    asked = fuzz.ask(stack.functions, CASES, seed=1)
    assert asked.returncode == 0, asked.stdout
    generated = re.search(r"(\d+) generated", asked.stdout)
    assert generated and int(generated[1]) > CASES * len(local_stack.DOCUMENT["paths"]), asked.stdout
