"""
How noisy are my labels?
========================

Before a router is trained, its labels can be asked what they are worth: how
much of a score is the query, the wording and the luck of the draw; how often one
answer would have pointed to another model; how many wordings and samples would
do. Real outcomes of six small models on 407 easy questions, 25 a pair.
"""

import matplotlib

if not matplotlib.is_interactive():
    matplotlib.use("Agg")
import matplotlib.pyplot as plt

from dars_sklearn import LabelNoiseDisplay, ReliabilityDisplay
from dars_sklearn.aggregate import cost_range
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.labels import decompose_variance, label_flip_rate, probability_best

outcomes = load_smol_outcomes().outcomes
scale = {"cost_weight": 0.05, "cost_range": cost_range(outcomes)}

# %%
# Of the variance of one score, more than half is the luck of the draw for most
# models. What tells two models apart is a smaller share still: their
# differences share neither what makes a query hard nor what a wording does to
# both, and this is all that a router can use.

parts = decompose_variance(outcomes)
rows = parts.to_frame()
print(rows[rows["model"] == "overall"].to_string(index=False))
by_model = rows[(rows["of"] == "model") & rows["part"].isin(["icc", "reliability"])]
print(by_model.to_string(index=False))
flips = label_flip_rate(outcomes, **scale)
print(flips)
display = LabelNoiseDisplay.from_predictions(parts, flips)
display.figure_.savefig("label_noise.png", dpi=120)

# %%
# Two single answers name different best models on most queries, with cost to
# break ties. So a label from one answer a model is mostly luck, and one from
# five wordings of one sample each is better than one of five samples of one
# wording: samples of a wording share what that wording did.

display = ReliabilityDisplay.from_outcomes(outcomes)
display.figure_.savefig("reliability.png", dpi=120)
print(display.curve.to_string(index=False, float_format="{:.2f}".format))

# %%
# With 25 outcomes a pair, how sure are we of the best model of each query?

sure = probability_best(outcomes, **scale).max(axis=1)
for level in (0.5, 0.8, 0.95):
    print(f"best model known with {level:.0%} on {(sure > level).mean():.0%} of the queries")
plt.close("all")
