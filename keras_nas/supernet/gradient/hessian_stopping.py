"""Stop before the Hessian becomes sharp (Zela et al., 2020)."""

import numpy as np

from keras_nas.supernet.gradient.alpha_stopping import AlphaStopping
from keras_nas.supernet.gradient.hessian import largest_eigenvalue


class HessianStopping(AlphaStopping):
    """Stops when the loss becomes sharp in the alphas.

    The largest eigenvalue of the Hessian of the held-out loss by the alphas
    grows before a search by DARTS collapses: then the alphas may have a low
    loss, and the architecture cut out of them has not. The search stops when
    the eigenvalue, averaged over the last `window` epochs, has grown fast,
    and takes the alphas of `window` epochs ago.

    Args:
        ratio: Float between 0 and 1. The search stops when the average of
            `window` epochs ago is below this share of the present one.
        window: Integer, epochs.

    Raises:
        ValueError: If an argument is wrong.

    Reference:

    - [Zela et al., 2020, Understanding and Robustifying Differentiable
      Architecture Search](https://arxiv.org/abs/1909.09656), section 4.3.

    Example:

    >>> rule = HessianStopping(ratio=0.75, window=1)
    >>> rule.chosen([1.0, 1.1, 1.2])
    >>> rule.chosen([1.0, 1.1, 1.2, 2.0])
    2
    """

    name = "eigenvalue"

    def __init__(self, ratio=0.75, window=5):
        is_number = isinstance(ratio, (int, float))
        if not is_number or not 0 < ratio < 1:
            raise ValueError(
                "Invalid value received for argument `ratio`. Expected a "
                f"number between 0 and 1. Received: ratio={ratio!r}"
            )
        is_integer = isinstance(window, int) and not isinstance(window, bool)
        if not is_integer or window < 1:
            raise ValueError(
                "Invalid value received for argument `window`. Expected a "
                f"positive integer. Received: window={window!r}"
            )
        self.ratio = ratio
        self.window = window

    def check(self, search):
        """Raises unless the search has a Hessian."""
        if not hasattr(search, "hessian_product"):
            raise ValueError(
                "`HessianStopping` needs the Hessian of the mixture of all "
                f"candidates, which {type(search).__name__} never runs. "
                "Expected `nas.DARTS`, or `SkipStopping`."
            )

    def measure(self, search, data, epoch):
        """Returns the largest eigenvalue on a batch of held-out examples."""
        batch = data.alpha_batch(epoch)
        progress = epoch / max(1, search.epochs - 1)
        return largest_eigenvalue(
            lambda vector: search.hessian_product(
                batch, vector, progress, epoch
            ),
            size=int(search.space.num_options.sum()),
            rng=np.random.default_rng([search.seed, epoch]),
        )

    def chosen(self, measured):
        """Stops if the average has grown by more than `1 / ratio`."""
        last = len(measured) - 1
        before = last - self.window
        if before < 0:
            return None
        now, then = (
            self._average(measured, last),
            self._average(measured, before),
        )
        # Of negative ones a ratio says nothing.
        return before if now > 0 and then < self.ratio * now else None

    def _average(self, measured, place):
        start = max(0, place + 1 - self.window)
        return float(np.mean(measured[start : place + 1]))

    def get_config(self):
        """Returns the arguments the rule was made with."""
        return {"ratio": self.ratio, "window": self.window}
