"""Performance estimation by training: the exact, expensive way."""

from keras_nas.evaluators.best_weights import BestWeights
from keras_nas.evaluators.evaluator import Evaluator
from keras_nas.evaluators.results import as_metrics


class Training(Evaluator):
    """Trains each candidate as `search()` was told to, and reads its metrics.

    The default evaluator of every tuner. The score is the one of the best
    epoch, and the weights of that epoch are kept for `get_best_models`.

    Args:
        executions: Integer, how often each candidate is trained from a new
            initialisation; metrics are averaged. More executions make the
            comparison of candidates less noisy.

    Raises:
        ValueError: If `executions` is not a positive integer.

    Example:

    >>> Training(executions=2).executions
    2
    """

    def __init__(self, executions=1):
        if not isinstance(executions, int) or executions < 1:
            raise ValueError(
                "Invalid value received for argument `executions` "
                "(`executions_per_trial` of a tuner). Expected a positive "
                f"integer. Received: executions={executions!r}"
            )
        self.executions = executions

    def evaluate(self, candidate):
        """Trains the candidate; returns the metrics of its best epoch."""
        best = BestWeights(candidate.objective)
        runs = []
        for execution in range(self.executions):
            model = candidate.build()
            callbacks = [*candidate.callbacks(execution), best]
            result = candidate.fit(model, callbacks)
            runs.append(as_metrics(result, candidate.objective))
        best.save(candidate.directory)
        return as_metrics(runs, candidate.objective)
