"""From a Keras model to files that are checked, measured and described."""

from keras_nas.deployment.deploying import deploy
from keras_nas.deployment.deployment import Deployment
from keras_nas.deployment.limits import DeploymentError
from keras_nas.deployment.variant import Variant

__all__ = ["Deployment", "DeploymentError", "Variant", "deploy"]
