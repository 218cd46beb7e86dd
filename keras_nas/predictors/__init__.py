"""Scores predicted from the architecture, without training."""

from keras_nas.predictors.gaussian_process import GaussianProcess
from keras_nas.predictors.mlp_ensemble import MLPEnsemble
from keras_nas.predictors.predictor_ensemble import PredictorEnsemble

__all__ = ["GaussianProcess", "MLPEnsemble", "PredictorEnsemble"]
