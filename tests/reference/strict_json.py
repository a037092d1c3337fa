"""JSON with the place of each value in its text, and without the leniencies of Python's own parser."""
import re

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
SPACE = re.compile(r"[ \t\r\n]*")
STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"')
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)")
LETTERS = dict(zip('"\\/bfnrt', '"\\/\b\f\n\r\t'))


class BadJson(Exception):
    pass


class Node:
    """kind: object (value: list of name, node), array (list of node), string (decoded), number, word."""

    def __init__(self, kind, value, start, end):
        self.kind, self.value, self.start, self.end = kind, value, start, end


def need(holds):
    if not holds:
        raise BadJson


def skip(text, at):
    return SPACE.match(text, at).end()


def string(text, at):
    m = STRING.match(text, at)
    need(m)
    units = ESCAPE.sub(lambda e: chr(int(e[1], 16)) if e[1] else LETTERS[e[2]], m[0][1:-1])
    try:
        return units.encode("utf-16", "surrogatepass").decode("utf-16"), m.end()
    except UnicodeDecodeError:
        raise BadJson from None


def items(text, at, end, item):
    found, at = [], skip(text, at + 1)
    if text[at:at + 1] == end:
        return found, at + 1
    while True:
        value, at = item(text, skip(text, at))
        found.append(value)
        at = skip(text, at)
        need(text[at:at + 1] in (",", end) and at < len(text))
        if text[at] == end:
            return found, at + 1
        at += 1


def value(text, at, depth=0):
    need(depth <= 64)
    first = text[at:at + 1]
    if first == "{":
        def member(t, a):
            name, a = string(t, a)
            a = skip(t, a)
            need(t[a:a + 1] == ":")
            node, a = value(t, skip(t, a + 1), depth + 1)
            return (name, node), a
        found, end = items(text, at, "}", member)
        need(len({name for name, _ in found}) == len(found))
        return Node("object", found, at, end), end
    if first == "[":
        found, end = items(text, at, "]", lambda t, a: value(t, a, depth + 1))
        return Node("array", found, at, end), end
    if first == '"':
        decoded, end = string(text, at)
        return Node("string", decoded, at, end), end
    for word in ("true", "false", "null"):
        if text.startswith(word, at):
            return Node("word", word, at, at + len(word)), at + len(word)
    m = NUMBER.match(text, at)
    need(m)
    return Node("number", m[0], at, m.end()), m.end()


def parse(text):
    node, at = value(text, skip(text, 0))
    need(skip(text, at) == len(text))
    return node
