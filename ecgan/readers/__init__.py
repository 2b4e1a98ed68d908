r"""Networks that read pictures: segmenters, and the published ones behind losses and scores."""
