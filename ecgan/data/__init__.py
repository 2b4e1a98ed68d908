r"""Data: the toy world that draws itself, and folders of images and layouts."""
