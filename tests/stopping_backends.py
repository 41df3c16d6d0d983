"""Collect from backends and graders that raise what is meant to end a process.

Run as a script, so that a collection that waits for ever is ended by the timeout of a test. Prints
a JSON object: for each kind of backend and each exception, what the collection raised or how many
outcomes it returned, how many responses the store had then, and how many outcomes the next
collection returned.
"""

import asyncio
import json
import tempfile
import warnings
from pathlib import Path

from dars_sklearn import OutcomeCollector
from dars_sklearn.grade import Contains
from dars_sklearn.store import read_responses

QUERIES = [f"question {number}" for number in range(10)]
STOPPING = QUERIES[5]
ERRORS = [
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    asyncio.CancelledError(),
    BaseException("other"),
]


class Stopping:
    """Raises its error for one query, and echoes the others."""

    error = None

    def raise_for(self, texts):
        if self.error is not None and any(STOPPING in text for text in texts):
            raise self.error


class AsyncBackend(Stopping):
    async def sample(self, prompt, *, n, seed):
        await asyncio.sleep(0)
        self.raise_for([prompt])
        return [prompt] * n

    def __call__(self, prompts, *, n):
        raise AssertionError("sample should be awaited instead")


class ThreadBackend(Stopping):
    def __call__(self, prompts, *, n):
        self.raise_for(prompts)
        return [[prompt] * n for prompt in prompts]


class BatchBackend(ThreadBackend):
    batch_size = 3


class Grader(Stopping):
    def __call__(self, text, reference):
        self.raise_for([text])
        return 1.0


BACKENDS = {"async": AsyncBackend, "thread": ThreadBackend, "batch": BatchBackend}


def collect(kind, error, path):
    """Collect twice: with a backend or grader that raises, and after that without the error."""
    stopping = Grader() if kind == "grader" else BACKENDS[kind]()
    backend, grader = (ThreadBackend(), stopping) if kind == "grader" else (stopping, Contains())
    collector = OutcomeCollector({"m": backend}, grader, 1, path)
    stopping.error = error
    try:
        result = len(collector.collect(QUERIES, QUERIES).score)
    except BaseException as raised:
        result = type(raised).__name__
    stored = int(read_responses(path)["response"].notna().sum())
    stopping.error = None
    return [result, stored, len(collector.collect(QUERIES, QUERIES).score)]


def main():
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        results = {
            kind: {
                type(error).__name__: collect(kind, error, Path(folder) / f"{kind}{number}.sqlite")
                for number, error in enumerate(ERRORS)
            }
            for kind in (*BACKENDS, "grader")
        }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
