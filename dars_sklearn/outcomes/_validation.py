"""Checks that refuse bad values, and name the rows and the remedy."""

import numpy as np

from dars_sklearn.utils._validation import is_finite_number

__all__ = [
    "check_costs",
    "check_every_query_has_outcomes",
    "check_models",
    "check_n_queries",
    "check_score_range",
    "check_scores",
    "list_values",
    "plural",
]


def plural(noun, n=2):
    """Return a noun in the number that goes with n."""
    if n == 1:
        return noun
    return {"query": "queries"}.get(noun, f"{noun}s")


def list_values(values, noun, limit=5):
    """Describe the values that an error is about.

    Parameters
    ----------
    values : sequence
        Values.
    noun : str
        What a single value is.
    limit : int, default=5
        Number of values that are written out.

    Returns
    -------
    str
        The first values, and how many there are in all.
    """
    values = [value.item() if hasattr(value, "item") else value for value in values]
    listed = ", ".join(repr(value) for value in values[:limit])
    rest = f", … ({len(values)} in all)" if len(values) > limit else ""
    return f"{plural(noun, len(values))} {listed}{rest}"


def check_score_range(score_range):
    """Return a score range as two floats, or None where every finite score is allowed."""
    if score_range is None:
        return None
    is_pair = isinstance(score_range, (tuple, list, np.ndarray)) and len(score_range) == 2
    if (
        not is_pair
        or not all(map(is_finite_number, score_range))
        or score_range[0] >= score_range[1]
    ):
        raise ValueError(
            "score_range must be two finite numbers, (low, high) with low < high, got "
            f"{score_range!r}; None allows every finite score"
        )
    return float(score_range[0]), float(score_range[1])


def check_scores(scores, score_range, column="score"):
    """Return scores; refuse those that are missing, infinite or out of range."""
    missing = np.flatnonzero(np.isnan(scores))
    if len(missing):
        raise ValueError(
            f"{column!r} is NaN in {list_values(missing, 'row')}; drop the rows without a score"
        )
    low, high = check_score_range(score_range) or (-np.inf, np.inf)
    if len(scores) == 0:
        return scores
    lowest, highest = scores.min(), scores.max()
    if np.isinf([lowest, highest]).any():
        infinite = np.flatnonzero(np.isinf(scores))
        raise ValueError(
            f"{column!r} is infinite in {list_values(infinite, 'row')}; drop these rows"
        )
    if low <= lowest and highest <= high:
        return scores
    bad = np.flatnonzero((scores < low) | (scores > high))
    percentages = (low, high) == (0, 1) and lowest >= 0 and 1.5 < highest <= 100
    remedy = "divide them by 100 if they are percentages" if percentages else "rescale them"
    raise ValueError(
        f"{column!r} must be in [{low:g}, {high:g}], got {list_values(scores[bad], 'value')} in "
        f"{list_values(bad, 'row')}; {remedy}, or pass the lowest and the highest possible score "
        "as score_range=(low, high), which become 0 and 1 in utilities"
    )


def check_costs(costs):
    """Return costs; refuse those that are negative or infinite. NaN is an unknown cost."""
    bad = np.flatnonzero((costs < 0) | np.isinf(costs))
    if len(bad):
        raise ValueError(
            f"a cost must be finite and not negative, got {list_values(costs[bad], 'value')} in "
            f"{list_values(bad, 'row')}; NaN stands for an unknown cost"
        )
    return costs


def check_every_query_has_outcomes(counts, queries):
    """Refuse queries without an outcome of any model.

    Parameters
    ----------
    counts : array-like of int of shape (n_queries,)
        Number of outcomes of each query.
    queries : ndarray of shape (n_queries,)
        Query labels.
    """
    without = np.flatnonzero(np.asarray(counts) == 0)
    if len(without):
        raise ValueError(
            f"no model has an outcome for {list_values(queries[without], 'query')}; leave such "
            "queries out"
        )


def check_n_queries(X, outcomes, name="X"):
    """Refuse features whose number of rows is not the number of queries."""
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    if n_rows != len(outcomes):
        raise ValueError(
            f"{name} has {n_rows} queries and the outcomes have {len(outcomes)}; both must have "
            "the same queries in the same order"
        )


def check_models(outcomes, models, source="fit saw"):
    """Refuse outcomes whose models are not those known from elsewhere, in the same order."""
    if np.array_equal(outcomes.models, models):
        return
    own, models = list(outcomes.models), list(models)
    lacking = [model for model in models if model not in own]
    remedy = "use outcomes.subset(models=) to select and order them"
    if lacking:
        remedy = (
            f"they lack {lacking}: collect outcomes of these, or leave these models out of the "
            "others with subset(models=)"
        )
    raise ValueError(f"the outcomes have the models {own}, but {source} {models}; {remedy}")
