"""The science: architecture, cost, data, training, quantisation, evaluation of face-fingerprint networks.

Nothing here knows of Hydra, MLflow, Optuna, pandas or a plotting library; importing the pure modules
leaves TensorFlow out of the process.
"""
