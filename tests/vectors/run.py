"""Runs published vectors through kw_vectors: run.py [--corrupt] KW_VECTORS_PROGRAM ALGORITHM|all

Prints a line a source with its counts. Exit status: 0 all as published, 1 not, 77 no source is here.
With --corrupt each expectation is made wrong first, and all is well if every case notices."""

import os
import subprocess
import sys

import debian
import wycheproof

SOURCE_TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SKIPPED = 77


def sources(name):
    """Name, cases and how many were left out, for each source that has this algorithm."""
    path = wycheproof.folder(SOURCE_TREE)
    if path is None:
        print("skipped: wycheproof is not here (KW_VECTORS names the folder that holds it)")
    else:
        found, left_out = wycheproof.cases(path, name)
        if found is not None:
            yield "wycheproof", found, left_out
    path = debian.folder()
    if path is None:
        print("skipped: python3-cryptography-vectors is not installed")
    else:
        yield "debian", debian.cases(path, name), 0


def answers(program, cases):
    asked = "".join(case.request + "\n" for case in cases)
    done = subprocess.run([program], input=asked, stdout=subprocess.PIPE, text=True, check=True)
    lines = done.stdout.splitlines()
    if len(lines) != len(cases):
        raise SystemExit(f"{len(cases)} requests, {len(lines)} answers")
    return lines


def run(program, source, name, cases, left_out, corrupt):
    """How many cases did not come out as they must."""
    if corrupt:
        for case in cases:
            case.corrupt()
    wrong = []
    for case, answer in zip(cases, answers(program, cases)):
        if case.holds(answer) == corrupt:
            wrong.append(f"  {case.name}: asked {case.request[:200]}\n    answer {answer[:200]}")
    refusals = sum(case.refuse or case.differ for case in cases)
    print(
        f"{name} from {source}: {len(cases)} cases, {refusals} of them refusals, "
        f"{left_out} left out for their sizes, {len(wrong)} wrong"
    )
    print("\n".join(wrong[:20]), end="\n" if wrong else "")
    if not cases:
        raise SystemExit(f"{name} from {source}: no case was read")
    return len(wrong)


def main():
    arguments = sys.argv[1:]
    corrupt = "--corrupt" in arguments
    program, wanted = [a for a in arguments if a != "--corrupt"]
    names = debian.READERS if wanted == "all" else [wanted]
    wrong, ran = 0, 0
    for name in names:
        for source, cases, left_out in sources(name):
            wrong += run(program, source, name, cases, left_out, corrupt)
            ran += 1
    if ran == 0:
        return SKIPPED
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
