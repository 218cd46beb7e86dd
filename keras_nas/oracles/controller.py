"""A recurrent network that makes decisions one by one, in NumPy."""

import numpy as np

# The state keeps this share of itself from one decision to the next.
_MEMORY = 0.9

_EMBEDDING_DEVIATION = 0.1

# A logit that no softmax can tell from minus infinity.
_NEVER = -1e9


class Controller:
    """A policy over sequences of decisions, with its gradient.

    Decision `t` is drawn from a softmax over logits that depend on the state
    `s`, and the option `o` that was taken changes the state:

        logits = readout[t] @ s + bias[t]
        s <- tanh(recurrent @ s + embedding[t, o])

    The state begins with zeros, and a decision that is not asked leaves it as
    it is. All of it is small, so NumPy is faster than any framework, and the
    same numbers come out on every run.

    Args:
        sizes: List of integers, the number of options of each decision.
        units: Integer, the size of the state.
        rng: `numpy.random.Generator`, for the weights to begin with.

    Attributes:
        weights: Dict of arrays, by the names above.

    Reference:
        Zoph and Le, [Neural Architecture Search with Reinforcement
        Learning](https://arxiv.org/abs/1611.01578), 2017.

    Example:

    >>> controller = Controller([3, 2], 4, np.random.default_rng(0))
    >>> decide = controller.sampler(np.random.default_rng(0))
    >>> [decide(0), decide(1)]
    [2, 0]
    """

    def __init__(self, sizes, units, rng):
        decisions, options = len(sizes), max(sizes, default=1)
        self.units = units
        self.weights = {
            "recurrent": _MEMORY
            / np.sqrt(units)
            * rng.normal(size=(units, units)),
            "embedding": _EMBEDDING_DEVIATION
            * rng.normal(size=(decisions, options, units)),
            "readout": _EMBEDDING_DEVIATION
            * rng.normal(size=(decisions, options, units)),
            "bias": np.zeros((decisions, options)),
        }
        # Decisions with fewer options than others never take the rest.
        self._never = np.where(
            np.arange(options) < np.reshape(sizes, (-1, 1)), 0.0, _NEVER
        )

    def sampler(self, rng, temperature=1.0):
        """Returns a function that decides, in order, for one sequence.

        Args:
            rng: `numpy.random.Generator`.
            temperature: Float, above 1 for more chance than the policy has.
        """
        state = np.zeros(self.units)
        weights = self.weights

        def decide(index):
            nonlocal state
            logits = weights["readout"][index] @ state + weights["bias"][index]
            logits = logits / temperature + self._never[index]
            # The largest of logits with Gumbel noise is a draw of the softmax.
            option = int((logits + rng.gumbel(size=len(logits))).argmax())
            state = np.tanh(
                weights["recurrent"] @ state
                + weights["embedding"][index, option]
            )
            return option

        return decide

    def log_probabilities(self, rows):
        """Returns the logarithm of the probability of each option taken.

        Args:
            rows: Array of integers, of shape `(sequences, decisions)`: the
                options taken; -1 where a decision was not asked.

        Returns:
            Array of the same shape, 0 where a decision was not asked.
        """
        _, probabilities = self._forward(rows)
        taken = np.take_along_axis(
            probabilities, np.maximum(rows, 0)[..., None], axis=2
        )[..., 0]
        return np.where(rows >= 0, np.log(taken), 0.0)

    def entropy(self, rows):
        """Returns the entropy of the policy along each sequence."""
        _, probabilities = self._forward(rows)
        entropy = -(probabilities * _log(probabilities)).sum(axis=2)
        return np.where(rows >= 0, entropy, 0.0).sum(axis=1)

    def gradient(self, rows, advantages, entropy_bonus=0.0):
        """Differentiates what policy gradient methods maximise.

        That is the sum over sequences and decisions of `advantage *
        log(probability) + entropy_bonus * entropy`.

        Args:
            rows: Array as for `log_probabilities`.
            advantages: Array of the shape of `rows`.
            entropy_bonus: Float.

        Returns:
            Dict of arrays like `weights`.
        """
        states, probabilities = self._forward(rows)
        weights = self.weights
        gradient = {name: np.zeros_like(w) for name, w in weights.items()}
        asked = rows >= 0
        taken = np.maximum(rows, 0)
        d_state = np.zeros_like(states[0])
        log = _log(probabilities)
        entropy = -(probabilities * log).sum(axis=2, keepdims=True)
        d_logits = -advantages[..., None] * probabilities
        d_logits -= entropy_bonus * probabilities * (log + entropy)
        each = np.arange(len(rows))
        for t in reversed(range(rows.shape[1])):
            on = asked[:, t, None]
            option = taken[:, t]
            d_sum = np.where(on, d_state * (1 - states[t + 1] ** 2), 0.0)
            np.add.at(gradient["embedding"][t], option, d_sum)
            gradient["recurrent"] += d_sum.T @ states[t]
            d_logit = d_logits[:, t]
            d_logit[each, option] += advantages[:, t]
            d_logit = np.where(on, d_logit, 0.0)
            gradient["readout"][t] = d_logit.T @ states[t]
            gradient["bias"][t] = d_logit.sum(axis=0)
            d_state = np.where(
                on,
                d_sum @ weights["recurrent"] + d_logit @ weights["readout"][t],
                d_state,
            )
        return gradient

    def _forward(self, rows):
        """Returns the states, one more than decisions, and probabilities."""
        weights = self.weights
        state = np.zeros((len(rows), self.units))
        states, probabilities = [state], []
        for t in range(rows.shape[1]):
            logits = state @ weights["readout"][t].T + weights["bias"][t]
            logits = logits + self._never[t]
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            probabilities.append(powers / powers.sum(axis=1, keepdims=True))
            option = rows[:, t]
            following = np.tanh(
                state @ weights["recurrent"].T + weights["embedding"][t][option]
            )
            state = np.where(option[:, None] >= 0, following, state)
            states.append(state)
        options = weights["bias"].shape[1]
        shape = (len(rows), rows.shape[1], options)
        return states, np.stack(probabilities, axis=1).reshape(shape)


def _log(probabilities):
    return np.log(np.maximum(probabilities, 1e-300))
