"""Variance components of scores, and the reliability of labels."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dars_sklearn.exceptions import SeparabilityWarning
from dars_sklearn.labels._components_by_name import (
    OVERALL,
    check_components_design,
    estimate_components,
)
from dars_sklearn.labels._intervals import difference_interval, log_interval, signal_share
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.utils._html import html_table, html_view
from dars_sklearn.utils._warnings import warn_user

__all__ = [
    "VarianceDecomposition",
    "decompose_variance",
    "is_overall_difference",
    "pivot_components",
]

# A repr shows the differences of each two models up to this number of pairs, and otherwise only
# their mean.
_MOST_DIFFERENCES_SHOWN = 21
_COLUMNS = ["kind", "model", "other", "component", "estimate", "low", "high"]
_COMPONENTS = (
    "query", "paraphrase", "sample", "query_plus_paraphrase", "paraphrase_plus_sample",
    "query_plus_paraphrase_plus_sample", "total", "icc", "reliability",
)  # fmt: skip


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
        return self.table.copy()

    def estimate(self, component, model=None, other=None):
        """Look up an estimate.

        Parameters
        ----------
        component : str
            Name of the component.
        model, other : label or None, default=None
            A model; with ``other``, the difference of two models. Without either, the mean over
            all differences.

        Returns
        -------
        float
            The estimate, NaN where this design does not give it.

        Raises
        ------
        ValueError
            If there is no component of that name, no such model, or no such difference.
        """
        if component not in _COMPONENTS:
            raise ValueError(f"component must be one of {list(_COMPONENTS)}, got {component!r}")
        if model is None and other is not None:
            raise ValueError(f"other={other!r} needs a model, whose difference from it is meant")
        if model is None:
            return self._find(component, "difference", OVERALL, OVERALL)
        if other is None:
            return self._find(component, "model", (model, ""))
        return self._find(component, "difference", (model, other), (other, model))

    def _find(self, component, kind, *names):
        """Return an estimate by the names of its models, in one of several orders."""
        rows = self.table[self.table["kind"] == kind]
        keys = zip(rows["model"], rows["other"], rows["component"], strict=True)
        estimates = dict(zip(keys, rows["estimate"], strict=True))
        known = {key[:2] for key in estimates} | {OVERALL}
        found = next((pair for pair in names if pair in known), None)
        if found is None:
            model, other = names[0]
            noun = repr(model) if kind == "model" else f"the difference of {model!r} and {other!r}"
            models = self.table.loc[self.table["kind"] == "model", "model"]
            written = ", ".join(map(str, models.unique()))
            raise ValueError(f"there are no components of {noun}; the models are {written}")
        return float(estimates.get((*found, component), np.nan))

    def _wide(self):
        """Return the estimates as a table of one row per model or difference."""
        table = self.table
        single_differences = (table["kind"] == "difference") & ~is_overall_difference(table)
        pairs = table.loc[single_differences, ["model", "other"]].drop_duplicates()
        if len(pairs) > _MOST_DIFFERENCES_SHOWN:
            table = table[~single_differences]
        wide = pivot_components(table)
        wide = wide.set_axis([_row_label(*names) for names in wide.index])
        wide.columns = wide.columns.str.replace("_plus_", " + ")
        return wide.rename_axis(None, axis=1).rename_axis("score")

    def __repr__(self):
        return f"<VarianceDecomposition>\n{self._wide().to_string(float_format='{:.4f}'.format)}"

    def _repr_html_(self):
        table = html_table(self._wide(), float_format="{:.4f}".format)
        return html_view("VarianceDecomposition", table)


def _row_label(kind, model, other):
    """Return how a row of the table of estimates is called."""
    if kind == "model":
        return str(model)
    return "differences, overall" if (model, other) == OVERALL else f"{model} - {other}"


def is_overall_difference(table):
    """Find the rows of the mean over all differences between models.

    Parameters
    ----------
    table : DataFrame
        Table of a :class:`VarianceDecomposition`.

    Returns
    -------
    Series of bool
        Whether a row is one of these; a model may have the name "overall", too.
    """
    is_overall = (table["model"] == OVERALL[0]) & (table["other"] == OVERALL[1])
    return is_overall & (table["kind"] == "difference")


def pivot_components(table):
    """Arrange estimates in one row per model or difference, and one column per component.

    Parameters
    ----------
    table : DataFrame
        Table of a :class:`VarianceDecomposition`, or some of its rows.

    Returns
    -------
    DataFrame
        The estimates in the order of the table, indexed by kind, model and other.
    """
    # Numbers of rows, because the labels of two models can look the same, such as 1 and "1".
    names = table[["kind", "model", "other"]]
    row = table.groupby(list(names), sort=False).ngroup()
    wide = table.assign(row=row).pivot(index="row", columns="component", values="estimate")
    wide = wide[table["component"].unique()]
    return wide.set_axis(pd.MultiIndex.from_frame(names[~row.duplicated()]))


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
    check_components_design(outcomes, level)
    components = estimate_components(outcomes)
    _warn_of_merged_components(components.models)
    rows = []
    for kind, by_models in (("model", components.models), ("difference", components.differences)):
        for (model, other), estimates in by_models.items():
            rows += [(kind, model, other, *row) for row in _component_rows(estimates, level)]
    return VarianceDecomposition(pd.DataFrame(rows, columns=_COLUMNS), level)


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
        for name, noise in (("icc", paraphrase + sample), ("reliability", estimates.label_noise)):
            yield name, *signal_share(noise, estimates.query + noise, n, level)


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
            warn_user(f"{', '.join(names)} with {description}", SeparabilityWarning)
