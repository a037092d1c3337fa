"""A case: one request to kw_vectors, and what its answer must be."""

from dataclasses import dataclass


@dataclass
class Case:
    name: str
    request: str
    want: str = ""  # hex that the answer's bytes begin with
    refuse: bool = False  # the answer must be a refusal
    differ: bool = False  # the bytes must not begin with want
    whole: bool = True  # the answer is no longer than want

    def holds(self, answer):
        kind, _, value = answer.partition(" ")
        if self.refuse:
            return kind == "no"
        if kind != "ok":
            return False
        got = value if self.whole else value[: len(self.want)]
        return (got == self.want) != self.differ

    def corrupt(self):
        """Makes a right answer wrong, to see that it is noticed."""
        if self.refuse:
            self.refuse = False
        elif self.differ or self.want == "":
            self.refuse = True
        else:
            self.want = format(int(self.want[0], 16) ^ 1, "x") + self.want[1:]


def request(verb, *arguments):
    """Numbers stay as they are; hex may be empty."""
    return " ".join([verb, *[str(a) if a != "" else "-" for a in arguments]])
