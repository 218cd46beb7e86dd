"""Verification that a TFLite file computes what its Keras model computes."""

import dataclasses
import math

import numpy as np

from keras_nas.export.input_data import (
    describe_data,
    standardize_inputs,
)
from keras_nas.export.model_function import ModelFunction
from keras_nas.export.tflite_model import TFLiteModel

# Largest error that is usual, as a fraction of the range of the output.
# Without quantization it is the maximum, with it the mean over all values.
_TOLERANCES = {
    None: 1e-5,
    "float16": 5e-3,
    "dynamic": 0.02,
    "int4": 0.05,
    "int8": 0.05,
    "int8_io": 0.05,
}
_MIN_TOP1_AGREEMENT = 0.95
_VARIABLE_OPERATIONS = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")


class VerificationError(RuntimeError):
    """A TFLite file failed its verification."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One check of a `VerificationReport`.

    Args:
        name: What was checked.
        passed: Whether the file is fine in that respect.
        measured: What was measured: a number or a short text.
        limit: What it was compared with: a number or a short text.
    """

    name: str
    passed: bool
    measured: float | str
    limit: float | str


class VerificationReport:
    """What `verify` found; prints as a table.

    Args:
        checks: List of `Check`.
    """

    def __init__(self, checks):
        self.checks = tuple(checks)

    @property
    def passed(self):
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    @property
    def failed_checks(self):
        """Tuple of the checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    def __getitem__(self, name):
        """Returns the check of a name."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(
            f"No check '{name}'. There are: "
            f"{[check.name for check in self.checks]}"
        )

    def raise_if_failed(self):
        """Raises an error that shows the report, unless all checks passed.

        Returns:
            The report itself.

        Raises:
            VerificationError: If a check did not pass.
        """
        if not self.passed:
            names = ", ".join(check.name for check in self.failed_checks)
            raise VerificationError(
                f"The TFLite file failed its verification: {names}.\n{self}"
            )
        return self

    def __str__(self):
        rows = [("check", "measured", "limit", "")]
        rows += [
            (
                check.name,
                _format(check.measured),
                _format(check.limit),
                "ok" if check.passed else "FAILED",
            )
            for check in self.checks
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        return "\n".join(
            "  ".join(
                cell.ljust(width)
                for cell, width in zip(row, widths, strict=True)
            ).rstrip()
            for row in rows
        )

    def __repr__(self):
        return (
            f"<VerificationReport passed={self.passed} "
            f"checks={len(self.checks)} "
            f"failed={[check.name for check in self.failed_checks]}>"
        )


def verify(
    tflite_model,
    model,
    x,
    y=None,
    *,
    tolerance=None,
    max_accuracy_drop=0.02,
    metric=None,
):
    """Checks that a TFLite file computes what its Keras model computes.

    A converted file can be wrong without any error: it can give NaN, need
    operations that no phone has, or have lost its accuracy to quantization.
    This runs it on real inputs next to the model and checks

    - that all operations are builtin and none reads variables,
    - that inputs and outputs have the names, shapes and dtypes of the model
      and a batch size of 1,
    - that it runs with and without the XNNPACK delegate,
    - that it is stateless: it gives the same for the same input again,
    - that its outputs are finite and agree with the model's, each with the
      output of the same name,
    - for outputs that are class scores: that the highest one is the same,
    - with `y`: how much accuracy is lost.

    The error of an output is a fraction of the range of the model's output
    over all of `x`; the range includes 0 unless the file is quantized and
    the output is no class scores. Without quantization the largest error
    counts, with it the mean one. Classes that the model itself scores
    within `tolerance` of each other count as the same, so an untrained model
    can be verified too.

    Args:
        tflite_model: A `TFLiteModel`.
        model: The Keras model that it was made from.
        x: Held-out inputs: an array of shape `(samples, ...)`, or a list,
            tuple or dict by input name of those. Some hundred samples are
            enough for all but the accuracy.
        y: Targets of `x`, optional: class numbers of shape `(samples,)` or
            one-hot rows; 0 or 1 for a single output unit.
        tolerance: Largest error that passes. By default 1e-5 without
            quantization, 0.005 with `"float16"`, 0.02 with `"dynamic"` and
            0.05 with `"int8"` and `"int4"`.
        max_accuracy_drop: Largest loss of accuracy that passes, as a
            fraction of all samples.
        metric: Function of `(y, outputs)` that gives a number to use in
            place of the accuracy, higher for better. `outputs` is as
            `TFLiteModel.predict` returns it.

    Returns:
        A `VerificationReport`. Nothing is raised if a check fails: see
        `VerificationReport.raise_if_failed`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_nas import export
    >>> inputs = keras.Input((4,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    >>> x = np.random.default_rng(0).normal(size=(20, 4))
    >>> report = export.verify(export.to_tflite(model), model, x)
    >>> report.passed
    True
    """
    if not isinstance(tflite_model, TFLiteModel):
        raise ValueError(
            "Invalid value received for argument `tflite_model`. Expected a "
            "`TFLiteModel`. Received: an object of type "
            f"{type(tflite_model).__name__}"
        )
    _check_number("tolerance", tolerance)
    _check_number("max_accuracy_drop", max_accuracy_drop)
    function = ModelFunction(model)
    x = standardize_inputs(x, function.inputs, "x")
    expected = function.predict(x)
    if y is not None:
        y = np.asarray(y)
        # Before the file is run, which may take long.
        metric = metric or make_accuracy(y, expected)

    if tolerance is None:
        tolerance = _TOLERANCES[tflite_model.quantization]
    checks = _structure_checks(tflite_model, function, expected)
    outputs, run_checks = _run_checks(tflite_model, x)
    checks += run_checks
    if outputs is not None:
        checks += _output_checks(tflite_model, expected, outputs, tolerance)
        if y is not None and set(outputs) == set(expected):
            before = float(metric(y, _unwrap(expected)))
            after = float(metric(y, _unwrap(outputs)))
            drop = before - after
            checks.append(
                Check(
                    "accuracy drop",
                    # One sample more or less is not lost in rounding.
                    drop <= max_accuracy_drop + 1e-9,
                    drop,
                    max_accuracy_drop,
                )
            )
    return VerificationReport(checks)


def _check_number(name, value):
    if value is None and name == "tolerance":
        return
    if not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a "
            f"number of at least 0. Received: {name}={value!r}"
        )


def _structure_checks(tflite_model, function, expected):
    custom = sorted(set(tflite_model.custom_operations))
    variables = sorted(set(tflite_model.operations) & set(_VARIABLE_OPERATIONS))
    tensors = tflite_model.inputs + tflite_model.outputs
    open_sizes = [d.name for d in tensors if -1 in d.shape]
    batches = {d.shape[:1] for d in tflite_model.inputs}
    return [
        Check(
            "builtin operations",
            not custom,
            f"custom: {', '.join(custom)}" if custom else "builtin only",
            "builtin only",
        ),
        Check(
            "constant weights",
            not variables,
            ", ".join(variables) or "no variables",
            "no variables",
        ),
        Check(
            "batch size",
            batches == {(1,)} and not open_sizes,
            f"open: {', '.join(open_sizes)}" if open_sizes else "fixed",
            "fixed",
        ),
        _signature_check(
            "inputs",
            tflite_model.inputs,
            {d.name: (d.shape[1:], d.dtype) for d in function.inputs},
        ),
        _signature_check(
            "outputs",
            tflite_model.outputs,
            {
                name: (array.shape[1:], str(array.dtype))
                for name, array in expected.items()
            },
        ),
    ]


def _signature_check(name, tensors, expected):
    """Compares names, shapes and dtypes, the last as a user sees them."""
    found = {d.name: (d.shape[1:], d.real_dtype) for d in tensors}
    same = found == expected
    limit = "as the model"
    return Check(f"signature of {name}", same, limit if same else found, limit)


def _run_checks(tflite_model, x):
    """Runs the file with the delegate on all samples, without it on few."""
    checks = []
    outputs = None
    few = {name: array[:3] for name, array in x.items()}
    for name, data, xnnpack in (
        ("runs with XNNPACK", x, True),
        ("runs without XNNPACK", few, False),
    ):
        try:
            result = tflite_model.predict_by_name(data, xnnpack=xnnpack)
        except (RuntimeError, ValueError) as error:
            checks.append(Check(name, False, str(error), "runs"))
            continue
        checks.append(Check(name, True, "runs", "runs"))
        if xnnpack:
            outputs = result
    if outputs is not None:
        checks.append(_state_check(tflite_model, x))
    return outputs, checks


def _state_check(tflite_model, x):
    """Runs a sample, another and the first again, as an app would."""
    again = {name: array[[0, -1, 0]] for name, array in x.items()}
    outputs = tflite_model.predict_by_name(again, keep_state=True)
    others = [
        name
        for name, (first, _, last) in outputs.items()
        if not np.array_equal(first, last, equal_nan=first.dtype.kind == "f")
    ]
    return Check(
        "stateless",
        not others,
        f"other values again: {', '.join(others)}" if others else "same again",
        "same again",
    )


def _output_checks(tflite_model, expected, outputs, tolerance):
    not_finite = [
        name for name, array in outputs.items() if not _is_finite(array)
    ]
    checks = [
        Check(
            "finite outputs",
            not not_finite,
            f"not finite: {', '.join(not_finite)}" if not_finite else "finite",
            "finite",
        )
    ]
    is_quantized = tflite_model.quantization is not None
    for name in expected:
        if name not in outputs or outputs[name].shape != expected[name].shape:
            # The check of the signature says so.
            continue
        wanted = np.asarray(expected[name], "float64")
        errors = np.abs(np.asarray(outputs[name], "float64") - wanted)
        scale = _scale(wanted, is_quantized)
        error = (errors.mean() if is_quantized else errors.max()) / scale
        kind = "mean error" if is_quantized else "largest error"
        checks.append(
            Check(
                f"{kind} of {name}",
                bool(error <= tolerance),
                float(error),
                tolerance,
            )
        )
        if _are_class_scores(wanted):
            agreement = _top1_agreement(
                wanted, outputs[name], tolerance * scale
            )
            checks.append(
                Check(
                    f"top-1 agreement of {name}",
                    agreement >= _MIN_TOP1_AGREEMENT,
                    agreement,
                    _MIN_TOP1_AGREEMENT,
                )
            )
    return checks


def _scale(wanted, is_quantized):
    """Returns the range of an output that errors are a fraction of."""
    if is_quantized and not _are_class_scores(wanted):
        # Around a large constant the rest must still be told apart.
        return np.ptp(wanted) or np.abs(wanted).max() or 1.0
    # Floating point rounds relative to the value, and class scores are
    # quantized in fixed steps, however little they differ.
    return max(wanted.max(), 0) - min(wanted.min(), 0) or 1.0


def _is_finite(array):
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _are_class_scores(scores):
    """Whether rows look like those of a softmax."""
    return (
        scores.ndim == 2
        and scores.shape[1] > 1
        and scores.min() >= 0
        and np.allclose(scores.sum(axis=1), 1, atol=1e-3)
    )


def _top1_agreement(expected, outputs, tie):
    """Fraction of rows whose highest entry is the same, up to ties."""
    chosen = np.take_along_axis(
        expected, np.argmax(outputs, axis=1)[:, None], axis=1
    )
    return float(np.mean(expected.max(axis=1) - chosen[:, 0] <= tie))


def _unwrap(outputs):
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


def make_accuracy(y, expected):
    """Makes the metric that `verify` uses where none is given.

    Args:
        y: Targets, as an array.
        expected: Dict with the model's outputs for them.

    Returns:
        A function of `(y, outputs)`.

    Raises:
        ValueError: If outputs and targets are not those of a classifier.
    """
    received = ", ".join(describe_data(array) for array in expected.values())
    no_accuracy = ValueError(
        "Invalid value received for argument `y`. Expected class numbers or "
        "one-hot rows for a model with one output of class scores; for "
        "other models pass `metric`, a function of `(y, outputs)`. "
        f"Received: y={describe_data(y)}, with outputs {received}"
    )
    if len(expected) != 1 or y.dtype.kind not in "biuf" or not y.size:
        raise no_accuracy
    scores = next(iter(expected.values()))
    if scores.ndim < 2 or len(y) != len(scores):
        raise no_accuracy
    if scores.shape[-1] == 1:
        # A single unit: a probability or, beyond [0, 1], a logit.
        is_probability = scores.min() >= 0 and scores.max() <= 1
        threshold = 0.5 if is_probability else 0.0
        if y.size != scores.size or not np.isin(y, (0, 1)).all():
            raise no_accuracy

        def classes(outputs):
            return outputs.reshape(y.shape) > threshold

        targets = y
    else:
        if y.shape == scores.shape:
            if not (np.isin(y, (0, 1)).all() and (y.sum(-1) == 1).all()):
                raise no_accuracy
            targets = y.argmax(axis=-1)
        else:
            targets = y
            if y.shape == (*scores.shape[:-1], 1):
                targets = y[..., 0]
            if (
                targets.shape != scores.shape[:-1]
                or (targets != np.round(targets)).any()
            ):
                raise no_accuracy

        def classes(outputs):
            return outputs.argmax(axis=-1)

    return lambda _, outputs: np.mean(classes(outputs) == targets)


def _format(value):
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)
