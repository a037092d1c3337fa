"""What a server does not let be done with it: requests that a browser was tricked into, logs that
an outsider fills, addresses that it would not recognise later.

usage: hostile.py PATH-OF-KEYWARD
"""

from keyward import *


class Browsers(Case):
    """A browser that holds an operator's certificate shows it for whatever page asks for that."""

    def setUp(self):
        super().setUp()
        self.data = self.home()
        self.server_of_it = self.server(self.data)
        self.admin = self.server_of_it.client()

    def state(self):
        return self.admin.get("/v1/tenants/acme").json["state"]

    def suspend(self, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.admin.call("POST", "/v1/tenants/acme/suspend", b"{}", headers=headers)

    def test_other_sites(self):
        own = f"https://127.0.0.1:{self.server_of_it.port}"
        for headers in ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
                        {"Sec_Fetch_Site": "cross-site", "Origin": own},
                        {"Sec_Fetch_Site": ""}, {"Origin": "https://evil.example"},
                        {"Origin": "null"}, {"Origin": own + ".evil.example"},
                        {"Origin": own.replace("https", "http")}, {"Origin": ""}):
            answer = self.suspend(Content_Type="text/plain", **headers)
            self.assertEqual((answer.status, answer.error), (403, "forbidden"), headers)
            self.assertEqual(self.state(), "active")

    def test_own_pages_and_programs(self):
        own = f"https://127.0.0.1:{self.server_of_it.port}"
        for headers in ({"Sec_Fetch_Site": "same-origin", "Origin": own}, {"Origin": own},
                        {"Sec_Fetch_Site": "none"}, {}):
            self.assertEqual(self.suspend(**headers).status, 200, headers)
            self.assertEqual(self.state(), "suspended")
            self.assertEqual(self.admin.post("/v1/tenants/acme/resume").status, 200)


class Logs(Case):
    def test_outsider_does_not_fill_the_log(self):
        data = self.home()
        server = self.server(data)
        outsider = server.client(cert="")
        for _ in range(600):
            self.assertEqual(outsider.get("/v1/status").status, 401)
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                connection.recv(100)
        metrics = outsider.get("/metrics").body.decode()
        dropped = int(re.search(r"^keyward_log_lines_dropped_total (\d+)$", metrics, re.M)[1])
        self.assertGreater(dropped, 100)
        self.assertIn("keyward_http_server_unauthenticated_total 600\n", metrics)
        refused = [r for r in server.records() if r["event"] in ("refused", "connection")]
        self.assertGreater(len(refused), 10)
        self.assertEqual(server.client().get("/v1/status").status, 200)
        self.assertEqual(server.stop(), 0)
        refused = [r for r in server.records() if r["event"] in ("refused", "connection")]
        self.assertLessEqual(len(refused) + dropped, 700)


class Addresses(Case):
    def test_source_is_an_address(self):
        """Also of IPv6, where it stands without the brackets of its text with a port."""
        for address, ip in (("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")):
            data = self.home("v" + ip.replace(":", "").replace(".", ""))
            try:
                server = self.server(data, address=address)
            except AssertionError as error:
                if "::1" in address and "annot assign" in str(error):
                    self.skipTest("this machine has no IPv6")
                raise
            client = server.client()
            client.connection.host = ip
            self.assertEqual(client.generate().status, 200)
            self.assertEqual(server.stop(), 0)
            found = [e for e in self.entries(data) if e["api"]["operation"] == "GenerateDataKey"]
            self.assertEqual(found[0]["src_endpoint"], {"ip": ip})


if __name__ == "__main__":
    main()
