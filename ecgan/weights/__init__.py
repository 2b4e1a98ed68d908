r"""Weights on disk: the models that come with the package, files of one's own, ONNX."""
