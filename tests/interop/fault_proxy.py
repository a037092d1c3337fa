"""A server before a real one, which passes requests on, or suffers what cloud.Fake can be told to (silent, cut, trickle,
statuses, malformed, huge). requests holds all that came, passed those that went on."""
import http.client

from cloud import Fake, Refusal

NOT_PASSED = {"connection", "content-length", "transfer-encoding", "date", "server"}


class Proxy(Fake):
    def __init__(self, context, port, trust):
        """context: for our callers. port: of the real server on this machine; trust: the context to reach it by."""
        self.behind, self.trust, self.passed, self.idle = port, trust, [], []
        super().__init__(context)

    def answer(self, method, path, query, headers, body):
        kept = {n: v for n, v in headers.items() if n.lower() not in NOT_PASSED | {"host"}}
        with self.lock:
            self.passed.append((method, path))
            to = self.idle.pop() if self.idle else None
        try:
            to = to or http.client.HTTPSConnection("127.0.0.1", self.behind, timeout=30, context=self.trust)
            to.request(method, path + (f"?{query}" if query else ""), body, kept)
            answer = to.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            to.close()
            raise ConnectionResetError("the server behind is not there") from error
        with self.lock:
            self.idle.append(to)
        headers = {n: v for n, v in answer.headers.items() if n.lower() not in NOT_PASSED}
        if answer.status != 200:
            raise Refusal(answer.status, text, headers)
        return text, headers

    def close(self):
        super().close()
        while self.idle:
            self.idle.pop().close()
