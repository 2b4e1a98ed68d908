r"""What is wrong with a folder of pictures, said before training meets it."""
