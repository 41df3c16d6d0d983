"""Outcomes from the sample logs of the LM Evaluation Harness."""

import json
import math
from collections import Counter
from hashlib import blake2b
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple

from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.grade._apply import add_queries, apply_grader, describe_grading_errors
from dars_sklearn.interop._common import as_list, label_query, outcomes_from_rows, select_name
from dars_sklearn.interop._lm_eval_logs import choices_of, find_logs, prompt_of, read_log
from dars_sklearn.outcomes._validation import check_score_range
from dars_sklearn.utils._warnings import warn_at_end, warn_user

__all__ = ["from_lm_eval"]


def from_lm_eval(
    paths, *, query="prompt", metric=None, filter=None, grader=None, score_range=(0.0, 1.0)
):
    """Read the sample logs of the LM Evaluation Harness (``--log_samples``).

    The harness scores one response per document, even with ``repeats``: the one that its filter
    selects. With a ``grader``, every response is graded, and the repeats become samples.
    Logs of all releases since 0.4 are read.

    Parameters
    ----------
    paths : str, path-like, or list of them
        Logs (``samples_*.jsonl``, or ``<model arguments>_<task>.jsonl`` of releases before
        0.4.3), or folders that are searched for them.
    query : str, default="prompt"
        What identifies a query: "prompt", the whole text sent to the model; "doc_id", if all logs
        are of one task, in which case the prompts are the ``texts`` of the outcomes, unless they
        differ from log to log; or a field of ``doc``, such as "question".
    metric : str or None, default=None
        Which of the harness's ``metrics`` is the score. None uses the only metric of all
        logs.
    filter : str or None, default=None
        Which ``filter`` of the harness to use. None uses the only filter of all logs. Older
        releases do not name the filters; they are "0", "1", and so on, in the order of the task's
        configuration.
    grader : callable or None, default=None
        ``grader(text, reference)`` scores each response, with the document's ``target`` as the
        reference. None uses the harness's own score. A response that cannot be graded is missing.

    score_range : tuple of float or None, default=(0.0, 1.0)
        Lowest and highest possible value of the metric, as in
        :meth:`dars_sklearn.Outcomes.from_frame`. The scores of a grader are in [0, 1].

    Returns
    -------
    Outcomes
        Outcomes with one model for each ``model_name`` of the results file beside the samples,
        or for each folder if there is no such file. Several runs of one model are samples.

    Raises
    ------
    TypeError
        If ``grader`` is not callable.
    ValueError
        If there are no samples, a log is passed twice (also as a copy) or is in no known layout,
        a score is out of range or not a number, ``metric`` or ``filter`` is None and there are
        several, a log does not have the one requested, a field cannot identify a query, or a
        ``doc_id`` belongs to several documents.

    Warns
    -----
    CollectionWarning
        If responses could not be graded, with their number and the reasons. If logs of different
        models have the same content. If documents were
        repeated and no grader is given, or if all repeats of every document are identical.
        Servers return the same response each time if the seed is fixed
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
    if grader is not None and not callable(grader):
        raise TypeError(f"grader must be callable, got {grader!r}")
    if grader is not None and check_score_range(score_range) != (0.0, 1.0):
        raise ValueError(
            f"score_range={score_range!r} is of the harness's scores, and those of a grader are in "
            "[0, 1]; leave score_range= or grader= out"
        )
    documents = _read_documents(paths, query, keep_records=grader is not None)
    documents = _select_filter(documents, filter)
    if query == "doc_id":
        _check_same_documents(documents)
    if query == "prompt":
        _check_same_choices(documents)
    if grader is None:
        scores = _scores_of_harness(documents, metric)
    else:
        scores = _grade_logs(grader, documents)
    _warn_of_repeats(documents, graded=grader is not None)
    rows = [
        {"query": document.query, "text": document.text, "model": document.model, "score": score}
        for document, own in zip(documents, scores, strict=True)
        for score in own
    ]
    return outcomes_from_rows(rows, score_range)


class _Document(NamedTuple):
    """What is read of one document's record in a log; logs are larger than memory may be.

    Parameters
    ----------
    log, filter : str
        Where it stands.
    model, task : str
        What the log is of.
    doc_id : object
        Its id.
    digest : bytes
        Digest of its fields, which distinguishes it from other documents with its id.
    query : object
        Label of its query.
    text : str or None
        Text of its query.
    choices : list of str
        What the model had to choose from, if its prompt is the query.
    metrics : dict of str to object
        The harness's scores.
    lower_is_better : frozenset of str
        Metrics that are no scores, since they are better if they are lower.
    n_responses, n_distinct : int
        Number of responses, and of different ones.
    record : dict or None
        The whole record, if it is kept.
    """

    log: str
    filter: str
    model: str
    task: str
    doc_id: object
    digest: bytes
    query: object
    text: str | None
    choices: list
    metrics: dict
    lower_is_better: frozenset
    n_responses: int
    n_distinct: int
    record: dict | None


def _read_documents(paths, query, keep_records):
    """Read all documents of all logs."""
    return [
        _read_document(record, log, query, keep_records)
        for log in _find_all_logs(paths)
        for record in read_log(log.file)
    ]


def _find_all_logs(paths):
    """List all logs; refuse a log that is passed twice, as the same file or as a copy."""
    logs = find_logs([Path(path) for path in as_list(paths)])
    (file, n_times), *_ = Counter(log.file.resolve() for log in logs).most_common(1) or [(None, 1)]
    if n_times > 1:
        raise ValueError(f"the log {str(file)!r} is passed {n_times} times; pass it once")
    _check_copies(logs)
    return logs


def _check_copies(logs):
    """Refuse logs of one model with the same content; warn of those of different models."""
    first, copies = {}, []
    for log in logs:
        other = first.setdefault(blake2b(log.file.read_bytes()).digest(), log)
        if other is log:
            continue
        if other.model == log.model:
            raise ValueError(
                f"the logs {str(other.file)!r} and {str(log.file)!r} of the model {log.model!r} "
                "have the same content; pass one of them"
            )
        copies.append((other, log))
    if copies:
        other, log = copies[0]
        warn_user(
            f"{len(copies)} logs have the same content as one of another model, such as "
            f"{str(log.file)!r} (model {log.model!r}) and {str(other.file)!r} (model "
            f"{other.model!r}); check that they are not copies",
            CollectionWarning,
        )


def _read_document(record, log, query, keep_record):
    label, text = _query_of(record, query)
    responses = _response_texts(record)
    fields = json.dumps(record["doc"], sort_keys=True)
    return _Document(
        log=str(log.file),
        filter=record["filter"],
        model=log.model,
        task=log.task,
        doc_id=record["doc_id"],
        digest=blake2b(fields.encode(), digest_size=16).digest(),
        query=label,
        text=text,
        choices=choices_of(record) if query == "prompt" else [],
        metrics={name: record.get(name) for name in record["metrics"]},
        lower_is_better=log.lower_is_better,
        n_responses=len(responses),
        n_distinct=len(set(responses)),
        record=record if keep_record else None,
    )


def _query_of(record, query):
    """Return the label and the text of a document's query."""
    of_doc = f"of doc {record['doc_id']!r}"
    if query == "prompt":
        return label_query(prompt_of(record), f"the prompt {of_doc}")
    if query == "doc_id":
        label, _ = label_query(record["doc_id"], "a doc_id")
        return label, label_query(prompt_of(record), f"the prompt {of_doc}")[1]
    fields = record["doc"] if isinstance(record["doc"], dict) else {}
    if query not in fields:
        raise ValueError(
            f"doc {record['doc_id']} has no field {query!r}, only {sorted(fields)}; pass "
            "query= one of these, 'prompt' or 'doc_id'"
        )
    return label_query(fields[query], f"the field {query!r} {of_doc}")


def _response_texts(record):
    """Return the texts of a document's responses; none if it was scored by likelihood."""
    responses = record["resps"]
    first = responses[0] if isinstance(responses, list) and responses else None
    return [text for text in first if isinstance(text, str)] if isinstance(first, list) else []


def _select_filter(documents, filter):
    """Return the documents with the requested filter, or the only one of all logs."""
    log_of_filter = {document.filter: document.log for document in documents}
    if not log_of_filter:
        return documents
    filter = select_name(log_of_filter, filter, "filter")
    selected = [document for document in documents if document.filter == filter]
    missing = {document.log for document in documents} - {document.log for document in selected}
    if missing:
        log = min(missing)
        own = sorted({document.filter for document in documents if document.log == log})
        raise ValueError(
            f"the log {log!r} has no filter {filter!r}, only {own}; pass filter= one that all "
            "logs have, or leave the log out"
        )
    return selected


def _check_same_documents(documents):
    """Refuse ids that belong to several documents, such as those of two tasks."""
    first = {}
    for document in documents:
        other = first.setdefault(document.doc_id, document)
        if (document.task, document.digest) != (other.task, other.digest):
            raise ValueError(
                f"doc_id {document.doc_id!r} belongs to several documents: that of the task "
                f"{other.task!r} in {other.log!r} ({other.text!r:.100}), and that of the task "
                f"{document.task!r} in {document.log!r} ({document.text!r:.100}); pass "
                "query='prompt' or a field of the documents"
            )


def _check_same_choices(documents):
    """Refuse prompts that belong to several documents, with other choices each."""
    first = {}
    for document in documents:
        other = first.setdefault(document.query, document)
        if document.choices and other.choices and document.choices != other.choices:
            raise ValueError(
                f"the prompt {document.query!r:.100} belongs to several documents: doc "
                f"{other.doc_id!r} of {other.log!r} with the choices {other.choices!r:.100}, and "
                f"doc {document.doc_id!r} of {document.log!r} with {document.choices!r:.100}; "
                "pass query='doc_id' or a field of the documents"
            )


def _scores_of_harness(documents, metric):
    """Return a list of the harness's one score for each document."""
    log_of_metric = {name: document.log for document in documents for name in document.metrics}
    if not documents:
        return []
    metric = select_name(log_of_metric, metric, "metric")
    return [[_score_of(document, metric)] for document in documents]


def _score_of(document, metric):
    if metric not in document.metrics:
        raise ValueError(
            f"doc {document.doc_id!r} of {document.log!r} has no metric {metric!r}, only "
            f"{sorted(document.metrics)}; pass metric= one that all logs have, or leave the log out"
        )
    if metric in document.lower_is_better:
        raise ValueError(
            f"the metric {metric!r} of {document.log!r} is better if it is lower, and a score is "
            "better if it is higher; pass metric= another one, or grader="
        )
    value = document.metrics[metric]
    try:
        score = float(value)
    except (TypeError, ValueError):
        score = math.nan
    if math.isnan(score):
        raise ValueError(
            f"the metric {metric!r} of doc {document.doc_id!r} of {document.log!r} is not a "
            f"number: {value!r:.100}; pass metric= another one, or grader="
        )
    return score


def _grade_logs(grader, documents):
    """Return the lists of scores of each document's responses, graded log by log."""
    for document in documents:
        if document.n_responses == 0:
            raise ValueError(
                f"doc {document.doc_id!r} of {document.log!r} has no responses to grade, which is "
                "so where the harness scored it by likelihood; leave grader= out"
            )
    scores, errors = [], Counter()
    with warn_at_end():
        for _, own in groupby(documents, lambda document: document.log):
            scores += _grade(grader, list(own), errors)
    if errors:
        warn_user(describe_grading_errors(errors), CollectionWarning)
    return scores


def _grade(grader, documents, errors):
    """Grade all responses to each document, and count the errors; return the scores."""
    responses = [
        (document.record, text)
        for document in documents
        for text in _response_texts(document.record)
    ]
    references = add_queries(
        grader,
        [record["target"] for record, _ in responses],
        (prompt_of(record) for record, _ in responses),
    )
    texts = [text for _, text in responses]
    grades = apply_grader(grader, texts, references)
    errors.update(grade.error for grade in grades if grade.error is not None)
    remaining = iter(grades)
    return [
        [grade.score for grade in islice(remaining, document.n_responses) if grade.error is None]
        for document in documents
    ]


def _warn_of_repeats(documents, graded):
    """Warn of repeats that are not scored, or that are all identical."""
    repeated = [document for document in documents if document.n_responses > 1]
    if repeated and not graded:
        warn_user(
            f"{len(repeated)} documents were repeated, and the harness scores one response of "
            "each; pass grader= to score all of them",
            CollectionWarning,
        )
    elif repeated and all(document.n_distinct == 1 for document in repeated):
        warn_user(
            "the repeats of every document are identical; check that the temperature is above 0 "
            "and that the server does not use the same seed for each",
            CollectionWarning,
        )
