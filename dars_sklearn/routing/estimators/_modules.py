"""Networks and losses of the neural router families; importing this module needs torch."""

import torch
from torch import nn

# Standard deviation of the models' initial parameters, as in the released code of the paper: all
# models start almost alike.
_INITIAL_STD = 0.02


class EmbedLLMModule(nn.Module):
    """Logits ``<q, e_m> + b_m`` of quality, and a cost that is linear in ``e_m`` alone."""

    def __init__(self, n_features, n_models, n_blocks, dim, noise):
        super().__init__()
        self.project = nn.Linear(n_features, dim)
        self.embedding = nn.Embedding(n_models, dim)
        self.bias = nn.Parameter(torch.zeros(n_models))
        self.cost = nn.Linear(dim, 1) if n_blocks > 1 else None
        self.noise = noise
        nn.init.normal_(self.embedding.weight, std=_INITIAL_STD)

    def forward(self, X):
        query = self._add_noise(self.project(X))
        embedding = self._add_noise(self.embedding.weight)
        blocks = [query @ embedding.T + self.bias]
        if self.cost is not None:
            blocks.append(self.cost(embedding).T.expand(len(X), -1))
        return torch.stack(blocks, dim=1)

    def _add_noise(self, values):
        if not self.training or self.noise == 0:
            return values
        return values + self.noise * torch.randn_like(values)


class MIRTModule(nn.Module):
    """Logits ``theta(x) . a_m - b_m``, with separate parameters for each target block."""

    def __init__(self, n_features, n_models, n_blocks, n_latent, hidden):
        super().__init__()
        self.theta = nn.ModuleList(
            nn.Sequential(nn.Linear(n_features, hidden), nn.ReLU(), nn.Linear(hidden, n_latent))
            for _ in range(n_blocks)
        )
        self.a = nn.Parameter(_INITIAL_STD * torch.randn(n_blocks, n_models, n_latent))
        self.b = nn.Parameter(torch.zeros(n_blocks, n_models))

    def forward(self, X):
        blocks = zip(self.theta, self.a, self.b, strict=True)
        return torch.stack([theta(X) @ a.T - b for theta, a, b in blocks], dim=1)


class GraphRouterModule(nn.Module):
    """Edge between a query and a model, predicted from ``[q, m, q * m, |q - m|]``."""

    def __init__(self, n_features, n_models, n_blocks, descriptions, dim):
        super().__init__()
        self.register_buffer("descriptions", torch.as_tensor(descriptions))
        self.query = nn.Linear(n_features, dim)
        self.model = nn.Linear(self.descriptions.shape[1], dim)
        self.edge = nn.Sequential(
            nn.Linear(4 * dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim), nn.ReLU(),
            nn.Linear(dim, n_blocks),
        )  # fmt: skip

    def forward(self, X):
        query = torch.relu(self.query(X))[:, None, :]
        model = torch.relu(self.model(self.descriptions))[None]
        query, model = torch.broadcast_tensors(query, model)
        edges = torch.cat([query, model, query * model, (query - model).abs()], dim=2)
        return self.edge(edges).movedim(2, 1)


class PolicyModule(nn.Module):
    """Logits over the models, from a query's features and a cost weight."""

    def __init__(self, n_features, n_models, hidden):
        super().__init__()
        widths = [n_features + 1, *hidden]
        layers = []
        for n_in, n_out in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], n_models))

    def forward(self, X):
        return self.layers(X)


class BlockLoss(nn.Module):
    """Weighted sum of one loss per target block, averaged over queries by their weights.

    The loss of a block is "bce" (binary cross entropy of a logit), "sigmoid mse" (squared error
    of the sigmoid of a logit), or "mse" (squared error of the output itself). The last column of
    the target is the weight of the query.

    In evaluation mode it is the squared error of the differences between the models in the first
    block, where there are several models: what a query does to all models alike, which most of
    the loss is about, does not count.
    """

    def __init__(self, losses, weights):
        super().__init__()
        self.losses, self.weights = losses, weights

    def forward(self, output, target):
        target, query_weight = target[:, :-1], target[:, -1]
        target = target.reshape(output.shape)
        if self.training or output.shape[2] == 1:
            total = self._training_loss(output, target)
        else:
            prediction = output[:, 0] if self.losses[0] == "mse" else torch.sigmoid(output[:, 0])
            error = prediction - target[:, 0]
            total = ((error - error.mean(dim=1, keepdim=True)) ** 2).mean(dim=1)
        return _weighted_mean(total, query_weight)

    def _training_loss(self, output, target):
        """Return the weighted sum of the losses of the blocks, one value per query."""
        blocks = enumerate(zip(self.losses, self.weights, strict=True))
        return sum(
            weight * _elementwise_loss(loss, output[:, block], target[:, block]).mean(dim=1)
            for block, (loss, weight) in blocks
        )


class ExpectedRegret(nn.Module):
    """Mean over queries of ``sum_m softmax(z)_m (max_j u_j - u_m)``, weighted by query.

    The last column of the target is the weight of the query.
    """

    def forward(self, output, target):
        utility, query_weight = target[:, :-1], target[:, -1]
        regret = utility.max(dim=1, keepdim=True).values - utility
        expected_regret = (torch.softmax(output, dim=1) * regret).sum(dim=1)
        return _weighted_mean(expected_regret, query_weight)


class PairwiseRanking(nn.Module):
    """Mean over queries of ``softplus(z_j - z_i)`` over the pairs in which ``u_i > u_j``.

    A query whose models all have the same utility has a loss of 0. The last column of the target
    is the weight of the query.
    """

    def forward(self, output, target):
        utility, query_weight = target[:, :-1], target[:, -1]
        is_better = (utility[:, :, None] > utility[:, None, :]).to(output.dtype)
        loss = nn.functional.softplus(output[:, None, :] - output[:, :, None])
        n_pairs = is_better.sum(dim=(1, 2)).clamp_min(1)
        return _weighted_mean((loss * is_better).sum(dim=(1, 2)) / n_pairs, query_weight)


def _elementwise_loss(loss, output, target):
    if loss == "bce":
        return nn.functional.binary_cross_entropy_with_logits(output, target, reduction="none")
    prediction = torch.sigmoid(output) if loss == "sigmoid mse" else output
    return (prediction - target) ** 2


def _weighted_mean(values, weight):
    # A batch may contain only queries of weight zero.
    return (weight * values).sum() / weight.sum().clamp_min(1e-12)
