"""How an evaluator ends a search that the user wants to end."""


class SearchInterrupted(KeyboardInterrupt):
    """Ends a search after one Ctrl-C, in the middle of a trial.

    Raise it in an evaluator where `candidate.is_interrupted()` says that the
    user has pressed Ctrl-C, and what you do takes long and can be resumed.
    `search()` then returns as after a trial; the trial runs again when the
    search is resumed. Any other `KeyboardInterrupt` comes out of `search()`.

    Example:

    >>> import keras_tuner
    >>> from keras_nas.evaluators import Candidate
    >>> def evaluate(candidate):
    ...     for part in range(100):
    ...         if candidate.is_interrupted():
    ...             raise SearchInterrupted
    >>> candidate = Candidate(
    ...     keras_tuner.HyperParameters(), None, "/tmp", None, None, None,
    ...     is_interrupted=lambda: True)
    >>> try:
    ...     evaluate(candidate)
    ... except KeyboardInterrupt:
    ...     print("stopped")
    stopped
    """
