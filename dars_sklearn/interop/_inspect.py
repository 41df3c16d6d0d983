"""Outcomes from the evaluation logs of Inspect."""

import os
from collections import Counter
from warnings import warn

from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.interop._common import as_list, outcomes_from_rows, select_name
from dars_sklearn.utils._optional import import_optional

__all__ = ["from_inspect"]


def from_inspect(logs, *, query="input", scorer=None):
    """Read the evaluation logs of Inspect, whose epochs become samples.

    Parameters
    ----------
    logs : str, path-like, EvalLog, or list of them
        Log files, folders of log files, or logs that are already loaded.
    query : str, default="input"
        What identifies a query: "input", the text of the sample; "id", its id; or a key of its
        metadata, in which case samples with the same value and different ids are paraphrases of
        one query.
    scorer : str or None, default=None
        Name of the scorer whose scores to use. None uses the only scorer.

    Returns
    -------
    Outcomes
        Outcomes with one model for each ``model`` of the logs, and with ``input_tokens``,
        ``output_tokens``, ``latency`` (Inspect's working time, in seconds) and, if Inspect
        reports prices, costs.

    Raises
    ------
    ImportError
        If inspect-ai is not installed.
    ValueError
        If there are no scored samples, a log is passed twice, ``scorer`` is None and there are
        several scorers, or a score is not a single number.

    Warns
    -----
    CollectionWarning
        If samples have no score. Their outcomes are missing.

    See Also
    --------
    from_lm_eval : Read the sample logs of the LM Evaluation Harness.
    dars_sklearn.Outcomes.with_prices : Compute costs from token counts.

    References
    ----------
    UK AI Security Institute, Inspect, https://inspect.aisi.org.uk.

    Examples
    --------
    >>> from dars_sklearn.interop import from_inspect
    >>> outcomes = from_inspect("logs/", scorer="includes")  # doctest: +SKIP
    """
    rows, n_unscored, seen = [], Counter(), set()
    for log in _read_logs(logs):
        if log.eval.eval_id in seen:
            raise ValueError(
                f"the log {log.location!r} (eval_id {log.eval.eval_id}) is passed more than once; "
                "remove its copies"
            )
        seen.add(log.eval.eval_id)
        for sample in log.samples or []:
            if sample.scores:
                rows.append(_read_sample(sample, log.eval.model, query, scorer))
            else:
                n_unscored[log.eval.model] += 1
    for model, count in n_unscored.items():
        warn(
            f"{count} samples of model {model!r} have no score, and their outcomes are missing",
            CollectionWarning,
            stacklevel=2,
        )
    return outcomes_from_rows(rows)


def _import_inspect(module):
    return import_optional(f"inspect_ai.{module}", extra="inspect", needed_by="from_inspect")


def _read_logs(logs):
    inspect_log = _import_inspect("log")
    for log in as_list(logs):
        if isinstance(log, inspect_log.EvalLog):
            yield log
        elif os.path.isdir(log):
            for info in inspect_log.list_eval_logs(os.fspath(log)):
                yield inspect_log.read_eval_log(info)
        else:
            yield inspect_log.read_eval_log(os.fspath(log))


def _read_sample(sample, model, query, scorer):
    usage = (sample.model_usage or {}).get(model)
    return {
        "query": _query_of(sample, query),
        "model": model,
        "paraphrase": str(sample.id),
        "score": _score_of(sample, scorer),
        "cost": getattr(usage, "total_cost", None),
        "input_tokens": getattr(usage, "input_tokens", None),
        "output_tokens": getattr(usage, "output_tokens", None),
        "latency": sample.working_time,
    }


def _query_of(sample, query):
    if query == "id":
        return str(sample.id)
    if query != "input":
        metadata = sample.metadata or {}
        if query not in metadata:
            raise ValueError(
                f"the metadata of sample {sample.id!r} has no {query!r}, only {sorted(metadata)}; "
                "pass query= one of these, 'input' or 'id'"
            )
        return metadata[query]
    if isinstance(sample.input, str):
        return sample.input
    return "\n".join(message.text for message in sample.input if message.role == "user")


def _score_of(sample, scorer):
    name = select_name(sample.scores, scorer, "scorer")
    value = sample.scores[name].value
    if isinstance(value, (list, dict)):
        raise ValueError(
            f"the score of sample {sample.id!r} by scorer {name!r} is not a single number: "
            f"{value!r:.100}"
        )
    return _import_inspect("scorer").value_to_float()(value)
