"""Ties of a real module: which of its parameters are meant to be equal, and do its gradients agree?

    ties = qring.torch.ties.codebook(model, clusters=16)
    result = ties.audit(qring.torch.ties.gradients(model), epsilon=0.1, delta=0.05, rng=rng)

A client's ties are between coordinates of the *untied* model that the server trains: every name
of a parameter counts, and a parametrised weight counts as the matrix it becomes. PyTorch keeps
one gradient for a shared parameter, so :func:`untied` makes the model whose gradients differ.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from qring.conflict.matching import Groups, Matching, Pairs, RandomPairs
from qring.conflict.signs import ArraySigns, RelativeSigns, ZeroRule
from qring.conflict.tie_audit import TieAudit, tie_audit
from qring.errors import InputError
from qring.torch.layout import Layout, untied_tensors
from qring.torch.probing import probe

__all__ = [
    "Layout",
    "Ties",
    "codebook",
    "explicit",
    "gradients",
    "parametrised",
    "quantised",
    "shared",
    "untied",
]

_LLOYD_ROUNDS = 30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ties:
    """A client's private ties: groups of the layout's coordinates, some of them of opposite sign.

    ``flipped``, bool, shape (d,), marks coordinates that are tied to minus the others; None where
    no tie has a sign.
    """

    layout: Layout
    groups: Groups
    flipped: NDArray[np.bool_] | None = None

    @property
    def coverage(self) -> float:
        """Share of all coordinates that are tied to another."""
        return self.groups.tied / self.groups.coords

    def matching(self, rng: np.random.Generator) -> Matching:
        """Disjoint pairs to audit; larger groups are matched at random, anew at every call."""
        if (self.groups.sizes == 2).all():
            return Pairs.of(self.groups.members.reshape(-1, 2), self.groups.coords)
        return RandomPairs(self.groups, rng)

    def audit(
        self,
        gradient: Mapping[str, Tensor] | NDArray[Any],
        *,
        epsilon: float,
        delta: float,
        rng: np.random.Generator,
        zeros: ZeroRule = ZeroRule.REFUSE,
    ) -> TieAudit:
        """Estimate the fraction of tied pairs whose coordinates the step moves apart.

        Args:
            gradient: of the untied model, by name or flat: what DDP left after its all-reduce, or
                the majority's signs in signSGD. Only signs are used.
            epsilon: accuracy of the fraction, in (0, 1).
            delta: probability of a larger error, in (0, 1).
            rng: source of the matching and of the measurements' outcomes.
            zeros: what a zero counts as.

        Raises:
            InputError: a gradient of another shape, with NaN or zeros without a rule.
        """
        flat = gradient if isinstance(gradient, np.ndarray) else self.layout.flatten(gradient)
        if flat.shape != (self.groups.coords,):
            raise InputError(
                f"the gradient has shape {flat.shape}, the ties {self.groups.coords} coordinates"
            )
        signs = ArraySigns(_minus(flat, zeros))
        return tie_audit(
            signs if self.flipped is None else RelativeSigns(signs, self.flipped),
            self.matching(rng),
            epsilon=epsilon,
            delta=delta,
            rng=rng,
        )


def _minus(flat: NDArray[Any], zeros: ZeroRule) -> NDArray[np.bool_]:
    """Mask of a gradient's negative coordinates."""
    minus: NDArray[np.bool_] = np.asarray(flat < 0)
    if np.count_nonzero(minus) + np.count_nonzero(flat > 0) == len(flat):
        return minus
    zero = flat == 0
    if not (minus | (flat > 0) | zero).all():
        raise InputError(f"the gradient holds nan at coordinate {np.isnan(flat).argmax()}")
    if zeros is ZeroRule.REFUSE:
        raise InputError(
            f"the gradient is zero at {int(zero.sum())} coordinates, the first "
            f"{int(zero.argmax())}; choose a rule: count zeros as plus or as minus"
        )
    return minus | zero if zeros is ZeroRule.MINUS else minus


def gradients(module: nn.Module) -> dict[str, Tensor]:
    """The gradients of an untied module by name.

    Raises:
        InputError: a parameter without a gradient, or a shared or parametrised one.
    """
    if parametrize.is_parametrized(module) or any(
        parametrize.is_parametrized(part) for part in module.modules()
    ):
        raise InputError("a parametrised weight has no gradient of its own; train untied(module)")
    found: dict[str, Tensor] = {}
    owners: dict[int, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        owner = owners.setdefault(id(parameter), name)
        if owner != name:
            raise InputError(
                f"{owner} and {name} are one parameter with one gradient; train untied(module)"
            )
        if parameter.grad is None:
            raise InputError(f"{name} has no gradient; call this after backward()")
        found[name] = parameter.grad
    return found


def untied(module: nn.Module) -> nn.Module:
    """A deep copy in which every name has a parameter of its own, and no parametrisation is left.

    What the server trains, whose gradients the ties are audited on.
    """
    model = copy.deepcopy(module)
    for part in list(model.modules()):
        if parametrize.is_parametrized(part):
            _plain(part)
    _split(model, set())
    for part in model.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            fresh = nn.Parameter(parameter.detach().clone(), parameter.requires_grad)
            setattr(part, name, fresh)
    return model


def _plain(part: nn.Module) -> None:
    """Turn parametrised tensors into parameters. torch's own removal would spoil the original.

    A copy shares its class, and with it the properties that the removal deletes.
    """
    chains = dict(part.parametrizations.named_children())  # type: ignore[union-attr]
    values = {name: getattr(part, name).detach().clone() for name in chains}
    part.__class__ = parametrize.type_before_parametrizations(part)
    del part.parametrizations
    for name, value in values.items():
        part.register_parameter(name, nn.Parameter(value))


def _split(part: nn.Module, seen: set[int]) -> None:
    """Replace a module that has been seen under another name by a copy."""
    for name, child in list(part._modules.items()):
        if child is None:
            continue
        own = copy.deepcopy(child) if id(child) in seen else child
        part._modules[name] = own
        seen.add(id(own))
        _split(own, seen)


def shared(module: nn.Module) -> Ties:
    """Ties of parameters that share memory: one object under several names, or views of one.

    Raises:
        InputError: nothing is shared.
    """
    bases: dict[int, int] = {}
    next_base, parts = 0, []
    for _, value in untied_tensors(module):
        storage = value.untyped_storage()
        length = storage.nbytes() // value.element_size()
        if storage.data_ptr() not in bases:
            bases[storage.data_ptr()] = next_base
            next_base += length
        places = torch.arange(length).as_strided(
            value.shape, value.stride(), value.storage_offset()
        )
        parts.append(bases[storage.data_ptr()] + places.reshape(-1).numpy())
    return _tied(module, np.concatenate(parts), "no two parameters share memory")


def quantised(module: nn.Module, *, step: float | None = None) -> Ties:
    """Ties of equal weights within each tensor of two or more axes; biases and norms are free.

    ``step`` is the width of a quantisation bin, round(w/step); without it weights must be equal
    to be tied.

    Raises:
        InputError: a step that is not positive, or no two weights alike.
    """
    if step is not None and not 0 < step < math.inf:
        raise InputError(f"a quantisation step is positive, not {step}")

    def label(values: NDArray[Any], _: int) -> NDArray[np.int64]:
        bins = values if step is None else np.rint(values / step)
        return np.asarray(np.unique(bins, return_inverse=True)[1])

    return _tied(module, _by_weight(module, label), "no two weights of a tensor are equal")


def codebook(module: nn.Module, *, clusters: int, per_row: bool = False) -> Ties:
    """Ties of weights that share an entry of a codebook: one-dimensional k-means.

    Of each tensor of two or more axes, or ``per_row`` of each of its output channels; biases and
    norms are free. Lloyd's rounds start at quantiles.

    Raises:
        InputError: fewer than one cluster, or no weights.
    """
    if clusters < 1:
        raise InputError(f"a codebook has at least 1 entry, not {clusters}")

    def label(values: NDArray[Any], rows: int) -> NDArray[np.int64]:
        parts = values.reshape(rows if per_row else 1, -1)
        return np.concatenate([_clustered(p, clusters) + clusters * k for k, p in enumerate(parts)])

    return _tied(
        module,
        _by_weight(module, label),
        "no tensor has two axes and two weights in a cluster",
    )


def parametrised(module: nn.Module) -> Ties:
    """Ties that a parametrisation (``torch.nn.utils.parametrize``) imposes on its weight.

    Found by probing: whatever its parameters are, two entries of the weight come out equal, or
    opposite. Entries that are always zero are free.

    Raises:
        InputError: no parametrisation ties anything.
    """
    labels, flips, used = [], [], 0
    weights = {
        f"{prefix}.{name}".lstrip("."): chain
        for prefix, part in module.named_modules(remove_duplicate=False)
        for name, chain in getattr(part, "parametrizations", {}).items()
    }
    for name, value in untied_tensors(module):
        if name in weights:
            label, flip = probe(weights[name])
            labels.append(np.where(label < 0, -1, label + used))
            flips.append(flip)
            used += value.numel()
        else:
            labels.append(np.full(value.numel(), -1))
            flips.append(np.zeros(value.numel(), bool))
    flipped = np.concatenate(flips)
    return _tied(
        module,
        np.concatenate(labels),
        "no parametrisation ties two entries",
        flipped if flipped.any() else None,
    )


def explicit(module: nn.Module, pairs: ArrayLike) -> Ties:
    """A user's own pairs: rows (i, j), or (i, j, ±1) where −1 ties θ_i to −θ_j.

    Coordinates are flat, as :meth:`Layout.coordinate` gives them.

    Raises:
        InputError: another shape, overlapping pairs, coordinates out of range, or other signs.
    """
    layout = Layout.of(module)
    rows = np.asarray(pairs)
    if rows.dtype.kind not in "iu" or rows.ndim != 2 or rows.shape[1] not in (2, 3):
        raise InputError(f"pairs are rows of integers (i, j) or (i, j, ±1), not {rows.shape}")
    matched = Pairs.of(rows[:, :2], layout.coords)
    labels = np.full(layout.coords, -1)
    labels[rows[:, :2]] = np.arange(len(rows))[:, None]
    flipped = None
    if rows.shape[1] == 3:
        if (np.abs(rows[:, 2]) != 1).any():
            raise InputError("the third column of a pair is its sign, +1 or -1")
        flipped = np.zeros(matched.coords, bool)
        flipped[rows[rows[:, 2] == -1, 1]] = True
    return Ties(layout=layout, groups=Groups.of(labels), flipped=flipped)


def _by_weight(
    module: nn.Module, label: Callable[[NDArray[Any], int], NDArray[np.int64]]
) -> NDArray[np.int64]:
    """Labels of every weight tensor, different from those of all others; −1 elsewhere."""
    parts, used = [], 0
    for _, value in untied_tensors(module):
        if value.ndim < 2 or not value.numel():
            parts.append(np.full(value.numel(), -1))
            continue
        parts.append(label(value.reshape(-1).float().cpu().numpy(), len(value)) + used)
        used = int(parts[-1].max()) + 1
    return np.concatenate(parts)


def _clustered(values: NDArray[Any], clusters: int) -> NDArray[np.int64]:
    """Nearest centre of each value, after Lloyd's rounds on the sorted values."""
    ordered = np.sort(values).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    centres = np.unique(np.quantile(ordered, (np.arange(clusters) + 0.5) / clusters))
    for _ in range(_LLOYD_ROUNDS):
        borders = (centres[1:] + centres[:-1]) / 2
        cuts = np.concatenate([[0], np.searchsorted(ordered, borders), [len(ordered)]])
        counts = np.diff(cuts)
        moved = np.where(counts > 0, np.diff(sums[cuts]) / np.maximum(counts, 1), centres)
        if (moved == centres).all():
            break
        centres = moved
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, values)


def _tied(
    module: nn.Module,
    labels: NDArray[Any],
    otherwise: str,
    flipped: NDArray[np.bool_] | None = None,
) -> Ties:
    narrow = labels.astype(np.int16) if len(labels) and labels.max() < 2**15 else labels
    try:
        groups = Groups.of(narrow)  # sixteen bits sort in linear time
    except InputError:
        raise InputError(f"{otherwise}; there is nothing to audit") from None
    return Ties(layout=Layout.of(module), groups=groups, flipped=flipped)
