"""Worker process for functions that hostile text could keep busy for ever.

It reads one JSON line ``[function, arguments]`` per task from standard input and writes one
JSON line ``[result, error]``. Its parent kills it if a task takes too long; the memory that
it may allocate is limited.
"""

import json
import re
import sys
from contextlib import suppress

_MEMORY_LIMIT = 4 * 2**30  # bytes
_PARSING_TIMEOUT = 5  # seconds


def matches(pattern, text):
    """List all matches of a pattern: its first group if it has one, else the whole match."""
    found = re.finditer(pattern, text)
    return [match[1 if match.re.groups else 0] for match in found]


def equal_formulas(gold, text):
    """Return whether the last formula or number of a text equals the gold answer."""
    from math_verify import parse, verify

    wrapped = gold if "$" in gold or "\\boxed" in gold else f"${gold}$"
    # The time limits of math-verify only work in the main thread, which this is.
    expected = parse(wrapped, parsing_timeout=_PARSING_TIMEOUT)
    if not expected:
        raise ValueError(f"the reference {gold!r} contains no formula that can be read")
    answer = parse(text, parsing_timeout=_PARSING_TIMEOUT)
    return bool(verify(expected, answer, timeout_seconds=_PARSING_TIMEOUT))


def run_tasks(tasks, answers):
    """Run the tasks that arrive, one JSON line each, until there are no more.

    Parameters
    ----------
    tasks : iterable of str
        Lines of tasks.
    answers : file object
        Where the line of each answer is written.
    """
    functions = {"matches": matches, "equal_formulas": equal_formulas}
    for line in tasks:
        name, arguments = json.loads(line)
        try:
            answer = [functions[name](*arguments), None]
        except Exception as error:
            answer = [None, f"{type(error).__name__}: {error}"]
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    with suppress(ImportError):  # Windows has no resource module
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT, _MEMORY_LIMIT))
    # Libraries that print must not disturb the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    run_tasks(sys.stdin, answers)
