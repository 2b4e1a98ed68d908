r"""The same networks, quicker: nothing here changes a number beyond rounding."""
