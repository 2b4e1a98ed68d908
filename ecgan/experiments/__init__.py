r"""Does each part help? The grid, its runs, their rows and what follows from them."""
