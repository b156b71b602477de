"""Training with TensorFlow Model Optimization, over a bridge to tf_keras."""
