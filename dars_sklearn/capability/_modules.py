"""The networks and losses of the neural families; imported only where torch is."""

import torch
from torch import nn

# What models start with, as in the released code: all much alike.
_SMALL = 0.02


class EmbedLLMModule(nn.Module):
    """Score ``sigmoid(<q, e_m> + b_m)`` of a projected query; cost linear in ``e_m`` alone."""

    def __init__(self, n_features, n_models, n_blocks, dim, noise):
        super().__init__()
        self.project = nn.Linear(n_features, dim)
        self.embedding = nn.Embedding(n_models, dim)
        self.bias = nn.Parameter(torch.zeros(n_models))
        self.cost = nn.Linear(dim, 1) if n_blocks > 1 else None
        self.noise = noise
        nn.init.normal_(self.embedding.weight, std=_SMALL)

    def forward(self, X):
        q, e = self._disturb(self.project(X)), self._disturb(self.embedding.weight)
        blocks = [q @ e.T + self.bias]
        if self.cost is not None:
            blocks.append(self.cost(e).T.expand(len(X), -1))
        return torch.stack(blocks, dim=1)

    def _disturb(self, values):
        if not self.training or self.noise == 0:
            return values
        return values + self.noise * torch.randn_like(values)


class MIRTModule(nn.Module):
    """A head a block: logit ``theta(x) . a_m - b_m``."""

    def __init__(self, n_features, n_models, n_blocks, n_latent, hidden):
        super().__init__()
        self.theta = nn.ModuleList(
            nn.Sequential(nn.Linear(n_features, hidden), nn.ReLU(), nn.Linear(hidden, n_latent))
            for _ in range(n_blocks)
        )
        self.a = nn.Parameter(_SMALL * torch.randn(n_blocks, n_models, n_latent))
        self.b = nn.Parameter(torch.zeros(n_blocks, n_models))

    def forward(self, X):
        heads = zip(self.theta, self.a, self.b, strict=True)
        return torch.stack([theta(X) @ a.T - b for theta, a, b in heads], dim=1)


class GraphRouterModule(nn.Module):
    """Predict the edge between a query and a model from ``[q, m, q * m, |q - m|]``."""

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
        q = torch.relu(self.query(X))[:, None, :]
        m = torch.relu(self.model(self.descriptions))[None]
        q, m = torch.broadcast_tensors(q, m)
        edges = torch.cat([q, m, q * m, (q - m).abs()], dim=2)
        return self.edge(edges).movedim(2, 1)


class PolicyModule(nn.Module):
    """Logits over models, of a query's features and a weight of cost."""

    def __init__(self, n_features, n_models, hidden):
        super().__init__()
        sizes = [n_features + 1, *hidden]
        layers = []
        for width, following in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(width, following), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], n_models))

    def forward(self, X):
        return self.layers(X)


class BlockLoss(nn.Module):
    """A weighted sum of a loss a block, weighted by query.

    ``losses`` says for each block which loss its output has: "bce" takes it for
    a logit, "mse" for a value, and "sigmoid mse" for the logit of a value. The
    last column of the target is the weight of the query.
    """

    def __init__(self, losses, weights):
        super().__init__()
        self.losses, self.weights = losses, weights

    def forward(self, output, target):
        target, weight = target[:, :-1], target[:, -1]
        target = target.reshape(output.shape)
        total = 0.0
        for block, (loss, share) in enumerate(zip(self.losses, self.weights, strict=True)):
            wanted, got = target[:, block], output[:, block]
            if loss == "bce":
                each = nn.functional.binary_cross_entropy_with_logits(got, wanted, reduction="none")
            else:
                value = torch.sigmoid(got) if loss == "sigmoid mse" else got
                each = (value - wanted) ** 2
            total = total + share * each.mean(dim=1)
        return (weight * total).sum() / weight.sum().clamp_min(1e-12)


class ExpectedRegret(nn.Module):
    """Mean over queries of ``sum_m softmax(z)_m (max_j u_j - u_m)``, weighted by query."""

    def forward(self, output, target):
        utility, weight = target[:, :-1], target[:, -1]
        regret = utility.max(dim=1, keepdim=True).values - utility
        each = (torch.softmax(output, dim=1) * regret).sum(dim=1)
        return (weight * each).sum() / weight.sum().clamp_min(1e-12)
