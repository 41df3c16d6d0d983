"""Reliability of labels from other numbers of paraphrases and samples."""

from itertools import product

import numpy as np
import pandas as pd

from dars_sklearn.labels._components_by_name import (
    OVERALL,
    check_components_design,
    estimate_components,
)
from dars_sklearn.labels._intervals import signal_share
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.utils._validation import is_count

__all__ = ["reliability_curve"]


def reliability_curve(
    outcomes, n_paraphrases=(1, 2, 5, 10), n_samples=(1, 2, 5, 10), *, kind="difference",
    wording="random", level=0.95,
):  # fmt: skip
    """Predict the reliability of labels from other numbers of paraphrases and samples.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes with several paraphrases; for other numbers of samples, with several samples
        too.
    n_paraphrases, n_samples : sequence of int
        Numbers of paraphrases per query, and of samples per paraphrase. Every combination is
        predicted.
    kind : {"difference", "model"}, default="difference"
        The power of labels to distinguish models on a query, averaged over pairs of models; or
        to distinguish queries, for each model.
    wording : {"random", "fixed"}, default="random"
        Whether labels are for a query in whatever wording, so that the effect of a wording is
        noise; or for exactly these wordings. The second is never less reliable,
        and all that outcomes of one wording identify.
    level : float, default=0.95
        Level of the intervals.

    Returns
    -------
    DataFrame
        Columns ``n_paraphrases``, ``n_samples``, ``reliability``, ``low`` and ``high``; with
        ``kind="model"`` also ``model``.

    Raises
    ------
    ValueError
        If the components that a prediction needs are not identifiable.

    See Also
    --------
    plan_design : Compares designs by the utility of the router that they train.
    ReliabilityDisplay : Plots the curve.

    References
    ----------
    The D study of generalizability theory: Brennan, "Generalizability Theory" (2001). The
    reliability is ``q / (q + p / P + s / (P K))`` for components q, p and s; with fixed wordings,
    ``p / P`` is part of the numerator too.

    Examples
    --------
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> from dars_sklearn.labels import reliability_curve
    >>> curve = reliability_curve(make_routing_outcomes(random_state=0).outcomes, (1, 5), (1, 5))
    >>> curve["reliability"].round(2).tolist()
    [0.11, 0.35, 0.39, 0.73]
    """
    outcomes = as_outcomes(outcomes)
    check_components_design(outcomes, level)
    if kind not in ("difference", "model"):
        raise ValueError(f"kind must be 'difference' or 'model', got {kind!r}")
    if wording not in ("random", "fixed"):
        raise ValueError(f"wording must be 'random' or 'fixed', got {wording!r}")
    for name, numbers in (("n_paraphrases", n_paraphrases), ("n_samples", n_samples)):
        if not np.iterable(numbers) or not len(numbers) or not all(map(is_count, numbers)):
            raise ValueError(f"{name} must be ints of at least 1, got {numbers!r}")
    components = estimate_components(outcomes)
    if kind == "difference" and OVERALL not in components.differences:
        reason = "there is only one model"
        if outcomes.n_models > 1:
            reason = "no two models have outcomes for at least two common queries"
        raise ValueError(f"{reason}, and no difference; use kind='model'")
    wanted = {"overall": components.differences.get(OVERALL)}
    if kind == "model":
        wanted = {model: estimates for (model, _), estimates in components.models.items()}
    rows = []
    for model, estimates in wanted.items():
        _check_identifiable(estimates, n_paraphrases, n_samples, wording)
        for P, K in product(n_paraphrases, n_samples):
            of_wording = np.maximum(estimates.paraphrase, 0) / P
            of_sampling = estimates.sample / (P * K)
            total = estimates.query + of_wording + of_sampling
            noise = of_sampling if wording == "fixed" else of_wording + of_sampling
            rows.append((model, P, K, *signal_share(noise, total, estimates.n_queries, level)))
    columns = ["model", "n_paraphrases", "n_samples", "reliability", "low", "high"]
    table = pd.DataFrame(rows, columns=columns)
    return table if kind == "model" else table.drop(columns="model")


def _check_identifiable(estimates, n_paraphrases, n_samples, wording):
    """Refuse numbers of paraphrases and of samples whose reliability is not identifiable."""
    if not estimates.queries_identifiable and wording == "random":
        raise ValueError(
            "with one paraphrase per query, the query component includes the paraphrase "
            "component, and the reliability of other designs cannot be predicted; collect several "
            "wordings, or use wording='fixed' and n_paraphrases=(1,) for labels of these wordings"
        )
    if not estimates.queries_identifiable and set(n_paraphrases) != {1}:
        raise ValueError(
            "with one paraphrase per query, other numbers of paraphrases cannot be predicted; use "
            "n_paraphrases=(1,), or collect several wordings"
        )
    if not estimates.samples_identifiable and wording == "fixed":
        raise ValueError(
            "with one sample per paraphrase, the reliability of labels of fixed wordings is not "
            "identifiable; collect several samples"
        )
    if not estimates.samples_identifiable and set(n_samples) != {1}:
        raise ValueError(
            "with one sample per paraphrase, other numbers of samples cannot be predicted; use "
            "n_samples=(1,), or collect several samples"
        )
