"""Compares two implementations of the sealed formats: `format_commands`, which is the C library behind a
pipe, and keyward_ref.py. Usage: compare.py FORMAT_COMMANDS | compare.py --write-golden

1. Both give the golden answers (tests/golden/formats.json).
2. Over random keys, contexts and plaintexts both seal to the same bytes, and each opens the other's.
3. What was altered, or is opened under another tenant, region, class, context or version, both refuse.
"""
import json
import pathlib
import random
import subprocess
import sys

import keyward_ref as ref

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "formats.json"


class Library:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, command):
        line = json.dumps(command, ensure_ascii=False) + "\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise ref.Refused(answer["error"])
        return answer

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def answer(run, command):
    try:
        return run(command)
    except ref.Refused as refused:
        return {"error": str(refused)}


def hexes(rng, size):
    return rng.randbytes(size).hex()


def key(rng, suite):
    return {"suite": suite, "tenant_key": hexes(rng, 32), "tenant": rng.choice(["acme", "0.a_b-c", "x" * 63]),
            "region": rng.choice(["eu", "us-east-1"]), "class": rng.choice(["pii", "health", "c" * 32]),
            "key_ref": hexes(rng, 8), "version": rng.choice([1, 7, 2**32 - 1]),
            "context": rng.choice([{}, {"table": "users", "row": "17"}, {"é": "", "e": "ü\n\"\\", "z": "0"}])}


def made(rng):
    return {"data_key": hexes(rng, 32), "wrap_nonce": hexes(rng, 12)}


def envelope(rng, suite):
    size = rng.choice([0, 1, 15, 16, 17, 64, 1000])
    return "envelope", {**key(rng, suite), **made(rng), "plaintext": hexes(rng, size)}


def stream(rng, suite):
    size = rng.choice([0, 1, 16383, 16384, 16385, 32768, 40000])
    return "stream", {**key(rng, suite), **made(rng), "salt": hexes(rng, 24), "plaintext": hexes(rng, size),
                      "piece": rng.choice([1 << 20, 16384, 16400, 9999])}


def message(rng, suite):
    return "message", {**key(rng, suite), **made(rng), "plaintext": hexes(rng, rng.choice([0, 33, 500])),
                       "signed": rng.random() < 0.7, "signing_version": rng.randrange(9),
                       "signing_key": hexes(rng, 32)}


RECORDS = [
    '{"ssn":"123-45-6789","cards":[{"number":4111111111111111,"cvc":"1"},{"number":-1.50e+3}],"n":null}',
    ' { "ssn" : [ 1 , {"a":"\\u00e9\\n"} ] ,\n "odd \'name\\\\": true , "cards" : {"x":{"number":"é"}} } \n',
    '{"other":1}', '{}', '{"cards":[],"ssn":"\\ud83d\\ude00 \\"kw1.\\""}', '{"tab\\tname":{"deep":[[["x"]]]},"ssn":1}',
]
SPECS = ["$.ssn", "$.ssn,$.cards[*].number:financial", "$['odd \\'name\\\\']:health, $.ssn:pii",
         "$.cards[1]['number'],$.cards[0].number:financial", "$.*", "$[\"tab\\tname\"].deep[0][*]:pii,$.n"]


def record(rng, suite):
    c = {**key(rng, suite), "spec": rng.choice(SPECS), "record": rng.choice(RECORDS), "nonces": hexes(rng, 12 * 16)}
    c["classes"] = sorted({c["class"], "pii", "health", "financial"})
    c["data_keys"] = {name: made(rng) for name in c["classes"]}
    return "record", c


MAKERS = [envelope, stream, message, record]


def opening(kind, c, sealed):
    """The command that opens what c sealed to, and the answer that it has."""
    c = {**c, "op": f"{kind}_open"}
    if kind == "record":
        return {**c, "record": sealed["record"]}, {"record": c["record"]}
    return {**c, "sealed": sealed["sealed"]}, {"plaintext": c["plaintext"]}


def elsewhere(rng, c):
    """The same under something else that it is bound to."""
    what = rng.choice(["tenant", "region", "class", "context", "version", "tenant_key", "key_ref"])
    other = {"tenant": "other", "region": "zz", "class": "other", "context": {"no": "such"},
             "version": c["version"] ^ 1, "tenant_key": "00" * 32, "key_ref": "00" * 8}
    return {**c, what: other[what], "classes": []}


def altered(rng, kind, c):
    """The same with a bit changed, cut off or made longer."""
    if kind == "record":
        text = c["record"]
        at = text.index("kw1.") + 4 + rng.randrange(20)
        return {**c, "record": text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:], "spec": None}
    data = bytearray.fromhex(c["sealed"])
    how = rng.choice(["flip", "cut", "extend"])
    if how == "flip":
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del data[rng.randrange(len(data)):]
    else:
        data += rng.randbytes(rng.choice([1, 16, 16400]))
    return {**c, "sealed": data.hex()}


def golden_commands():
    rng = random.Random("keyward golden bytes")
    for suite in (1, 2):
        base = key(rng, suite)
        for purpose in ("wrap", "commitment", "sign"):
            yield {"op": "derive", "purpose": purpose, **base}
        yield {"op": "context", "context": {"b": "2", "a": "1", "é": "\U0001f600", "ab": ""}}
        yield {"op": "wrap", **base, **made(rng)}
        for size in (0, 37):
            yield {"op": "envelope_seal", **base, **made(rng), "plaintext": hexes(rng, size)}
        for size in (0, 5) if suite == 2 else (5, 16384):
            yield {"op": "stream_seal", **base, **made(rng), "salt": hexes(rng, 24), "piece": 16384,
                   "plaintext": "6b" * size}
        for signed in (False, True):
            yield {"op": "message_seal", **base, **made(rng), "plaintext": hexes(rng, 11), "signed": signed,
                   "signing_version": 3, "signing_key": hexes(rng, 32)}
        for text, spec in zip(RECORDS, SPECS[1:3]):
            names = sorted({base["class"], "pii", "health", "financial"})
            yield {"op": "record_seal", **base, "spec": spec, "record": text, "classes": names,
                   "nonces": hexes(rng, 48), "data_keys": {name: made(rng) for name in names}}


def write_golden():
    cases = []
    for command in golden_commands():
        cases.append({"command": command, "answer": ref.run(command)})
        kind = command["op"].partition("_")[0]
        if command["op"].endswith("_seal") and len(command.get("plaintext", "")) < 1000:
            opens, plain = opening(kind, command, cases[-1]["answer"])
            cases.append({"command": opens, "answer": plain})
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    GOLDEN.write_text('{"cases":[\n' + lines + "\n]}\n")
    print(f"{len(cases)} cases")


class Tally:
    def __init__(self):
        self.count, self.failed = 0, []

    def same(self, what, a, b):
        self.count += 1
        if a != b:
            self.failed.append(f"{what}\n  {str(a)[:300]}\n  {str(b)[:300]}")

    def refused(self, what, one):
        self.count += 1
        if "error" not in one:
            self.failed.append(f"{what}: opened to {str(one)[:300]}")


def compare(library, rounds):
    tally, rng = Tally(), random.Random(20261121)
    for case in json.loads(GOLDEN.read_text())["cases"]:
        for run in (library.run, ref.run):
            tally.same(f"golden {case['command']['op']}", answer(run, case["command"]), case["answer"])
    for _ in range(rounds):
        for make in MAKERS:
            compare_one(library, rng, tally, *make(rng, rng.choice([1, 2])))
    return tally


def compare_one(library, rng, tally, kind, c):
    seal = {**c, "op": f"{kind}_seal"}
    ours, theirs = answer(library.run, seal), answer(ref.run, seal)
    tally.same(f"{kind} seal {c}", ours, theirs)
    if "error" in ours:
        return
    opens, plain = opening(kind, c, ours)
    for run in (library.run, ref.run):
        tally.same(f"{kind} open {c}", answer(run, opens), plain)
    if kind == "record" and "kw1." not in ours["record"].replace('\\"kw1.', ""):
        return  # nothing matched, so nothing is sealed
    for run in (library.run, ref.run):
        state = rng.getstate()
        tally.refused(f"{kind} elsewhere", answer(run, elsewhere(rng, opens)))
        rng.setstate(state)
    bad = altered(rng, kind, opens)
    for run in (library.run, ref.run):
        tally.refused(f"{kind} altered", answer(run, bad))


def main():
    if sys.argv[1:] == ["--write-golden"]:
        write_golden()
        return 0
    library = Library(sys.argv[1])
    tally = compare(library, 150)
    status = library.close()
    for failure in tally.failed[:10]:
        print("FAILED", failure)
    print(f"{tally.count - len(tally.failed)} agreed, {len(tally.failed)} failed")
    return 0 if status == 0 and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
