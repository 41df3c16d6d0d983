"""Worker process for functions that hostile text could keep busy without end.

It reads one JSON line ``[function, arguments]`` per task from standard input and writes one
JSON line ``[result, error]``. Its parent kills it if a task takes too long; the memory that
it may allocate is limited; and it ends soon after its parent, whose process id is its argument,
even while it runs a task.
"""

import json
import os
import re
import sys
import threading
import time
from contextlib import suppress

__all__ = ["end_with_parent", "equal_formulas", "find_match", "run_tasks"]

_MEMORY_LIMIT = 4 * 2**30  # bytes
_PARSING_TIMEOUT = 5  # seconds
_SECONDS_BETWEEN_CHECKS = 0.5


def find_match(pattern, text, which):
    """Return the last or the first match of a pattern, None if there is none.

    That is the text of the pattern's first group if it has one, else the whole match.
    """
    found = None
    for match in re.finditer(pattern, text):
        found = match[1 if match.re.groups else 0]
        if which == "first":
            break
    return found


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
    functions = {"find_match": find_match, "equal_formulas": equal_formulas}
    for line in tasks:
        name, arguments = json.loads(line)
        try:
            answer = [functions[name](*arguments), None]
        except Exception as error:  # it belongs to this task, and is raised in the parent
            answer = [None, f"{type(error).__name__}: {error}"]
        print(json.dumps(answer), file=answers, flush=True)


def end_with_parent(parent):
    """End this process soon after its parent has ended, whatever it is doing then.

    Parameters
    ----------
    parent : int
        Process id of the parent.
    """
    import signal

    def check(*_):
        if os.getppid() != parent:
            os._exit(1)

    def check_repeatedly():
        while True:
            check()
            time.sleep(_SECONDS_BETWEEN_CHECKS)

    # The thread cannot run during a search by re, which holds the interpreter lock but lets
    # signals through. The timer counts seconds of computing only.
    threading.Thread(target=check_repeatedly, daemon=True).start()
    signal.signal(signal.SIGVTALRM, check)
    signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS_BETWEEN_CHECKS, _SECONDS_BETWEEN_CHECKS)


if __name__ == "__main__":
    if os.name == "posix":  # elsewhere, the parent may be a launcher, and there are no timers
        end_with_parent(int(sys.argv[1]))
    with suppress(ImportError):  # Windows has no resource module
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT, _MEMORY_LIMIT))
    # Libraries that print must not disturb the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    run_tasks(sys.stdin, answers)
