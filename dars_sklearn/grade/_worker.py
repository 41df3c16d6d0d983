"""A process of its own for what a hostile text could make endless.

It reads a JSON line ``[function, arguments]`` for each task from standard
input, and writes a JSON line ``[result, error]``. Its parent kills it where it
takes too long; what it may allocate is limited.
"""

import json
import re
import sys
from contextlib import suppress

_MEMORY = 4 * 2**30


def matches(pattern, text):
    """Return all matches of a pattern: the first group where there is one, or all of it."""
    found = re.finditer(pattern, text)
    return [match[1 if match.re.groups else 0] for match in found]


def equal_formulas(gold, text):
    """Tell whether the last formula or number of a text equals the gold answer."""
    from math_verify import parse, verify

    wrapped = gold if "$" in gold or "\\boxed" in gold else f"${gold}$"
    # Its own time limits need the main thread, which this is.
    expected = parse(wrapped, parsing_timeout=5)
    if not expected:
        raise ValueError(f"the reference {gold!r} holds no formula that can be read")
    return bool(verify(expected, parse(text, parsing_timeout=5), timeout_seconds=5))


if __name__ == "__main__":
    with suppress(ImportError):  # there is none on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    functions = {"matches": matches, "equal_formulas": equal_formulas}
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries that print must not disturb
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer = [functions[name](*arguments), None]
        except Exception as error:
            answer = [None, f"{type(error).__name__}: {error}"]
        print(json.dumps(answer), file=answers, flush=True)
