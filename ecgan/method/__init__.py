r"""The paper, as its equations stand: ten files of networks, and the losses."""
