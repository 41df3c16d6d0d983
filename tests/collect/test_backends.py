import math

import numpy as np
import pytest
from fake_backends import CountingBackend, PricedBackend, echo

from dars_sklearn.collect._backends import check_backend, check_models, check_prices


def test_models_are_copied():
    models = {"a": echo, "b": CountingBackend(temperature=0.5)}
    checked = check_models(models)
    assert checked == models
    assert checked is not models


@pytest.mark.parametrize(
    ("models", "error", "message"),
    [
        ([echo], TypeError, "models must map names to backends, got 'list'"),
        ({}, ValueError, "models is empty"),
        ({"m": "gpt"}, TypeError, "the backend of model 'm' is not callable: 'gpt'"),
        ({1: echo}, TypeError, "must be a str, got 1; a store would not distinguish 1 from '1'"),
        ({"": echo}, ValueError, "must be a text that can be stored, got ''"),
        ({"\udc80": echo}, ValueError, "must be a text that can be stored"),
    ],
)
def test_models_that_are_not_valid_are_named(models, error, message):
    with pytest.raises(error, match=message):
        check_models(models)


def test_settings_and_limits_of_a_backend_are_checked():
    backend = CountingBackend(stop={"a"})
    with pytest.raises(TypeError, match=r"settings of the judge are not JSON: settings\['stop'\]"):
        check_backend("the judge", backend)
    backend = CountingBackend()
    backend.batch_size, backend.concurrency = np.int64(2), 3
    check_backend("the judge", backend)
    backend.concurrency = 0
    with pytest.raises(ValueError, match="concurrency of the judge must be an int of at least 1"):
        check_backend("the judge", backend)


def test_a_price_must_be_bounded():
    check_prices("m", PricedBackend())
    message = "max_cost needs the prices of model 'm': pass input_price= and output_price="
    with pytest.raises(ValueError, match=message + " to its backend$"):
        check_prices("m", echo)
    for price in (math.nan, math.inf, -1, "1", None, True):
        backend = PricedBackend()
        backend.highest_price = lambda prompt, n, price=price: price
        with pytest.raises(ValueError, match=f"its highest_price returned {price!r}"):
            check_prices("m", backend)
