r"""What the chapters use: figures, sliders, exercises, recorded failures, the toy models."""
