"""
How noisy are my labels?
========================

Before a router is trained, it is worth looking at the labels: how much of the variance of a score
is due to the query, to the wording and to sampling noise; how often a single answer points to
another best model; and how many paraphrases and samples are enough. The data are real outcomes of
six small models on 407 easy questions, 25 per (query, model) pair.
"""

import matplotlib

if not matplotlib.is_interactive():
    matplotlib.use("Agg")
import matplotlib.pyplot as plt

from dars_sklearn import LabelNoiseDisplay, ReliabilityDisplay
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.labels import decompose_variance, label_flip_rate, probability_best

outcomes = load_smol_outcomes().outcomes

# %%
# Variance components
# -------------------
# Depending on the model, between a third and three quarters of the variance of a single score is
# sampling noise. Of the variance of the *differences* between models, it is more than two thirds:
# what makes a query hard for all models, and what a wording does to all of them, cancels in a
# difference. These differences are all that a router can use.

decomposition = decompose_variance(outcomes)
table = decomposition.to_frame()
print(table[table["model"] == "overall"].to_string(index=False))
is_reliability = (table["kind"] == "model") & table["component"].isin(["icc", "reliability"])
print(table[is_reliability].to_string(index=False))

# %%
# Flip rates
# ----------
# The flip rate is the probability that two draws, of one answer from each model, contradict each
# other about which model is best. Where answers differ in cost, a difference in cost is enough.
# With ``cost_weight=0`` most draws are ties between models that are all right or all wrong: they do
# not contradict each other, but they do not name a best model either.

flip_rates = label_flip_rate(outcomes)
print(flip_rates)
print(label_flip_rate(outcomes, cost_weight=0))
display = LabelNoiseDisplay.from_predictions(decomposition, flip_rates)
display.figure_.savefig("label_noise.png", dpi=120)

# %%
# Reliability of other designs
# ----------------------------
# One sample of each of five paraphrases is more reliable than five samples of one paraphrase,
# because samples of one paraphrase share the effect of its wording.

display = ReliabilityDisplay.from_outcomes(outcomes)
display.figure_.savefig("reliability.png", dpi=120)
print(display.curve.to_string(index=False, float_format="{:.2f}".format))

# %%
# Certainty about the best model
# ------------------------------
# Even 25 outcomes per (query, model) pair do not identify the best model of every query.

highest_probability = probability_best(outcomes).max(axis=1)
for level in (0.5, 0.8, 0.95):
    share = (highest_probability > level).mean()
    print(f"probability of the best model above {level:.0%}: {share:.0%} of the queries")
plt.close("all")
