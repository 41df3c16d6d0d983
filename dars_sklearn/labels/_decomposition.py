"""Variance components of scores, and the reliability of labels."""

from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple
from warnings import warn

import numpy as np
import pandas as pd

from dars_sklearn.exceptions import SeparabilityWarning
from dars_sklearn.labels._intervals import difference_interval, log_interval, share_interval
from dars_sklearn.labels._variance_components import (
    difference_variance_components,
    model_variance_components,
)
from dars_sklearn.outcomes._cells import make_cells
from dars_sklearn.outcomes._outcomes import as_outcomes

__all__ = ["VarianceDecomposition", "decompose_variance", "reliability_curve"]

# A repr shows the differences of each two models up to this number of pairs, and otherwise only
# their mean.
_MOST_DIFFERENCES_SHOWN = 21
_COLUMNS = ["kind", "model", "other", "component", "estimate", "low", "high"]
_OVERALL = ("overall", "overall")


@dataclass(frozen=True)
class VarianceDecomposition:
    """Variance components of scores, and of the differences between models.

    Parameters
    ----------
    table : DataFrame
        One row per component of a model's scores (``kind`` is "model"), or of the difference of
        two models' scores ("difference"). ``other`` is "" for a single model; the mean over all
        differences has ``model`` and ``other`` "overall". ``component`` is one of

        - "query", "paraphrase" (within the query), "sample" (within the paraphrase): variances
          on the scale of squared scores. For a difference, these are the interactions of query
          and model, and of wording and model, and the noise of sampling;
        - a sum such as "paraphrase_plus_sample", instead of components that the design does not
          identify;
        - "total": the variance of a single outcome;
        - "icc": the share of the query component in it, which is the reliability of a label from
          one outcome;
        - "reliability": the share of the query component in the variance of the labels of this
          design (the generalizability coefficient), averaged over queries.

        ``estimate`` is truncated at 0; ``low`` and ``high`` are its interval.
    level : float
        Level of the intervals.

    See Also
    --------
    decompose_variance : Computes it.
    """

    table: pd.DataFrame
    level: float

    def to_frame(self):
        """Return the components as a tidy table.

        Returns
        -------
        DataFrame
            One row per component, as described above.
        """
        return self.table

    def estimate(self, component, model="overall", other=None):
        """Look up an estimate.

        Parameters
        ----------
        component : str
            Name of the component.
        model, other : label
            A model; with ``other``, the difference of two models. By default the mean over all
            differences.

        Returns
        -------
        float
            The estimate, NaN where this design does not give it.
        """
        if model == "overall":
            other = "overall"
        other = "" if other is None else other
        rows = self.table[self.table["component"] == component]
        estimates = rows.set_index(["model", "other"])["estimate"].to_dict()
        return float(estimates.get((model, other), estimates.get((other, model), np.nan)))

    def _wide(self):
        """Return the estimates as a table of one row per model or difference."""
        table = self.table
        is_overall = (table["model"] == "overall") & (table["other"] == "overall")
        single_differences = (table["kind"] == "difference") & ~is_overall
        pairs = table.loc[single_differences, ["model", "other"]].drop_duplicates()
        if len(pairs) > _MOST_DIFFERENCES_SHOWN:
            table = table[~single_differences]
        # Numbers of rows, because the labels of two models can look the same, such as 1 and "1".
        row = table.groupby(["kind", "model", "other"], sort=False).ngroup()
        first = table[~row.duplicated()]
        labels = [_row_label(*pair) for pair in zip(first["model"], first["other"], strict=True)]
        table = table.assign(row=row, column=table["component"].str.replace("_plus_", " + "))
        wide = table.pivot(index="row", columns="column", values="estimate")
        wide = wide[table["column"].unique()].set_axis(labels)
        return wide.rename_axis(None, axis=1).rename_axis("score")

    def __repr__(self):
        return f"<VarianceDecomposition>\n{self._wide().to_string(float_format='{:.4f}'.format)}"

    def _repr_html_(self):
        return self._wide().to_html(float_format="{:.4f}".format)


def _row_label(model, other):
    if other == "":
        return str(model)
    return "differences, overall" if (model, other) == _OVERALL else f"{model} - {other}"


def decompose_variance(outcomes, *, level=0.95):
    """Split the variance of scores into query, paraphrase and sample components.

    A score of one model is a mean plus independent effects of the query, of the paraphrase
    within the query, and of the sample. The difference of two models' scores on the same
    paraphrase has the same three components, and these are what routing depends on: effects of a
    query or of a wording on all models alike make labels look reliable, but do not help to
    choose.

    The components are estimated by the method of moments, which is exact in expectation for any
    numbers of paraphrases and samples, as long as these do not depend on the scores. Every query
    has the same weight, whatever its number of outcomes.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of at least three queries.
    level : float, default=0.95
        Level of the intervals (delete-one-query jackknife on the log scale of mean squares,
        combined for differences of these).

    Returns
    -------
    VarianceDecomposition
        The components with intervals, and the reliability of labels.

    Raises
    ------
    ValueError
        If there are fewer than three queries.

    Warns
    -----
    SeparabilityWarning
        If components are not identifiable: paraphrase from sample with one sample per
        paraphrase, query from paraphrase with one paraphrase per query. Their sum is given
        instead, and the reliability only where there are several paraphrases.

    See Also
    --------
    reliability_curve : Reliability for other numbers of paraphrases and samples.
    LabelNoiseDisplay : Plots the components.

    Notes
    -----
    Coverage of the 95 % intervals with 200 queries: 93.8 to 96.2 % with normal effects, on a
    full grid and on a strongly unbalanced layout; 94.5 to 97.9 % where a component is zero;
    92.5 % for the query component where effects are as skewed as an exponential distribution
    (``benchmarks/labels.py``). Truncation at 0 biases a component that is zero, or small and
    imprecisely estimated, upward.

    References
    ----------
    Searle, Casella & McCulloch, "Variance Components" (1992); Brennan, "Generalizability
    Theory" (2001), for the coefficient.

    Examples
    --------
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> from dars_sklearn.labels import decompose_variance
    >>> components = decompose_variance(make_routing_outcomes(random_state=0).outcomes)
    >>> round(components.estimate("sample", "model 0"), 2)
    0.19
    >>> round(components.estimate("reliability"), 2)  # of the differences between models
    0.73
    """
    outcomes = as_outcomes(outcomes)
    _check_design(outcomes, level)
    components = _estimate_components(outcomes)
    _warn_of_merged_components(components.models)
    rows = []
    for kind, by_models in (("model", components.models), ("difference", components.differences)):
        for (model, other), estimates in by_models.items():
            rows += [(kind, model, other, *row) for row in _component_rows(estimates, level)]
    return VarianceDecomposition(pd.DataFrame(rows, columns=_COLUMNS), level)


def reliability_curve(
    outcomes, n_paraphrases=(1, 2, 5, 10), n_samples=(1, 2, 5, 10), *, kind="difference", level=0.95
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
    reliability is ``q / (q + p / P + s / (P K))`` for components q, p and s.

    Examples
    --------
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> from dars_sklearn.labels import reliability_curve
    >>> curve = reliability_curve(make_routing_outcomes(random_state=0).outcomes, (1, 5), (1, 5))
    >>> curve["reliability"].round(2).tolist()
    [0.11, 0.35, 0.39, 0.73]
    """
    outcomes = as_outcomes(outcomes)
    _check_design(outcomes, level)
    if kind not in ("difference", "model"):
        raise ValueError(f"kind must be 'difference' or 'model', got {kind!r}")
    for name, numbers in (("n_paraphrases", n_paraphrases), ("n_samples", n_samples)):
        if not len(numbers) or min(numbers) < 1:
            raise ValueError(f"{name} must be ints of at least 1, got {numbers!r}")
    components = _estimate_components(outcomes)
    if kind == "difference" and _OVERALL not in components.differences:
        reason = "there is only one model"
        if outcomes.n_models > 1:
            reason = "no two models have outcomes for at least two common queries"
        raise ValueError(f"{reason}, and no difference; use kind='model'")
    wanted = {"overall": components.differences.get(_OVERALL)}
    if kind == "model":
        wanted = {model: estimates for (model, _), estimates in components.models.items()}
    rows = []
    for model, estimates in wanted.items():
        _check_identifiable(estimates, n_samples)
        for P, K in product(n_paraphrases, n_samples):
            noise = np.maximum(estimates.paraphrase, 0) / P + estimates.sample / (P * K)
            rows.append((model, P, K, *_signal_share(noise, estimates, level)))
    columns = ["model", "n_paraphrases", "n_samples", "reliability", "low", "high"]
    table = pd.DataFrame(rows, columns=columns)
    return table if kind == "model" else table.drop(columns="model")


class _Components(NamedTuple):
    """Variance components by the names of models.

    Parameters
    ----------
    models : dict of (label, "") to VarianceComponents
        Components of each model's scores.
    differences : dict of (label, label) to VarianceComponents
        Components of the difference of each two models' scores, and of their mean.
    """

    models: dict
    differences: dict


def _check_design(outcomes, level):
    if len(outcomes) < 3:
        raise ValueError(f"variance components need at least 3 queries, got {len(outcomes)}")
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level!r}")


def _estimate_components(outcomes):
    cells = make_cells(outcomes)
    names, shape = outcomes.models.tolist(), (len(outcomes), outcomes.n_models)
    by_model = model_variance_components(cells, *shape)
    models = {(name, ""): own for name, own in zip(names, by_model, strict=True)}
    differences = {
        (names[i], names[j]): difference
        for (i, j), difference in difference_variance_components(cells, *shape).items()
    }
    with_queries = [difference for difference in differences.values() if difference.n_queries > 1]
    if with_queries:
        differences[_OVERALL] = _mean_components(with_queries)
    return _Components(models, differences)


def _mean_components(components):
    arrays = (
        "query_variance",
        "query_noise",
        "paraphrase_mean_square",
        "paraphrase_noise",
        "sample",
        "label_noise",
    )
    return replace(
        components[0],
        **{name: np.mean([getattr(own, name) for own in components], axis=0) for name in arrays},
        queries_identifiable=all(own.queries_identifiable for own in components),
        samples_identifiable=all(own.samples_identifiable for own in components),
        n_queries=max(own.n_queries for own in components),
    )


def _component_rows(estimates, level):
    """Yield component, estimate, low and high."""
    n = estimates.n_queries
    if n < 2:
        yield "total", np.nan, np.nan, np.nan
        return
    query, paraphrase = np.maximum(estimates.query, 0), np.maximum(estimates.paraphrase, 0)
    sample = estimates.sample
    intervals = (
        difference_interval(estimates.query_variance, estimates.query_noise, n, level),
        difference_interval(estimates.paraphrase_mean_square, estimates.paraphrase_noise, n, level),
        log_interval(sample, n, level),
    )
    names = {
        (True, True): ("query", "paraphrase", "sample"),
        (True, False): ("query", "paraphrase_plus_sample", None),
        (False, True): ("query_plus_paraphrase", None, "sample"),
        (False, False): ("query_plus_paraphrase_plus_sample", None, None),
    }[estimates.queries_identifiable, estimates.samples_identifiable]
    for name, values, interval in zip(names, (query, paraphrase, sample), intervals, strict=True):
        if name is not None:
            yield name, values[0], max(interval.low, 0.0), interval.high
    total = query + paraphrase + sample
    yield "total", total[0], *log_interval(total, n, level)
    if estimates.queries_identifiable:
        yield "icc", *_signal_share(paraphrase + sample, estimates, level)
        yield "reliability", *_signal_share(estimates.label_noise, estimates, level)


def _signal_share(noise, estimates, level):
    """Share of the query component beside some noise, truncated at 0, with its interval."""
    total = estimates.query + noise
    if not total[0] > 0:  # constant scores have no differences that could be reliable
        return np.nan, np.nan, np.nan
    return max(1 - noise[0] / total[0], 0.0), *share_interval(
        noise, total, estimates.n_queries, level
    )


def _warn_of_merged_components(models):
    merged = {
        "one outcome per query: only the total variance is identifiable": (False, False),
        "one paraphrase per query: the query component includes the paraphrase component, the "
        "reliability of labels is not identifiable, and only the sample component stands alone": (
            False,
            True,
        ),
        "one sample per paraphrase: the paraphrase component includes the sample component; the "
        "query component and the reliability of labels are valid": (True, False),
    }
    for description, flags in merged.items():
        names = [
            str(name)
            for (name, _), own in models.items()
            if (own.queries_identifiable, own.samples_identifiable) == flags
        ]
        if names:
            warn(f"{', '.join(names)} with {description}", SeparabilityWarning, stacklevel=3)


def _check_identifiable(estimates, n_samples):
    if not estimates.queries_identifiable:
        raise ValueError(
            "with one paraphrase per query, the query component includes the paraphrase "
            "component, and the reliability of other designs cannot be predicted; collect several "
            "wordings"
        )
    if not estimates.samples_identifiable and set(n_samples) != {1}:
        raise ValueError(
            "with one sample per paraphrase, other numbers of samples cannot be predicted; use "
            "n_samples=(1,), or collect several samples"
        )
