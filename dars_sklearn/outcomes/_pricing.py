"""Prices of tokens."""

import numpy as np

from dars_sklearn.utils._validation import is_finite_number

__all__ = ["price_tables"]


def price_tables(prices, models):
    """Return the prices of input and output tokens of each model.

    Parameters
    ----------
    prices : dict of str to (float, float)
        For some or all models, the prices of a million input and of a million output tokens.
    models : ndarray of shape (n_models,)
        Model names.

    Returns
    -------
    input_price, output_price : ndarray of shape (n_models,)
        The prices, NaN for a model without.
    priced : ndarray of bool of shape (n_models,)
        Which models have prices.

    Raises
    ------
    TypeError
        If prices is not a dict.
    ValueError
        If an entry is not two finite numbers of at least 0.
    """
    if not isinstance(prices, dict):
        raise TypeError(f"prices must be a dict from models to prices, got {type(prices).__name__}")
    known = {(type(name), name): price for name, price in prices.items()}
    table = np.full((len(models), 2), np.nan)
    priced = np.zeros(len(models), dtype=bool)
    for column, model in enumerate(models.tolist()):
        if (type(model), model) in known:
            table[column] = _check_price(known[type(model), model], model)
            priced[column] = True
    return table[:, 0], table[:, 1], priced


def _check_price(price, model):
    """Refuse anything but a pair of prices."""
    is_pair = isinstance(price, (tuple, list, np.ndarray)) and len(price) == 2
    if not is_pair or not all(is_finite_number(own) and own >= 0 for own in price):
        raise ValueError(
            f"prices[{model!r}] must be the price of a million input tokens and that of a million "
            f"output tokens, two finite numbers of at least 0, got {price!r}"
        )
    return price
