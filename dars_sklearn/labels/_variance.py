"""How much of a score is the query, the wording, and the luck of the draw."""

from dataclasses import dataclass, replace
from itertools import product
from warnings import warn

import numpy as np
import pandas as pd

from dars_sklearn._components import difference_parts, make_cells, model_parts
from dars_sklearn.exceptions import SeparabilityWarning
from dars_sklearn.labels._intervals import (
    difference_interval,
    log_interval,
    remainder_interval,
)
from dars_sklearn.outcomes import as_outcomes

__all__ = ["VarianceDecomposition", "decompose_variance", "reliability_curve"]

# Differences that a repr shows one by one; of more, their mean only.
_MOST_PAIRS = 21
_COLUMNS = ["of", "model", "other", "part", "estimate", "low", "high"]


@dataclass(frozen=True)
class VarianceDecomposition:
    """Variance parts of scores, and of the differences between models.

    Parameters
    ----------
    table : DataFrame
        A row a part of a model's score (``of`` is "model"), or of the
        difference of two models' scores ("difference"; the mean over all pairs
        has ``model`` and ``other`` of "overall"); ``other`` of a model by itself
        is "". ``part`` is one of

        - "query", "paraphrase" (within the query), "sample" (within the
          paraphrase): variances on the scale of squared scores. Of a
          difference: query x model, wording x model, and draw;
        - a sum such as "paraphrase + sample", in the place of parts that this
          design cannot tell apart;
        - "total": the variance of a single outcome;
        - "icc": the share of the query part in it, which is the reliability of
          a label from one outcome;
        - "reliability": the share of the query part in the variance of the
          labels of this design (the generalizability coefficient), in the mean
          over queries.

        ``estimate`` is cut at 0; ``low`` and ``high`` are the interval.
    level : float
        Level of the intervals.

    Notes
    -----
    See :func:`decompose_variance`.
    """

    table: pd.DataFrame
    level: float

    def to_frame(self):
        """Return the parts as a tidy table.

        Returns
        -------
        DataFrame
            A row a part, as described above.
        """
        return self.table

    def estimate(self, part, model="overall", other=None):
        """Look up an estimate.

        Parameters
        ----------
        part : str
            Name of the part.
        model, other : label
            A model; with ``other``, the difference of two; by default the mean
            over all differences.

        Returns
        -------
        float
            The estimate, NaN where this design does not give it.
        """
        other = "overall" if model == "overall" else "" if other is None else other
        rows = self.table[self.table["part"] == part]
        named = rows.set_index(["model", "other"])["estimate"].to_dict()
        return float(named.get((model, other), named.get((other, model), np.nan)))

    def _wide(self):
        table = self.table
        pairs = (table["of"] == "difference") & (table["model"] != "overall")
        if table.loc[pairs, ["model", "other"]].drop_duplicates().shape[0] > _MOST_PAIRS:
            table = table[~pairs]
        names = [_name(*pair) for pair in zip(table["model"], table["other"], strict=True)]
        table = table.assign(score=names)
        wide = table.pivot(index="score", columns="part", values="estimate")
        return wide.loc[table["score"].unique(), table["part"].unique()].rename_axis(None, axis=1)

    def __repr__(self):
        return f"<VarianceDecomposition>\n{self._wide().to_string(float_format='{:.4f}'.format)}"

    def _repr_html_(self):
        return self._wide().to_html(float_format="{:.4f}".format)


def _name(model, other):
    if other == "":
        return str(model)
    return "differences, overall" if model == "overall" else f"{model} - {other}"


def decompose_variance(outcomes, *, level=0.95):
    """Split the variance of scores into query, paraphrase and sample parts.

    Of each model, a score is a mean plus independent effects of the query, of
    the paraphrase within the query, and of the sample. Of two models, the
    difference of scores on the same paraphrase has the same three parts, and
    these are what routing lives on: what a query or a wording does to all
    models alike makes labels look reliable and is no help in choosing.

    The parts are estimated by the method of moments, exact in expectation for
    any numbers of paraphrases and samples as long as these do not depend on
    the scores. A query counts the same however often it was asked.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of at least three queries.
    level : float, default=0.95
        Level of the intervals (delete-one-query jackknife on the log scale of
        mean squares, combined for differences of these).

    Returns
    -------
    VarianceDecomposition
        The parts, with intervals, and the reliability of labels.

    Raises
    ------
    ValueError
        If there are fewer than three queries.

    Warns
    -----
    SeparabilityWarning
        If parts cannot be told apart: paraphrase from sample with one sample
        a paraphrase, query from paraphrase with one paraphrase a query. Their
        sum is given in their place; reliability only where there are several
        paraphrases.

    Notes
    -----
    What the intervals hold at 200 queries, at the 95 % level: 93.8 to 96.2 %
    with normal effects, on a full grid and on a badly unbalanced layout; 94.5
    to 97.9 % where a part is zero; 92.5 % for the query part where effects are
    as skewed as an exponential's (``benchmarks/labels.py``). The cut at 0
    biases a part that is zero, or small and badly estimated, upward.

    References
    ----------
    Searle, Casella & McCulloch, "Variance Components" (1992); Brennan,
    "Generalizability Theory" (2001), for the coefficient.

    Examples
    --------
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> from dars_sklearn.labels import decompose_variance
    >>> parts = decompose_variance(make_routing_outcomes(random_state=0).outcomes)
    >>> round(parts.estimate("sample", "model 0"), 2)
    0.19
    >>> round(parts.estimate("reliability"), 2)  # of the differences between models
    0.73
    """
    outcomes = as_outcomes(outcomes)
    _check(outcomes, level)
    models, differences = _parts_of(outcomes)
    _warn_if_merged(models)
    rows = []
    for (model, other), parts in (models | differences).items():
        of = "model" if other == "" else "difference"
        rows += [(of, model, other, *row) for row in _describe(parts, level)]
    return VarianceDecomposition(pd.DataFrame(rows, columns=_COLUMNS), level)


def reliability_curve(
    outcomes, n_paraphrases=(1, 2, 5, 10), n_samples=(1, 2, 5, 10), *, of="difference", level=0.95
):  # fmt: skip
    """Predict the reliability of labels from other numbers of paraphrases and samples.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes with several paraphrases; for other numbers of samples, with
        several samples too.
    n_paraphrases, n_samples : sequence of int
        Numbers to predict for, every combination.
    of : {"difference", "model"}, default="difference"
        The labels' power to tell models apart on a query, in the mean over
        pairs of models; or queries apart for each model.
    level : float, default=0.95
        Level of the intervals.

    Returns
    -------
    DataFrame
        Columns ``n_paraphrases``, ``n_samples``, ``reliability``, ``low``,
        ``high``; with ``of="model"`` also ``model``.

    Raises
    ------
    ValueError
        If the parts that a prediction needs cannot be told apart.

    References
    ----------
    The D study of generalizability theory: Brennan, "Generalizability Theory"
    (2001). Reliability is ``q / (q + p / P + s / (P K))`` for parts q, p, s.

    Examples
    --------
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> from dars_sklearn.labels import reliability_curve
    >>> curve = reliability_curve(make_routing_outcomes(random_state=0).outcomes, (1, 5), (1, 5))
    >>> curve["reliability"].round(2).tolist()
    [0.11, 0.35, 0.39, 0.73]
    """
    outcomes = as_outcomes(outcomes)
    _check(outcomes, level)
    if of not in ("difference", "model"):
        raise ValueError(f"of must be 'difference' or 'model', got {of!r}")
    for name, numbers in (("n_paraphrases", n_paraphrases), ("n_samples", n_samples)):
        if not len(numbers) or min(numbers) < 1:
            raise ValueError(f"{name} must be ints of at least 1, got {numbers!r}")
    models, differences = _parts_of(outcomes)
    if of == "difference" and not differences:
        raise ValueError("there is one model only, and no difference; use of='model'")
    wanted = {"overall": differences.get(("overall", "overall"))}
    if of == "model":
        wanted = {model: parts for (model, _), parts in models.items()}
    rows = []
    for model, parts in wanted.items():
        _check_separable(parts, n_samples)
        for P, K in product(n_paraphrases, n_samples):
            noise = np.maximum(parts.paraphrase, 0) / P + parts.sample / (P * K)
            rows.append((model, P, K, *_share(noise, parts.query + noise, parts, level)))
    columns = ["model", "n_paraphrases", "n_samples", "reliability", "low", "high"]
    table = pd.DataFrame(rows, columns=columns)
    return table if of == "model" else table.drop(columns="model")


def _check(outcomes, level):
    if len(outcomes) < 3:
        raise ValueError(f"variance parts need at least 3 queries, got {len(outcomes)}")
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level!r}")


def _parts_of(outcomes):
    """Parts by (model, ""), and by (model, other), with their mean if there are any."""
    cells = make_cells(outcomes)
    names = outcomes.models.tolist()
    of_models = model_parts(cells, len(outcomes), outcomes.n_models)
    models = {(name, ""): parts for name, parts in zip(names, of_models, strict=True)}
    pairs = difference_parts(cells, len(outcomes), outcomes.n_models)
    differences = {(names[i], names[j]): parts for (i, j), parts in pairs.items()}
    shared = [parts for parts in differences.values() if parts.n_queries > 1]
    if shared:
        differences[("overall", "overall")] = _mean_parts(shared)
    return models, differences


def _mean_parts(parts):
    rows = ("spread", "spread_noise", "wording", "wording_noise", "sample", "label_noise")
    return replace(
        parts[0],
        **{row: np.mean([getattr(of, row) for of in parts], axis=0) for row in rows},
        queries_separable=all(of.queries_separable for of in parts),
        samples_separable=all(of.samples_separable for of in parts),
        n_queries=max(of.n_queries for of in parts),
    )


def _describe(parts, level):
    """Yield part, estimate, low and high."""
    n = parts.n_queries
    if n < 2:
        yield from (("total", np.nan, np.nan, np.nan),)
        return
    query, paraphrase = np.maximum(parts.query, 0), np.maximum(parts.paraphrase, 0)
    total = query + paraphrase + parts.sample
    between = difference_interval(parts.spread, parts.spread_noise, n, level)
    wording = difference_interval(parts.wording, parts.wording_noise, n, level)
    sample = log_interval(parts.sample, n, level)
    names = {
        (True, True): ("query", "paraphrase", "sample"),
        (True, False): ("query", "paraphrase + sample", None),
        (False, True): ("query + paraphrase", None, "sample"),
        (False, False): ("query + paraphrase + sample", None, None),
    }[parts.queries_separable, parts.samples_separable]
    values = ((query, between), (paraphrase, wording), (parts.sample, sample))
    for name, (value, (low, high)) in zip(names, values, strict=True):
        if name is not None:
            yield name, value[0], max(low, 0.0), high
    yield "total", total[0], *log_interval(total, n, level)
    if parts.queries_separable:
        within = paraphrase + parts.sample
        yield "icc", *_share(within, parts.query + within, parts, level)
        noise = parts.label_noise
        yield "reliability", *_share(noise, parts.query + noise, parts, level)


def _share(noise, whole, parts, level):
    """One less the share of noise, cut at 0, with its interval."""
    if not whole[0] > 0:  # constant scores: no difference to be reliable about
        return np.nan, np.nan, np.nan
    low, high = remainder_interval(noise, whole, parts.n_queries, level)
    return max(1 - noise[0] / whole[0], 0.0), low, high


def _warn_if_merged(models):
    merged = {
        "one outcome a query: only the total variance can be told": (False, False),
        "one paraphrase a query: the query part holds the paraphrase part, and the labels' "
        "reliability is not known, only the sample part": (False, True),
        "one sample a paraphrase: the paraphrase part holds the sample part; the query part, "
        "and the labels' reliability, are valid": (True, False),
    }
    for what, flags in merged.items():
        names = [
            str(name)
            for (name, _), of in models.items()
            if (of.queries_separable, of.samples_separable) == flags
        ]
        if names:
            warn(f"{', '.join(names)} with {what}", SeparabilityWarning, stacklevel=3)


def _check_separable(parts, n_samples):
    if not parts.queries_separable:
        raise ValueError(
            "with one paraphrase a query, the query part holds the paraphrase part, and the "
            "reliability of other designs cannot be predicted; collect several wordings"
        )
    if not parts.samples_separable and set(n_samples) != {1}:
        raise ValueError(
            "with one sample a paraphrase, other numbers of samples cannot be predicted; "
            "use n_samples=(1,), or collect several samples"
        )
