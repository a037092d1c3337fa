"""What stands in for AWS: an HTTPS server that does what moto leaves out, before moto does the rest.

It checks each signature by computing it with botocore, the time in it, and whether the credentials are
known and still hold; it refuses disabled keys and those that wait for deletion; it tells a wrong key from a
damaged copy as KMS does; and it binds the encryption context without ambiguity, which moto does not. On
demand it misbehaves. Plain HTTP servers beside it play the metadata service and a container's endpoint.
"""
import datetime
import http.client
import http.server
import json
import re
import socket
import ssl
import struct
import threading
import time

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "eu-central-1"


def iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # clients hang up on what they do not want


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def reply(self, status, body, headers=()):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Oracle:
    """known: id -> (secret, token or None, end or None). fault: what the next requests suffer."""

    def __init__(self, moto, certificate=None, key=None):
        self.moto, self.known, self.fault, self.clock = moto, {}, None, 0.0
        self.lock, self.seen, self.refused = threading.Lock(), {}, []
        self.server = Server(("127.0.0.1", 0), type("Handler", (KmsHandler,), {"oracle": self}))
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.address = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def issue(self, name, life):
        """Fresh session credentials, as the metadata services hand them out."""
        end = time.time() + life
        keys = {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": name, "SecretAccessKey": name + "/secret+x=",
                "Token": name + "//token==", "Expiration": iso(end + 0.999)}
        self.known[name] = (keys["SecretAccessKey"], keys["Token"], end)
        return keys

    def ask_moto(self, path, headers, body):
        connection = http.client.HTTPConnection(*self.moto, timeout=20)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class KmsHandler(Quiet):
    oracle = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "application/x-www-form-urlencoded" in self.headers.get("Content-Type", ""):
            return self.sts(body)
        with self.oracle.lock:
            op = self.headers.get("X-Amz-Target", "")
            self.oracle.seen[op] = self.oracle.seen.get(op, 0) + 1
        if self.oracle.fault and self.suffer(self.oracle.fault):
            return None
        wrong = self.check_signature(body)
        if wrong:
            self.oracle.refused.append(wrong)
            return self.refuse(*wrong)
        return self.kms(op.rpartition(".")[2], json.loads(body))

    def refuse(self, kind, message, status=400):
        self.reply(status, {"__type": kind, "message": message}, [("x-amzn-errortype", kind)])

    # The signature, as botocore computes it.

    def check_signature(self, body):
        match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([a-z0-9-]+)/kms/aws4_request, "
                             r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
                             self.headers.get("Authorization", ""))
        if not match:
            return "IncompleteSignature", "malformed"
        name, date, region, signed, signature = match.groups()
        signed = signed.split(";")
        missing = {"host", "x-amz-date", "x-amz-target", "content-type"} - set(signed)
        missing |= {h.lower() for h in self.headers if h.lower().startswith("x-amz-")} - set(signed)
        stamp = self.headers.get("X-Amz-Date", "")
        if missing or signed != sorted(signed) or not stamp.startswith(date):
            return "IncompleteSignature", f"unsigned: {missing}"
        if name not in self.oracle.known:
            return "UnrecognizedClientException", "The security token included in the request is invalid."
        secret, token, end = self.oracle.known[name]
        if (token or "") != self.headers.get("X-Amz-Security-Token", ""):
            return "UnrecognizedClientException", "The security token included in the request is invalid."
        request = AWSRequest("POST", self.oracle.address + self.path, data=body)
        for header in signed:
            request.headers[header] = self.headers[header]
        request.context["timestamp"] = stamp
        auth = SigV4Auth(Credentials(name, secret, token), "kms", region)
        wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        if wanted != signature or region != REGION:
            return "InvalidSignatureException", "The request signature we calculated does not match."
        return self.check_time(stamp, end)

    def check_time(self, stamp, end):
        now = time.time() + self.oracle.clock
        then = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
        if then < now - 300:
            return "InvalidSignatureException", f"Signature expired: {stamp} is now earlier than {iso(now - 300)}"
        if then > now + 300:
            return "InvalidSignatureException", f"Signature not yet current: {stamp} is still later than {iso(now)}"
        if end is not None and time.time() >= end:
            return "ExpiredTokenException", "The security token included in the request is expired"
        return None

    # What KMS does and moto does not.

    def moto(self, op, body):
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{op}",
                   "Authorization": f"AWS4-HMAC-SHA256 Credential=x/20260101/{REGION}/kms/aws4_request, "
                                    "SignedHeaders=host, Signature=x"}
        return self.oracle.ask_moto("/", headers, json.dumps(body))

    def kms(self, op, body):
        if op in ("Encrypt", "Decrypt"):
            status, text = self.moto("DescribeKey", {"KeyId": body.get("KeyId", "")})
            state = json.loads(text).get("KeyMetadata", {}) if status == 200 else {}
            if state.get("KeyState") == "Disabled":
                return self.refuse("DisabledException", f"{state['Arn']} is disabled.")
            if state.get("KeyState") == "PendingDeletion":
                return self.refuse("KMSInvalidStateException", f"{state['Arn']} is pending deletion.")
            context = body.pop("EncryptionContext", {})
            body["EncryptionContext"] = {f"{n.encode().hex()}=": f"{v.encode().hex()};" for n, v in context.items()}
        status, text = self.moto(op, body)
        if op == "Decrypt" and b"AccessDenied" in text:
            return self.refuse("IncorrectKeyException", "The key ID in the request does not identify a CMK ...")
        return self.reply(status, text, [("Content-Type", "application/x-amz-json-1.1")])

    def sts(self, body):
        status, text = self.oracle.ask_moto("/", {"Content-Type": "application/x-www-form-urlencoded",
                                                  "Host": "sts.amazonaws.com"}, body)
        found = [re.search(f"<{name}>([^<]+)</{name}>", text.decode()) for name in
                 ("AccessKeyId", "SecretAccessKey", "SessionToken")]
        if all(found):
            name, secret, token = (match.group(1) for match in found)
            self.oracle.known[name] = (secret, token, None)
        self.reply(status, text, [("Content-Type", "text/xml")])

    # Misbehaviour. True: there is nothing more to do.

    def suffer(self, fault):
        if fault == "throttle":
            self.refuse("ThrottlingException", "Rate exceeded")
        elif fault == "internal":
            self.refuse("KMSInternalException", "x", 500)
        elif fault == "dependency":
            self.refuse("DependencyTimeoutException", "x", 503)
        elif fault == "bare 503":
            self.reply(503, b"<html>busy</html>")
        elif fault == "malformed":
            self.reply(200, b'{"Plaintext": "AAAA')
        elif fault == "other key":
            self.reply(200, {"Plaintext": "AAAA", "CiphertextBlob": "AAAA",
                             "KeyId": f"arn:aws:kms:{REGION}:1:key/11111111-1111-1111-1111-111111111111"})
        elif fault == "huge":
            self.reply(200, b'{"Plaintext": "' + b"A" * (1 << 22) + b'"}')
        elif fault == "reset":
            self.break_off()
        elif fault == "trickle":
            self.trickle()
        elif fault == "hang":
            time.sleep(3)
            self.close_connection = True
        return True

    def break_off(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"Plaintext\": \"AA")
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def trickle(self):
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
            for _ in range(30):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass
        self.close_connection = True


class Metadata:
    """EC2's metadata service (version 2) and a container's endpoint, with credentials of a short life."""

    def __init__(self, oracle, life):
        self.count, self.gone = 0, False
        outer = self

        class Handler(Quiet):
            def reply(self, *args):
                if outer.gone:
                    self.close_connection = True
                else:
                    super().reply(*args)

            def do_PUT(self):
                good = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
                self.reply(200 if good else 400, b"metadata-token==")

            def do_GET(self):
                roles = "/latest/meta-data/iam/security-credentials/"
                wanted = "secret of the pod" if self.path == "/pod" else None
                if self.headers["Authorization"] != wanted:
                    return self.reply(401, b"")
                if self.path != "/pod" and self.headers["X-aws-ec2-metadata-token"] != "metadata-token==":
                    return self.reply(401, b"")
                if self.path == roles:
                    return self.reply(200, b"keyward-role")
                if self.path not in (roles + "keyward-role", "/pod"):
                    return self.reply(404, b"")
                outer.count += 1
                return self.reply(200, oracle.issue(f"ASIA{id(outer)}{outer.count}", life))

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
