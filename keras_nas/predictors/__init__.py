"""Scores predicted from the architecture, without training."""

from keras_nas.predictors.gaussian_process import GaussianProcess
from keras_nas.predictors.mlp_ensemble import MLPEnsemble

__all__ = ["GaussianProcess", "MLPEnsemble"]
