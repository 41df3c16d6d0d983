"""The bundled data set of real outcomes."""

from importlib.resources import as_file, files

import pandas as pd
from sklearn.utils import Bunch

from dars_sklearn.outcomes import Outcomes

__all__ = ["load_smol_outcomes"]


def load_smol_outcomes():
    """Load the bundled outcomes of six candidate models on easy questions.

    SmolLM2-135M-Instruct and Gemma-3-270M, each with several prompts, answered five paraphrases
    of each question, with five samples of each paraphrase. For a third of the queries, a second
    set of samples was drawn with other seeds: train on the outcomes of the other two thirds, and
    evaluate on this second set, which is independent of every label. ``DESCR`` describes how the
    data was collected, and its limitations.

    Returns
    -------
    Bunch
        Dictionary-like object with the following attributes.

        queries : ndarray of str of shape (n_queries,)
            The questions.
        paraphrases : ndarray of str of shape (n_queries, 5)
            The paraphrases of each query, the query itself first.
        kinds : ndarray of str of shape (n_queries,)
            Kind of each question, such as "capital" or "addition".
        references : ndarray of str of shape (n_queries,)
            Accepted answers, joined by " | ".
        is_test : ndarray of bool of shape (n_queries,)
            Whether a query belongs to the test set.
        outcomes : Outcomes
            Outcomes of all queries.
        test_outcomes : Outcomes
            The second set of outcomes, of the queries where ``is_test``, in the same order.
        responses : DataFrame of shape (n_responses, 12)
            Every response with its text, score, cost, token counts and latency in seconds; its
            column ``part`` is "labels" for ``outcomes`` and "test" for ``test_outcomes``.
        DESCR : str
            The data card.

    See Also
    --------
    make_routing_outcomes : Draw synthetic outcomes with a known truth.
    fetch_dars : Load the outcomes of the DARS paper.

    Examples
    --------
    >>> from dars_sklearn.datasets import load_smol_outcomes
    >>> data = load_smol_outcomes()
    >>> data.queries[0]
    'What is the capital of France?'
    >>> bool((data.test_outcomes.queries == data.queries[data.is_test]).all())
    True
    """
    folder = files("dars_sklearn.datasets") / "data"
    with as_file(folder / "smol_outcomes.csv.gz") as path:
        # Only costs and token counts may be missing: "null" is a valid text of a response.
        missing = dict.fromkeys(["cost", "output_tokens"], [""])
        responses = pd.read_csv(path, keep_default_na=False, na_values=missing)
    with as_file(folder / "smol_questions.csv") as path:
        questions = pd.read_csv(path, keep_default_na=False)
    queries = questions["query"].to_numpy(dtype=object)
    is_test = questions["test"].to_numpy(dtype=bool)
    responses.insert(2, "query", queries[responses.pop("number")])
    models = responses["model"].unique()

    def outcomes_of(part, part_queries):
        rows = responses[responses["part"] == part]
        return Outcomes.from_frame(rows, queries=part_queries, models=models)

    return Bunch(
        queries=queries,
        paraphrases=questions.filter(regex=r"^wording_").to_numpy(dtype=object),
        kinds=questions["kind"].to_numpy(dtype=object),
        references=questions["reference"].to_numpy(dtype=object),
        is_test=is_test,
        outcomes=outcomes_of("labels", queries),
        test_outcomes=outcomes_of("test", queries[is_test]),
        responses=responses,
        DESCR=(folder / "smol_outcomes.md").read_text(encoding="utf-8"),
    )
