"""keyward fields seal, open, and inspect of records: every byte kept, every bad line named."""

import filecmp
import json
import os

from cli_data import ACME, DataCase
from keyward import DENIED, INTEGRITY, USAGE, chance, main, run

# Lines whose every byte outside the sealed value must come back as it was.
ODD = [
    rb'{"id":1,"secret":"plain"}',
    rb'  { "id" : 2 , "secret" : "spaces" }  ',
    rb'{"id":3,"secret":"\u00e9\ud83d\ude00 \"quoted\" \\ \/ \b\f\n\r\t"}',
    '{"id":4,"secret":"žluťoučký 🐎 \u2028"}'.encode(),
    rb'{"id":5,"secret":1e400}',
    rb'{"id":6,"secret":-0.0000000000000000000000000001E-999}',
    rb'{"id":7,"secret":123456789012345678901234567890.10}',
    rb'{"id":8,"secret":null}',
    rb'{"id":9,"secret":[1,[2,[3,{"deep":"nest"}]],"x"]}',
    rb'{"id":10,"secret":{"a":{"b":[true,false]}},"more":1.50}',
    rb'{"id":11,"secret":""}',
    rb'{"secret":"first","id":12}',
    rb'{"id":13}',
    rb'{}',
    rb'',
    rb'   ',
    rb'{"id":14,"\u0073ecret":"name with an escape"}',
    rb'{"id":15,"list":[{"n":"1","k":0},{"n":"2"},{"k":0}],"secret":true}',
    rb'{"id":16,"secret":"kw1-not-ours, not sealed"}',
    rb'{"secret":"only"}',
]


class FieldsCase(DataCase):
    def seal(self, content, *more, fields="$.secret", name="sealed"):
        source, target = self.write("plain", content), self.path(name)
        self.ok("fields", "seal", *ACME, *self.at, "--fields", fields, "-i", source, "-o", target, *more)
        return target

    def opened(self, path, *more):
        done = run("fields", "open", *self.at, "-i", path, *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refused_lines(self, command, content, status, code, says, *more):
        """Refused with the line's number; neither the file nor anything beside it appears."""
        source = self.write("bad", content)
        self.refused(status, code, "fields", command, *self.at, "-i", source, "-o", self.path("never"),
                     *more, says=says)
        self.assertFalse([n for n in os.listdir(self.folder) if n.startswith("never")])


class RoundTrips(FieldsCase):
    def test_odd_json(self):
        for end in (b"\n", b"\r\n"):
            for last in (end, b""):
                content = end.join(ODD) + last
                sealed = self.seal(content, "--context", "table=t", fields="$.secret:pii,$.list[*].n")
                self.assertNotIn(b"plain", self.read(sealed))
                self.assertEqual(len(self.read(sealed).split(b"\n")), len(content.split(b"\n")))
                for line in self.read(sealed).split(b"\n"):
                    if line.strip():
                        json.loads(line)
                for more in (("--fields", "$.secret:pii,$.list[*].n"), ()):
                    self.assertEqual(self.opened(sealed, "--context", "table=t", *more), content)

    def test_empty_input(self):
        for content in (b"", b"\n", b"\n\n"):
            self.assertEqual(self.opened(self.seal(content)), content)

    def test_rounds(self):
        """Around the limit of a round, with one and with several data keys a record."""
        for count in (999, 1000, 1001, 3500):
            lines = [json.dumps({"id": i, "secret": f"s{i}", "b": i, "c": [i]}).encode()
                     for i in range(count)]
            content = b"\n".join(lines)
            for fields in ("$.secret", "$.secret:pii,$.b:financial,$.c[0]:health"):
                sealed = self.seal(content, fields=fields)
                self.assertEqual(self.opened(sealed, "--fields", fields), content)
                self.assertEqual(self.opened(sealed), content)

    def test_long_lines(self):
        """Longer than what is read at a time, among short ones."""
        lines = [json.dumps({"id": i, "secret": "x" * chance.choice((1, 10, 300_000, 5_000_000))}).encode()
                 for i in range(20)]
        content = b"\n".join(lines) + b"\n"
        self.assertEqual(self.opened(self.seal(content)), content)

    def test_one_json_text_over_many_lines(self):
        content = json.dumps({"id": 1, "secret": {"a": [1, 2]}, "b": "c"}, indent=2).encode() + b"\n"
        sealed = self.seal(content)
        self.assertNotIn(b'"a"', self.read(sealed))
        self.assertEqual(self.opened(sealed), content)

    def test_pipe(self):
        content = b"\n".join(ODD)
        sealed = run("fields", "seal", *ACME, *self.at, "-f", "$.secret", input=content)
        self.assertEqual((sealed.returncode, sealed.stderr), (0, b""))
        opened = run("fields", "open", *self.at, input=sealed.stdout)
        self.assertEqual((opened.returncode, opened.stdout), (0, content))

    def test_only_some_are_opened(self):
        content = b'{"a":"1","b":"2"}\n'
        sealed = self.seal(content, fields="$.a:pii,$.b:financial")
        part = json.loads(self.opened(sealed, "--fields", "$.a:pii"))
        self.assertEqual(part["a"], "1")
        self.assertTrue(part["b"].startswith("kw1."))
        self.assertEqual(self.opened(self.write("part", json.dumps(part)), "--fields", "$.b:financial")
                         .strip(), json.dumps({"a": "1", "b": "2"}).encode())

    def test_summary_and_warning(self):
        content = b'{"a":1}\n{"a":2}\n{"b":3}\n'
        source = self.write("plain", content)
        told = json.loads(self.ok("fields", "seal", *ACME, *self.at, "-f", "$.a", "-i", source, "-o",
                                  self.path("sealed"), "--json"))
        self.assertEqual((told["records"], told["fields"], told["untouched"], told["data_keys"]), (3, 2, 1, 2))
        done = run("fields", "seal", *ACME, *self.at, "-f", "$.misspelt", "-i", source)
        self.assertEqual((done.returncode, done.stdout), (0, content))
        self.assertIn(b"no record has a value", done.stderr)

    def test_inspect(self):
        sealed = self.seal(b'{"a":1,"b":2}\n{"a":2}\n{}\n', fields="$.a:pii,$.b:financial")
        said = json.loads(self.ok("inspect", sealed, "--json"))
        self.assertEqual((said["records"], said["fields"], said["records_without"]), (3, 3, 1))
        self.assertEqual({h["class"]: h["count"] for h in said["heads"]}, {"pii": 2, "financial": 1})
        self.assertIn("3 JSON records with 3 sealed fields", self.ok("inspect", sealed))


class Refusals(FieldsCase):
    GOOD = b'{"id":1,"secret":"x"}\n'

    def test_bad_lines_are_named(self):
        for line, code in ((b'{"a":1,"a":2}', "bad_json"), (b'{"secret":1', "bad_json"),
                           (b"[1]", "bad_json"), (b"text", "bad_json"), (b'{"a":"\xff"}', "bad_json"),
                           (b'{"a":1} x', "bad_json"), (b'{"_keyward":1}', "already_sealed")):
            for before in (0, 1, 1500):
                self.refused_lines("seal", self.GOOD * before + line + b"\n" + self.GOOD, USAGE, code,
                                   f"line {before + 1}: ", *ACME, "-f", "$.secret")

    def test_first_bad_line_is_named(self):
        """Also when a later one is noticed earlier, being malformed."""
        lines = self.read(self.seal(self.GOOD * 1800)).split(b"\n")
        lines[700] = lines[700].replace(b"_keyward", b"_keyward").replace(b'"kw1.BA', b'"kw1.BA')
        broken = bytearray(lines[700])
        at = broken.index(b'"kw1.') + 30
        broken[at] = ord("A") if broken[at] != ord("A") else ord("B")
        lines[700] = bytes(broken)
        lines[1500] = b"not JSON"
        self.refused_lines("open", b"\n".join(lines), INTEGRITY, "seal_broken", "line 701: ")

    def test_sealed_twice(self):
        sealed = self.read(self.seal(self.GOOD))
        self.refused_lines("seal", sealed, USAGE, "already_sealed", "line 1: ", *ACME, "-f", "$.id")

    def test_not_sealed(self):
        self.refused_lines("open", self.GOOD, INTEGRITY, "not_sealed", "line 1: ", "-f", "$.secret")

    def test_fields_moved(self):
        """A sealed value belongs to its place and its record."""
        one, two = self.read(self.seal(b'{"a":"1","b":"2"}\n{"a":"3","b":"4"}\n', fields="$.a,$.b")).split(
            b"\n")[:2]
        first, second = json.loads(one), json.loads(two)
        for damaged in ({**first, "a": first["b"], "b": first["a"]}, {**first, "a": second["a"]},
                        {**first, "_keyward": second["_keyward"]}):
            self.refused_lines("open", json.dumps(damaged).encode(), INTEGRITY, "seal_broken", "line 1: ")

    def test_bound_to_all(self):
        content = b'{"a":"1"}\n'
        sealed = self.read(self.seal(content, "--context", "table=t", fields="$.a:pii"))
        path, right = self.write("s", sealed), ("--context", "table=t")
        self.assertEqual(self.opened(path, *right, *ACME, "--class", "pii"), content)
        for status, code, more in ((INTEGRITY, "seal_broken", ()),
                                   (INTEGRITY, "seal_broken", ("--context", "table=u")),
                                   (DENIED, "not_this_tenant", (*right, "--tenant", "globex")),
                                   (DENIED, "not_this_tenant", (*right, "--region", "us")),
                                   (DENIED, "wrong_class", (*right, "--class", "financial"))):
            self.refused_lines("open", sealed, status, code, "line 1: ", *more)

    def test_usage(self):
        source = self.write("plain", self.GOOD)
        for args in ((*ACME,), (*ACME, "-f", "secret"), (*ACME, "-f", "$.a,$.a.b["),
                     ("--tenant", "acme", "-f", "$.secret"), (*ACME, "-f", "$.secret:NO"),
                     (*ACME, "-f", "$.secret", "--context-field", "id=id"),
                     (*ACME, "-f", "$.secret", "--context-field", "id"),
                     (*ACME, "-f", "$.secret", "--context-field", "id=$.")):
            done = run("fields", "seal", *self.at, "-i", source, *args)
            self.assertEqual((done.returncode, done.stdout), (USAGE, b""), args)
        self.refused(USAGE, "usage", "fields", "seal", *ACME, *self.at, "-f", "$.a", "-i", source, "-o", source,
                     says="same file")


class ContextFields(FieldsCase):
    BIND = ("--context-field", "row=$.id", "--context-field", "who=$.by.name")

    def test_bound_to_the_row(self):
        content = (b'{"id":1,"by":{"name":"ann"},"secret":"x"}\n'
                   b'{"id":"2","by":{"name":true},"secret":"y"}\n{"other":1}\n')
        sealed = self.seal(content, *self.BIND)
        self.assertEqual(self.opened(sealed, *self.BIND), content)
        self.assertEqual(self.opened(sealed, *reversed_pairs(self.BIND)), content)
        first = self.read(sealed).split(b"\n")[0]
        self.assertEqual(self.opened(self.write("one", first), "--context", "row=1", "--context", "who=ann"),
                         content.split(b"\n")[0])
        for damaged in (first.replace(b'"id":1', b'"id":2'), first.replace(b"ann", b"bob")):
            self.refused_lines("open", damaged, INTEGRITY, "seal_broken", "line 1: ", *self.BIND)

    def test_refused(self):
        for line in (b'{"secret":"x"}', b'{"id":null,"secret":"x"}', b'{"id":[1],"secret":"x"}'):
            self.refused_lines("seal", line, USAGE, "bad_context", "line 1: ", *ACME, "-f", "$.secret",
                               "--context-field", "row=$.id")
        for fields, field in (("$.a", "k=$.a"), ("$.a", "k=$.a.b")):
            self.refused_lines("seal", b'{"a":{"b":1}}' if "b" in field else b'{"a":1}', USAGE,
                               "bad_context", "line 1: ", *ACME, "-f", fields, "--context-field", field)


def reversed_pairs(options):
    pairs = [options[i:i + 2] for i in range(0, len(options), 2)]
    return [word for pair in reversed(pairs) for word in pair]


class Large(FieldsCase):
    def test_memory_does_not_grow(self):
        peaks = []
        for count in (10_000, 80_000):
            source = self.path("plain")
            with open(source, "w", encoding="ascii") as file:
                for i in range(count):
                    file.write(json.dumps({"id": i, "secret": f"person {i}", "text": "x" * 700}) + "\n")
            sealed, back = self.path("sealed"), self.path("back")
            peaks.append((self.peak("fields", "seal", *ACME, *self.at, "-f", "$.secret", "-i", source, "-o",
                                    sealed),
                          self.peak("fields", "open", *self.at, "-i", sealed, "-o", back)))
            self.assertTrue(filecmp.cmp(source, back, shallow=False))
        for small, large in zip(*peaks):
            self.assertLess(large, small + (16 << 20), peaks)


if __name__ == "__main__":
    main()
