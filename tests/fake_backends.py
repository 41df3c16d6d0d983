"""Backends without a model, for tests of collection."""

from collections import Counter

from dars_sklearn.generate import Response


def echo(prompts, *, n):
    """Respond with the prompt."""
    return [[prompt] * n for prompt in prompts]


class CountingBackend:
    """A backend whose responses are all different, and which counts the requested samples."""

    def __init__(self, **settings):
        self.settings = settings
        self.requested = Counter()

    def __deepcopy__(self, memo):
        return self

    def __call__(self, prompts, *, n, seeds):
        for prompt in prompts:
            self.requested[prompt] += n
        return [
            [
                Response(
                    f"{prompt} {seed}/{sample}",
                    input_tokens=3,
                    output_tokens=4,
                    cost=0.5,
                    latency=0.25,
                )
                for sample in range(n)
            ]
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]


class PricedBackend:
    """A backend whose requests cost 2 per sample, and at most 3 per sample."""

    def __init__(self, unknown_cost=False):
        self.unknown_cost = unknown_cost
        self.requested = Counter()

    def __call__(self, prompts, *, n):
        self.requested.update(dict.fromkeys(prompts, n))
        spent = float("nan") if self.unknown_cost else 2.0
        return [[Response(prompt, spent=spent)] * n for prompt in prompts]

    def highest_price(self, prompt, n):
        return 3.0 * n
