"""Scores predicted from the architecture, without training."""

from keras_nas.predictors.gaussian_process import GaussianProcess

__all__ = ["GaussianProcess"]
