"""The bundled real data set."""

from importlib.resources import as_file, files

import pandas as pd
from sklearn.utils import Bunch

from dars_sklearn.outcomes import Outcomes

__all__ = ["load_smol_outcomes"]


def load_smol_outcomes():
    """Load real outcomes of six candidate models on easy questions.

    SmolLM2-135M-Instruct and Gemma-3-270M, prompted in several ways, were asked
    five wordings of each question and sampled five times. A third of the
    queries was asked a second time, with other seeds: train on the outcomes of
    the other two thirds, and evaluate on draws that no label has seen. What is
    known of the data, its flaws too, is in its ``DESCR``.

    Returns
    -------
    Bunch
        With ``queries``, ``paraphrases`` (n_queries, 5), ``outcomes``,
        ``kinds``, ``references`` (accepted answers, joined by " | ") and
        ``is_test``, one row a query; ``test_outcomes``, the second draw of the
        queries where ``is_test``, in their order; ``responses``, a DataFrame
        with the text of every response, its ``part`` "labels" or "test"; and
        ``DESCR``.

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
        # A response may well be the word "null"; a cost may well be unknown.
        unknown = dict.fromkeys(["cost", "output_tokens"], [""])
        responses = pd.read_csv(path, keep_default_na=False, na_values=unknown)
    with as_file(folder / "smol_questions.csv") as path:
        questions = pd.read_csv(path, keep_default_na=False)
    queries = questions["query"].to_numpy(dtype=object)
    is_test = questions["test"].to_numpy(dtype=bool)
    responses.insert(2, "query", queries[responses.pop("number")])
    parts = {
        part: Outcomes.from_frame(table, queries=labels, models=responses["model"].unique())
        for part, table, labels in (
            ("labels", responses[responses["part"] == "labels"], queries),
            ("test", responses[responses["part"] == "test"], queries[is_test]),
        )
    }
    return Bunch(
        queries=queries,
        paraphrases=questions.filter(regex=r"^wording_").to_numpy(dtype=object),
        outcomes=parts["labels"],
        test_outcomes=parts["test"],
        is_test=is_test,
        kinds=questions["kind"].to_numpy(dtype=object),
        references=questions["reference"].to_numpy(dtype=object),
        responses=responses,
        DESCR=(folder / "smol_outcomes.md").read_text(encoding="utf-8"),
    )
