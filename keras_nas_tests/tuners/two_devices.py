"""Runs a script on two logical CPU devices: the nearest to GPUs or a TPU."""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Logical devices must be there before TensorFlow starts.
_START = """
import json, sys, warnings
import numpy as np
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import X, Y

STRATEGY = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])

def devices(variables):
    '''Counts the devices that each variable has a copy on.'''
    return sorted({
        len(STRATEGY.experimental_local_results(v.value)) for v in variables
    })
"""


def run_on_two_devices(script, directory, *more):
    """Returns the object that the script prints as JSON, at its end.

    The script finds `directory` in `sys.argv[1]` and what `_START` defines.
    With more scripts, which run in the same process, a list of their objects;
    each has to print its own in one line, and nothing else.
    """
    script = "\n".join([_START, script, *more])
    child = subprocess.run(
        [sys.executable, "-c", script, str(directory)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert child.returncode == 0, child.stderr
    if not more:
        return json.loads(child.stdout.splitlines()[-1])
    return [json.loads(line) for line in child.stdout.splitlines()]
