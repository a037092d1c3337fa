"""No answer before its entry is on disk, seen from the kernel: strace watches a server that is busy.

Every write to a client must have a sync of the write-ahead file between it and the request that it
answers, begun after the request was read and ended before the answer is written. And a group commit
is one write and one sync, whatever the number of requests in it.

usage: durable_order.py PATH-OF-KEYWARD
"""

from keyward import *

CLIENTS, REQUESTS = 16, 30
CALL = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\((\d+)<(.*?)>)(.*)$")


class Step:
    """One system call: begun and ended at these lines of the trace."""

    def __init__(self, thread, name, fd, path, begun):
        self.thread, self.name, self.fd, self.path, self.begun = thread, name, fd, path, begun
        self.ended = self.result = None


def steps_of(trace):
    steps, open_calls = [], {}
    for number, line in enumerate(trace.splitlines()):
        found = CALL.match(line)
        if found is None:
            continue
        thread, resumed, name, fd, path, rest = found.groups()
        if resumed is None:
            steps.append(Step(thread, name, int(fd), path, number))
            open_calls[thread] = steps[-1]
        if not rest.endswith("<unfinished ...>"):
            step = open_calls.pop(thread, None)
            if step is not None:
                step.ended, step.result = number, rest.rpartition(" = ")[2].split()[0]
    return [step for step in steps if step.ended is not None]


class Order(Case):
    def watch(self, server):
        """Attaches strace; a function that detaches it and returns what it saw."""
        out = self.path("trace")
        words = ["strace", "-f", "-y", "-s", "0", "-o", out, "-e", "trace=read,write,pwrite64,fdatasync",
                 "-p", str(server.process.pid)]
        try:
            strace = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        except FileNotFoundError:
            self.skipTest("strace is not installed")
        line = strace.stderr.readline()
        if "attached" not in line:
            strace.wait(WAIT)
            self.skipTest(f"tracing is not allowed here: {line.strip()}")

        def stop():
            strace.send_signal(signal.SIGINT)
            strace.communicate(timeout=WAIT)
            with open(out, encoding="utf-8", errors="replace") as file:
                return file.read()
        return stop

    def commits(self, client):
        text = client.get("/metrics").body.decode()
        return int(re.search(r"^keyward_ledger_commits_total (\d+)$", text, re.MULTILINE).group(1))

    def busy(self, server):
        """Connections that have been used, a wrapped key, and a segment of the ledger with room."""
        clients = [server.client() for _ in range(CLIENTS)]
        for _ in range(2):
            self.assertEqual(clients[0].generate(count=1000).status, 200)
        wrapped = new_key(clients[0])[1]
        for client in clients:
            self.assertEqual(client.unwrap(wrapped).status, 200)
        return clients, wrapped

    def unwrap_all(self, clients, wrapped):
        failures = []

        def work(client):
            for _ in range(REQUESTS):
                status = client.unwrap(wrapped).status
                if status != 200:
                    failures.append(status)
        threads = [threading.Thread(target=work, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_no_answer_before_its_sync(self):
        server = self.server(self.home(), "server.workers=2")
        clients, wrapped = self.busy(server)
        before = self.commits(clients[0])
        stop = self.watch(server)
        self.unwrap_all(clients, wrapped)
        steps = steps_of(stop())
        commits = self.commits(clients[0]) - before

        # The publishing thread writes such files too: the next one, filled with zeros.
        wal = [s for s in steps if s.path.endswith(".wal")]
        threads = [s.thread for s in wal if s.name == "fdatasync"]
        committer = max(set(threads), key=threads.count)
        wal = [s for s in wal if s.thread == committer]
        writes = [s for s in wal if s.name == "pwrite64"]
        syncs = [s for s in wal if s.name == "fdatasync"]
        self.assertEqual([s.result for s in syncs], ["0"] * len(syncs))
        self.assertEqual((len(writes), len(syncs)), (commits, commits), "one write and one sync a commit")
        for write, sync in zip(writes, syncs):
            self.assertLess(write.ended, sync.begun)

        answers = 0
        asked = {}
        for step in steps:
            if not step.path.startswith(("socket:", "TCP:", "TCPv6:")):
                continue
            if step.name == "read" and step.result.isdigit() and int(step.result) > 0:
                asked[step.fd] = step.ended
            elif step.name == "write" and step.fd in asked:
                request = asked.pop(step.fd)
                self.assertTrue(any(s.begun > request and s.ended < step.begun for s in syncs),
                                f"line {step.begun}: an answer without a sync since line {request}")
                answers += 1
        self.assertEqual(answers, CLIENTS * REQUESTS)
        self.assertLessEqual(commits, answers)
        print(f"{answers} answers in {commits} commits", flush=True)


main()
