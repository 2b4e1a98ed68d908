r"""What every error of this package is."""


class EcganError(ValueError):
    r"""Something that its user can mend: the message names what was met, and the next step."""
