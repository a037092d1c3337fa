"""Rows of a benchmark: what was measured, against what, and how it came out.

A row is made by row(): name, ours, peer (numbers in `unit`, None if not measured), the ratio that
counts (larger is better for Keyward) and the least that it should be. A row without `least` is shown
for information.
"""


def row(name, *, ours=None, peer=None, unit="", ratio=None, least=None, note="", **more):
    reached = None if ratio is None or least is None else ratio >= least
    return {"name": name, "ours": ours, "peer": peer, "unit": unit, "ratio": ratio, "least": least,
            "reached": reached, "note": note, **more}


def _number(value, unit):
    if value is None:
        return f"{'-':>10} {'':<8}"
    return f"{value:>10,.{0 if value >= 1000 else 2}f} {unit:<8}"


def line(r):
    ratio = "" if r["ratio"] is None else f"{r['ratio']:.2f}x"
    least = "" if r["least"] is None else f"(at least {r['least']:g}x)"
    verdict = {None: "", True: "ok", False: "BELOW"}[r["reached"]]
    return (f"  {r['name']:<44} {_number(r['ours'], r['unit'])} peer {_number(r['peer'], r['unit'])} "
            f"{ratio:>8} {least:<16} {verdict} {r['note']}").rstrip()


def summary(rows):
    judged = [r for r in rows if r["reached"] is not None]
    below = [r["name"] for r in judged if not r["reached"]]
    text = f"{len(rows)} rows, {len(judged) - len(below)} of {len(judged)} promises reached"
    return text + (f"; below: {', '.join(below)}" if below else "")
