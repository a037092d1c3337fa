"""Keyward's sealed formats, a second time: written from docs/spec/ over Python's `cryptography`.

run(command) does what one command says and returns the answer; every random value stands in the command,
so that the answers of two implementations can be compared byte for byte. Refused is raised for whatever
does not open or is malformed. This is a yardstick for tests: slow, and careless with key bytes.
"""
import base64
import hashlib
import re
import struct

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

import strict_json

DATA_KEY, ENVELOPE, RECORD, FIELD, STREAM, MESSAGE = 1, 2, 3, 4, 5, 6
HEAD, TAG, NONCE, CHUNK = 78, 16, 12, 16384
AEADS = {1: (AESGCM, b"AEAD_AES_256_GCM"), 2: (ChaCha20Poly1305, b"AEAD_CHACHA20_POLY1305")}
MEMBER = "_keyward"


class Refused(Exception):
    pass


def check(holds, why):
    if not holds:
        raise Refused(why)


# ---- primitives of a suite

def aead(suite, key):
    check(suite in AEADS, "unsupported_suite")
    return AEADS[suite][0](key)


def seal(suite, key, nonce, aad, plaintext):
    return aead(suite, key).encrypt(nonce, plaintext, aad)


def unseal(suite, key, nonce, aad, sealed):
    check(len(sealed) >= TAG, "truncated")
    try:
        return aead(suite, key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise Refused("seal_broken") from None


def expand(key, info, length):
    return HKDFExpand(SHA256(), length, info).derive(key)


# ---- names, contexts, keys (docs/spec/envelope.md)

def parts(*values):
    return b"".join(struct.pack(">H", len(v)) + v for v in values)


def canonical(context):
    check(len(context) <= 32, "bad_context")
    entries = sorted((k.encode(), v.encode()) for k, v in context.items())
    check(all(k and b"\0" not in k + v for k, v in entries), "bad_context")
    form = b"".join(parts(k, v) for k, v in entries)
    check(len(form) <= 4096, "bad_context")
    return form


def digest(context):
    return hashlib.sha256(b"keyward context v1\0" + canonical(context)).digest()


def class_tag(name):
    return hashlib.sha256(b"keyward class v1\0" + name.encode()).digest()[:4]


def derive(tenant_key, purpose, suite, tenant, region, cls):
    check(re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", tenant), "bad_name")
    check(re.fullmatch(r"[a-z][a-z0-9-]{0,15}", region), "bad_name")
    suite_byte = bytes([0 if purpose == "commitment" else suite])
    values = [b"keyward/v1", purpose.encode(), suite_byte, tenant.encode(), region.encode()]
    if purpose == "wrap":
        check(re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", cls), "bad_name")
        values.append(cls.encode())
    return HKDF(SHA256(), 32, None, parts(*values)).derive(tenant_key)


# ---- heads

class Head:
    def __init__(self, suite, key_ref, version, tag, nonce, wrapped):
        self.suite, self.key_ref, self.version = suite, key_ref, version
        self.tag, self.nonce, self.wrapped = tag, nonce, wrapped

    def write(self, fmt):
        return (bytes([fmt, self.suite]) + self.key_ref + struct.pack(">I", self.version) + self.tag
                + self.nonce + self.wrapped)

    def binding(self, fmt, context):
        return bytes([fmt, self.suite]) + self.key_ref + self.tag + digest(context)


def parse_head(data, fmt=None):
    check(len(data) == HEAD, "truncated")
    check(data[0] in (1, 2, 3, 5, 6) and fmt in (None, data[0]), "bad_format")
    check(data[1] in AEADS, "unsupported_suite")
    return Head(data[1], data[2:10], struct.unpack(">I", data[10:14])[0], data[14:18], data[18:30],
                data[30:78])


def wrap_aad(suite, key_ref, version, tag, context):
    return (b"keyward wrap v1" + bytes([suite]) + key_ref + struct.pack(">I", version) + tag
            + digest(context))


class Keys:
    """What a command says of the key: its tenant key, names, reference and version."""

    def __init__(self, c):
        self.c, self.suite, self.version = c, c["suite"], c["version"]
        self.key_ref, self.context = bytes.fromhex(c["key_ref"]), c["context"]
        canonical(self.context)

    def wrapping(self, cls):
        c = self.c
        return derive(bytes.fromhex(c["tenant_key"]), "wrap", self.suite, c["tenant"], c["region"], cls)

    def wrap(self, cls, data_key, nonce):
        tag = class_tag(cls)
        aad = wrap_aad(self.suite, self.key_ref, self.version, tag, self.context)
        wrapped = seal(self.suite, self.wrapping(cls), nonce, aad, data_key)
        return Head(self.suite, self.key_ref, self.version, tag, nonce, wrapped)

    def unwrap(self, cls, head):
        check((head.suite, head.key_ref, head.version, head.tag) ==
              (self.suite, self.key_ref, self.version, class_tag(cls)), "seal_broken")
        aad = wrap_aad(head.suite, head.key_ref, head.version, head.tag, self.context)
        return unseal(head.suite, self.wrapping(cls), head.nonce, aad, head.wrapped)

    def made(self):
        """The command's own data key and its head."""
        data_key = bytes.fromhex(self.c["data_key"])
        return data_key, self.wrap(self.c["class"], data_key, bytes.fromhex(self.c["wrap_nonce"]))


# ---- envelopes and messages

def payload_aad(head, fmt, context, extra=b""):
    return b"keyward envelope v1" + head.binding(fmt, context) + extra


def envelope_seal(c):
    keys = Keys(c)
    data_key, head = keys.made()
    body = seal(head.suite, data_key, bytes(NONCE), payload_aad(head, ENVELOPE, keys.context),
                bytes.fromhex(c["plaintext"]))
    return {"sealed": (head.write(ENVELOPE) + body).hex()}


def envelope_open(c):
    keys, sealed = Keys(c), bytes.fromhex(c["sealed"])
    head = parse_head(sealed[:HEAD], ENVELOPE)
    data_key = keys.unwrap(c["class"], head)
    plain = unseal(head.suite, data_key, bytes(NONCE), payload_aad(head, ENVELOPE, keys.context),
                   sealed[HEAD:])
    return {"plaintext": plain.hex()}


def signing_key(c):
    seed = derive(bytes.fromhex(c["signing_key"]), "sign", c["suite"], c["tenant"], c["region"], None)
    return Ed25519PrivateKey.from_private_bytes(seed)


def message_text(head, context, extra, commitment, body):
    return (b"keyward message v1" + extra + head.binding(MESSAGE, context) + commitment
            + hashlib.sha256(body).digest())


def message_seal(c):
    keys = Keys(c)
    data_key, head = keys.made()
    version = struct.pack(">I", c["signing_version"] if c["signed"] else 0)
    extra = bytes([1 if c["signed"] else 0]) + version
    body = seal(head.suite, data_key, bytes(NONCE), payload_aad(head, MESSAGE, keys.context, extra),
                bytes.fromhex(c["plaintext"]))
    start = bytes([MESSAGE]) + extra[:1]
    if c["signed"]:
        commitment = expand(data_key, b"keyward message key v1", 32)
        text = message_text(head, keys.context, extra, commitment, body)
        start += version + signing_key(c).sign(text) + commitment
    return {"sealed": (start + head.write(MESSAGE) + body).hex()}


def message_open(c):
    keys, sealed = Keys(c), bytes.fromhex(c["sealed"])
    check(len(sealed) >= 2 and sealed[0] == MESSAGE and sealed[1] in (0, 1), "bad_format")
    at = 102 if sealed[1] else 2
    head, body = parse_head(sealed[at:at + HEAD], MESSAGE), sealed[at + HEAD:]
    data_key = keys.unwrap(c["class"], head)
    check(bool(sealed[1]) == c["signed"], "bad_signature")
    extra = sealed[1:2] + (sealed[2:6] if sealed[1] else bytes(4))
    if sealed[1]:
        text = message_text(head, keys.context, extra, sealed[70:102], body)
        try:
            signing_key(c).public_key().verify(sealed[6:70], text)
        except InvalidSignature:
            raise Refused("bad_signature") from None
        check(expand(data_key, b"keyward message key v1", 32) == sealed[70:102], "seal_broken")
    plain = unseal(head.suite, data_key, bytes(NONCE), payload_aad(head, MESSAGE, keys.context, extra),
                   body)
    return {"plaintext": plain.hex()}


# ---- streams (docs/spec/stream.md, c2sp.org/chunked-encryption)

class StreamKey:
    def __init__(self, head, data_key, context, salt):
        info = (b"c2sp.org/chunked-encryption@v1+" + AEADS[head.suite][1] + b"\0" + salt
                + b"keyward stream v1" + head.binding(STREAM, context))
        derived = expand(data_key, info, 32 + 12 + 32)
        self.aead = aead(head.suite, derived[:32])
        self.base, self.commitment = int.from_bytes(derived[32:44], "big"), derived[44:]

    def nonce(self, counter):
        return (self.base ^ counter).to_bytes(12, "big")


def stream_seal(c):
    keys, salt, plain = Keys(c), bytes.fromhex(c["salt"]), bytes.fromhex(c["plaintext"])
    data_key, head = keys.made()
    key = StreamKey(head, data_key, keys.context, salt)
    out = head.write(STREAM) + salt + key.commitment
    for n in range(len(plain) // CHUNK + 1):
        out += key.aead.encrypt(key.nonce(n), plain[n * CHUNK:(n + 1) * CHUNK], None)
    return {"sealed": out.hex()}


def stream_open(c):
    keys, sealed = Keys(c), bytes.fromhex(c["sealed"])
    head = parse_head(sealed[:HEAD], STREAM)
    data_key = keys.unwrap(c["class"], head)
    salt, commitment, body = sealed[78:102], sealed[102:134], sealed[134:]
    check(len(commitment) == 32, "truncated")
    key = StreamKey(head, data_key, keys.context, salt)
    check(key.commitment == commitment, "seal_broken")
    chunks = [body[i:i + CHUNK + TAG] for i in range(0, len(body), CHUNK + TAG)]
    check(chunks and TAG <= len(chunks[-1]) < CHUNK + TAG, "truncated")
    try:
        plain = b"".join(key.aead.decrypt(key.nonce(n), chunk, None) for n, chunk in enumerate(chunks))
    except InvalidTag:
        raise Refused("seal_broken") from None
    return {"plaintext": plain.hex()}


# ---- text form and records (docs/spec/text.md, docs/spec/fields.md)

def text_of(sealed):
    return "kw1." + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def sealed_of(text):
    check(text.startswith("kw1.") and re.fullmatch(r"[A-Za-z0-9_-]*", text[4:]), "bad_format")
    check(len(text) % 4 != 1, "bad_encoding")
    data = base64.urlsafe_b64decode(text[4:] + "=" * (-len(text) % 4))
    check(text_of(data) == text, "bad_encoding")
    return data


def field_of(node):
    """The bytes of a sealed value, or None if the node is something else."""
    if node.kind != "string" or not node.value.startswith("kw1."):
        return None
    try:
        data = sealed_of(node.value)
    except Refused:
        return None
    return data if len(data) >= 30 and data[0] == FIELD else None


def damaged(node):
    """Whether it begins like a sealed thing and is none."""
    if node.kind != "string" or not node.value.startswith("kw1.") or field_of(node):
        return False
    try:
        data = sealed_of(node.value)
    except Refused:
        return True
    return not (len(data) >= HEAD and data[0] in (1, 2, 3, 5, 6))


STEP = re.compile(r"""\.([A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff-]*) | \.(\*) | \[(\*)\]
                   | \[(0|[1-9][0-9]{0,8})\] | \['((?:[^'\\]|\\.)*)'\] | \["((?:[^"\\]|\\.)*)"\]""", re.X)


def parse_spec(text, default):
    """[(steps, class, whether the path names it)]; a step is a name, an index or None for any."""
    found, rest = [], text.strip(" \t\n")
    while True:
        check(rest.startswith("$"), "bad_path")
        rest, steps = rest[1:], []
        while m := STEP.match(rest):
            name, any_1, any_2, index, single, double = m.groups()
            quoted = single if single is not None else double
            if quoted is not None:
                name = re.sub(r"\\(.)", lambda e: dict(zip("bfnrt", "\b\f\n\r\t")).get(e[1], e[1]), quoted)
            steps.append(None if any_1 or any_2 else int(index) if index else name)
            rest = rest[m.end():]
        check(steps, "bad_path")
        m = re.match(r":([a-z][a-z0-9_-]{0,31})", rest)
        found.append((steps, m[1] if m else default, bool(m)))
        rest = rest[m.end() if m else 0:].lstrip(" \t\n")
        if not rest:
            return found
        check(rest.startswith(","), "bad_path")
        rest = rest[1:].lstrip(" \t\n")


def normalised(steps):
    escapes = {"'": "\\'", "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    out = "$"
    for step in steps:
        if isinstance(step, int):
            out += f"[{step}]"
        else:
            out += "['" + "".join(escapes.get(ch, f"\\u{ord(ch):04x}" if ch < " " else ch)
                                  for ch in step) + "']"
    return out


def children(node):
    if node.kind == "object":
        return list(node.value)
    return list(enumerate(node.value)) if node.kind == "array" else []


def matches(node, steps, path=()):
    if not steps:
        yield path, node
        return
    for at, child in children(node):
        if not path and at == MEMBER:
            continue
        if steps[0] is None or (steps[0] == at and type(steps[0]) is type(at)):
            yield from matches(child, steps[1:], path + (at,))


def everything(node, path=()):
    yield path, node
    for at, child in children(node):
        yield from everything(child, path + (at,))


def parse_record(text):
    try:
        root = strict_json.parse(text)
    except strict_json.BadJson:
        raise Refused("bad_json") from None
    check(root.kind == "object", "bad_json")
    return root, dict(root.value).get(MEMBER)


def field_aad(head, context, path):
    return b"keyward field v1" + head.binding(FIELD, context) + normalised(path).encode()


def apart(found):
    """In the order of the text; no two overlap."""
    found.sort(key=lambda f: f[1].start)
    for a, b in zip(found, found[1:]):
        check(a[1].end <= b[1].start, "bad_path")
    return found


def record_seal(c):
    keys, text = Keys(c), c["record"]
    root, member = parse_record(text)
    check(member is None and not any(field_of(n) for _, n in everything(root)), "already_sealed")
    found = apart([(path, node, cls) for steps, cls, _ in parse_spec(c["spec"], c["class"])
                   for path, node in matches(root, steps)])
    nonces, out, at, classes, heads = bytes.fromhex(c["nonces"]), "", 0, [], []
    for i, (path, node, cls) in enumerate(found):
        if cls not in classes:
            made = c["data_keys"][cls]
            data_key = bytes.fromhex(made["data_key"])
            classes.append(cls)
            heads.append((keys.wrap(cls, data_key, bytes.fromhex(made["wrap_nonce"])), data_key))
        head, data_key = heads[classes.index(cls)]
        nonce = nonces[i * NONCE:(i + 1) * NONCE]
        body = seal(head.suite, data_key, nonce, field_aad(head, keys.context, path),
                    text[node.start:node.end].encode())
        out += text[at:node.start] + '"' + text_of(bytes([FIELD, classes.index(cls)]) + nonce + body) + '"'
        at = node.end
    out += text[at:root.end - 1]
    if heads:
        values = ['"' + text_of(head.write(RECORD)) + '"' for head, _ in heads]
        value = values[0] if len(values) == 1 else "[" + ",".join(values) + "]"
        out += ("," if root.value else "") + f'"{MEMBER}":' + value
    return {"record": out + text[root.end - 1:]}


def record_open(c):
    keys, text = Keys(c), c["record"]
    root, member = parse_record(text)
    nodes = [] if member is None else member.value if member.kind == "array" else [member]
    check(member is None or 1 <= len(nodes) <= 16, "bad_format")
    heads = []
    for node in nodes:
        check(node.kind == "string", "bad_format")
        heads.append(parse_head(sealed_of(node.value), RECORD))
    sealed = [(path, node, None) for path, node in everything(root) if field_of(node)]
    found = sealed
    if c.get("spec") is not None:
        found = [(path, node, cls if named else None)
                 for steps, cls, named in parse_spec(c["spec"], c["class"])
                 for path, node in matches(root, steps)]
    if c.get("spec") is None:
        check(not any(damaged(node) for _, node in everything(root)), "seal_broken")
        check({field_of(found[1])[1] for found in sealed} >= set(range(len(heads))), "seal_broken")
    edits, opened = [], {}
    for path, node, cls in apart(found):
        data = field_of(node)
        check(data is not None, "not_sealed")
        check(data[1] < len(heads), "seal_broken")
        head = heads[data[1]]
        check(cls is None or class_tag(cls) == head.tag, "seal_broken")
        names = {class_tag(name): name for name in c.get("classes", [])}
        if data[1] not in opened:
            opened[data[1]] = keys.unwrap(names.get(head.tag, c["class"]), head)
        plain = unseal(head.suite, opened[data[1]], data[2:14], field_aad(head, keys.context, path),
                       data[14:])
        edits.append((node.start, node.end, plain.decode()))
    if member is not None and len(found) == len(sealed):
        edits.append(member_place(text, root) + ("",))
    out, at = "", 0
    for start, end, value in sorted(edits):
        out, at = out + text[at:start] + value, end
    return {"record": out + text[at:]}


def member_place(text, root):
    """Start and end of the member of the heads with the one comma that goes with it."""
    names = [name for name, _ in root.value]
    i = names.index(MEMBER)
    after = lambda at: at + len(text[at:]) - len(text[at:].lstrip(" \t\r\n"))
    start = after(root.value[i - 1][1].end if i else root.start + 1)
    end = root.value[i][1].end
    return (start, after(end) + 1) if i == 0 and len(names) > 1 else (start, end)


# ---- the rest

def wrap(c):
    return {"sealed": Keys(c).made()[1].write(DATA_KEY).hex()}


def unwrap(c):
    return {"data_key": Keys(c).unwrap(c["class"], parse_head(bytes.fromhex(c["sealed"]))).hex()}


def context(c):
    return {"canonical": canonical(c["context"]).hex(), "digest": digest(c["context"]).hex()}


def derivation(c):
    return {"derived": derive(bytes.fromhex(c["tenant_key"]), c["purpose"], c["suite"], c["tenant"],
                              c["region"], c["class"]).hex()}


COMMANDS = {
    "derive": derivation, "context": context, "wrap": wrap, "unwrap": unwrap,
    "envelope_seal": envelope_seal, "envelope_open": envelope_open,
    "record_seal": record_seal, "record_open": record_open,
    "stream_seal": stream_seal, "stream_open": stream_open,
    "message_seal": message_seal, "message_open": message_open,
}


def run(command):
    return COMMANDS[command["op"]](command)
