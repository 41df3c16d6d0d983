"""Outcomes from the sample logs of the LM Evaluation Harness."""

import json
from pathlib import Path
from warnings import warn

from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.interop._common import as_list, outcomes_from_rows, select_name

__all__ = ["from_lm_eval"]


def from_lm_eval(paths, *, query="prompt", metric=None, filter=None, grader=None):
    """Read the sample logs of the LM Evaluation Harness (``--log_samples``).

    The harness scores one response per document, even with ``repeats``: the one that its filter
    selects. With a ``grader``, every response is graded, and the repeats become samples.

    Parameters
    ----------
    paths : str, path-like, or list of them
        ``samples_*.jsonl`` files, or folders that are searched for them.
    query : str, default="prompt"
        What identifies a query: "prompt", the whole text sent to the model; "doc_id"; or a field
        of ``doc``, such as "question".
    metric : str or None, default=None
        Which of the harness's ``metrics`` is the score. None uses the only metric.
    filter : str or None, default=None
        Which ``filter`` of the harness to use. None uses the only filter.
    grader : callable or None, default=None
        ``grader(text, reference)`` scores each response, with the document's ``target`` as the
        reference. None uses the harness's own score.

    Returns
    -------
    Outcomes
        Outcomes with one model for each ``model_name`` of the results file beside the samples,
        or for each folder if there is no such file. Several runs of one model are samples.

    Raises
    ------
    ValueError
        If there are no samples, or if ``metric`` or ``filter`` is None and there are several.

    Warns
    -----
    CollectionWarning
        If documents were repeated and no grader is given, or if all repeats of every document
        are identical. Servers return the same response each time if the seed is fixed
        (``--model_args seed=``).

    See Also
    --------
    from_inspect : Read the evaluation logs of Inspect.

    References
    ----------
    EleutherAI, LM Evaluation Harness,
    https://github.com/EleutherAI/lm-evaluation-harness.

    Examples
    --------
    >>> from dars_sklearn.interop import from_lm_eval
    >>> outcomes = from_lm_eval("results/", query="question")  # doctest: +SKIP
    """
    rows, n_repeated, n_identical = [], 0, 0
    for file in _sample_files(paths):
        model = _model_name(file)
        for record in _read_records(file, filter):
            texts = _response_texts(record)
            n_repeated += len(texts) > 1
            n_identical += len(texts) > 1 and len(set(texts)) == 1
            key = {"query": _query_of(record, query), "model": model}
            rows += [key | {"score": score} for score in _scores(record, metric, grader, texts)]
    if n_repeated and grader is None:
        warn(
            f"{n_repeated} documents were repeated, and the harness scores one response of each; "
            "pass grader= to score all of them",
            CollectionWarning,
            stacklevel=2,
        )
    elif n_repeated and n_identical == n_repeated:
        warn(
            "the repeats of every document are identical; check that the temperature is above 0 "
            "and that the server does not use the same seed for each",
            CollectionWarning,
            stacklevel=2,
        )
    return outcomes_from_rows(rows)


def _sample_files(paths):
    for path in map(Path, as_list(paths)):
        if not path.exists():
            raise ValueError(f"there is no file or folder {str(path)!r}")
        yield from sorted(path.rglob("samples_*.jsonl")) if path.is_dir() else [path]


def _model_name(file):
    """Return the model's name in the results of the same run, or else the folder's name."""
    time = file.stem.rpartition("_")[2]
    for results in file.parent.glob(f"results_{time}*.json"):
        name = json.loads(results.read_text("utf-8")).get("model_name")
        if name:
            return name
    return file.parent.name


def _read_records(file, filter):
    records = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line]
    if not records:
        raise ValueError(f"the log {str(file)!r} is empty; leave it out")
    filters = [record.get("filter", "none") for record in records]
    selected = select_name(set(filters), filter, "filter")
    return [record for record, name in zip(records, filters, strict=True) if name == selected]


def _query_of(record, query):
    if query == "doc_id":
        return record["doc_id"]
    if query == "prompt":
        return next(iter(record["arguments"].values()))["arg_0"]
    if query not in record["doc"]:
        raise ValueError(
            f"doc {record['doc_id']} has no field {query!r}, only {sorted(record['doc'])}; pass "
            "query= one of these, 'prompt' or 'doc_id'"
        )
    return record["doc"][query]


def _response_texts(record):
    """Return the texts of a document's responses; none if it was scored by likelihood."""
    first = record["resps"][0]
    return [text for text in first if isinstance(text, str)] if isinstance(first, list) else []


def _scores(record, metric, grader, texts):
    if grader is None:
        return [float(record[select_name(record["metrics"], metric, "metric")])]
    if not texts:
        raise ValueError(
            f"doc {record['doc_id']} has no responses to grade, since the harness scored it by "
            "likelihood; leave grader= out"
        )
    return [float(grader(text, record["target"])) for text in texts]
