"""Callers that must not get in: certificates that are expired, foreign or ambiguous; tokens that
are expired, revoked, garbled or another authority's; and what a role or scope does not allow.

usage: faults_access.py PATH-OF-KEYWARD
"""

from keyward import *

DAY = 24 * 3600


class Authority:
    """Certificates that Keyward itself would not issue, by openssl, under a CA of the test's."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.ca = f"{folder}/{name}-ca.pem"
        self.ca_key = f"{folder}/{name}-ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.ca_key, "-out", self.ca, "-days", "3", "-subj", f"/CN={name}",
                "-addext", "keyUsage=critical,keyCertSign")
        self.count = 0

    def issue(self, names, days=2, usage="clientAuth", at=None):
        """names: the subjectAltName, such as URI:spiffe://... or IP:127.0.0.1."""
        self.count += 1
        base = f"{self.folder}/{self.name}-{self.count}"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                f"{base}.key", "-out", f"{base}.csr", "-subj", "/CN=leaf")
        with open(f"{base}.ext", "w", encoding="ascii") as file:
            file.write(f"basicConstraints=critical,CA:FALSE\nextendedKeyUsage={usage}\n")
            if names:
                file.write(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", f"{base}.csr", "-CA", self.ca,
                        "-CAkey", self.ca_key, "-days", str(days), "-extfile", f"{base}.ext",
                        "-out", f"{base}.pem", env={**os.environ, **(faked(at) if at else {})})
        return f"{base}.pem", f"{base}.key"


class Certificates(Case):
    def setUp(self):
        super().setUp()
        self.data = self.home()
        self.own = Authority(self.folder, "own")
        self.setting = f"server.client_ca={self.own.ca}"

    def attempt(self, server, cert, key):
        """(status, code) of an answer, or None where TLS refused."""
        client = server.client(cert=cert, key=key)
        try:
            answer = client.get("/v1/status")
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            return None
        return answer.status, answer.error

    def test_identity(self):
        server = self.server(self.data, self.setting)
        domain = "URI:spiffe://keyward.local"
        allowed = [f"{domain}/root/admin", f"{domain}/auditor/eve", f"{domain}/admin/a/b"]
        for names in allowed:
            self.assertEqual(self.attempt(server, *self.own.issue(names)), (200, None), names)
        refused = [f"{domain}/root/a,{domain}/root/b", f"{domain}/root/a,URI:https://x.example/",
                   "URI:spiffe://other.local/root/admin", "URI:spiffe://keyward.local.evil/root/admin",
                   f"{domain}/king/arthur", f"{domain}/ROOT/admin",
                   f"{domain}/root", f"{domain}/root/", f"{domain}//root", f"{domain}/",
                   "URI:https://keyward.local/root/admin", "DNS:keyward.local", "",
                   "email:root@keyward.local"]
        for names in refused:
            self.assertEqual(self.attempt(server, *self.own.issue(names)),
                             (401, "bad_certificate"), names)
        self.assertEqual(server.stop(), 0)

    def test_foreign_authority(self):
        server = self.server(self.data)
        pair = self.own.issue("URI:spiffe://keyward.local/root/admin")
        self.assertIsNone(self.attempt(server, *pair))
        server.wait_text('"event":"connection"')
        other = self.home("other")
        self.assertIsNone(self.attempt(server, f"{other}/tls/client.crt", f"{other}/tls/client.key"))
        mine = f"{self.data}/tls/client.crt", f"{self.data}/tls/client.key"
        self.assertEqual(self.attempt(server, *mine), (200, None))

    def test_server_certificate_for_a_client(self):
        server = self.server(self.data, self.setting)
        pair = self.own.issue("URI:spiffe://keyward.local/root/admin", usage="serverAuth")
        self.assertIsNone(self.attempt(server, *pair))
        self.assertIsNone(self.attempt(server, f"{self.data}/tls/server.crt",
                                       f"{self.data}/tls/server.key"))

    def test_expired_client_certificate(self):
        server = self.server(self.data, self.setting)
        expired = self.own.issue("URI:spiffe://keyward.local/root/admin", days=1,
                                 at="-3d")
        self.assertIsNone(self.attempt(server, *expired))
        server.wait_text("expired")
        early = self.own.issue("URI:spiffe://keyward.local/root/admin", days=1, at="+3d")
        self.assertIsNone(self.attempt(server, *early))

    def test_certificate_that_expires_on_an_open_connection(self):
        """The handshake was right; the request after the end is not."""
        server = self.server(self.data, self.setting)
        end = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 3))
        pair = self.own.issue("URI:spiffe://keyward.local/root/admin")
        base = pair[0][:-4]
        openssl("ca", "-batch", "-config", self.ca_config(), "-in", f"{base}.csr", "-out", pair[0],
                "-enddate", end, "-extfile", f"{base}.ext", "-notext")
        client = server.client(cert=pair[0], key=pair[1])
        self.assertEqual(client.get("/v1/status").status, 200)
        until = time.monotonic() + WAIT
        while (answer := client.get("/v1/status")).status == 200:
            self.assertLess(time.monotonic(), until, "still accepted")
            time.sleep(0.1)
        self.assertEqual(answer.error, "bad_certificate")

    def ca_config(self):
        self.write("index.txt", "")
        self.write("serial", "1000\n")
        return self.write("ca.cnf", f"""[ca]
default_ca=d
[d]
database={self.path("index.txt")}
serial={self.path("serial")}
new_certs_dir={self.folder}
certificate={self.own.ca}
private_key={self.own.ca_key}
default_md=sha256
default_days=1
policy=p
[p]
commonName=supplied
""")

    def test_expired_server_certificate(self):
        """The server does not start with it. One that expires while it serves is refused by the
        client, which says what is wrong."""
        pair = self.own.issue("IP:127.0.0.1", days=1, usage="serverAuth", at="-3d")
        settings = f"server.tls_cert={pair[0]}", f"server.tls_key={pair[1]}"
        self.refused_server(UNAUTHENTICATED, "bad_certificate", self.data, *settings,
                            says=("expired", "renew"))
        client = self.own.issue("URI:spiffe://keyward.local/root/admin", days=9, at="-4d")
        server = self.server(self.data, *settings, self.setting, env=faked("-3d"))
        self.refused(UNAUTHENTICATED, "bad_certificate", "status", says=("expired", "renew"),
                     env={"KEYWARD_ADDR": f"https://127.0.0.1:{server.port}",
                          "KEYWARD_CACERT": self.own.ca, "KEYWARD_CERT": client[0],
                          "KEYWARD_KEY": client[1]})

    def test_garbled_server_certificate(self):
        for content in ("", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x" * 999):
            shutil.copy(f"{self.data}/tls/server.crt", self.path("kept"))
            self.write("home/tls/server.crt", content)
            self.refused_server(UNAUTHENTICATED, "bad_certificate", self.data, says="server.crt")
            shutil.copy(self.path("kept"), f"{self.data}/tls/server.crt")

    def test_key_of_another_certificate(self):
        shutil.copy(f"{self.data}/tls/client.key", f"{self.data}/tls/server.key")
        self.refused_server(UNAUTHENTICATED, "bad_certificate", self.data, says="server")

    def test_client_trusts_no_stranger(self):
        other = self.home("other")
        server = self.server(self.data)
        env = {"KEYWARD_ADDR": f"https://127.0.0.1:{server.port}",
               "KEYWARD_CERT": f"{self.data}/tls/client.crt",
               "KEYWARD_KEY": f"{self.data}/tls/client.key"}
        self.refused(UNAUTHENTICATED, "bad_certificate", "status",
                     env={**env, "KEYWARD_CACERT": f"{other}/tls/ca.crt"}, says="KEYWARD_CACERT")
        self.ok("status", env={**env, "KEYWARD_CACERT": f"{self.data}/tls/ca.crt"})


class Tokens(Case):
    def setUp(self):
        super().setUp()
        self.data = self.home(tenants=("acme", "globex"))
        self.server_ = self.server(self.data)
        self.root = self.server_.client()
        _, self.wrapped = new_key(self.root)
        _, self.foreign = new_key(self.root, tenant="globex")

    def token(self, roles="service", tenants="acme", **more):
        answer = self.root.post("/v1/tokens", {"principal": "billing", "roles": roles,
                                               "tenants": tenants, **more})
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json

    def holder(self, token):
        return self.server_.client(cert="", token=token)

    def test_garbled(self):
        token = self.token()["token"]
        self.assertEqual(self.holder(token).generate().status, 200)
        bad = [token[:-1], token + "A", token[:40], "kwt_", "x", " " + token, token.upper(),
               token.replace("_", "-"), token[:-1] + ("A" if token[-1] != "A" else "B"),
               "kwt_" + "0" * 32 + token[36:], "A" * 5000, token + "\t" + token]
        for position in range(4, len(token)):
            bad.append(token[:position] + ("0" if token[position] != "0" else "1") + token[position + 1:])
        for text in bad:
            answer = self.holder(text).generate()
            self.assertEqual((answer.status, answer.error), (401, "unauthenticated"), text)
            if len(text) > 20:
                self.assertNotIn(text[4:24], answer.body.decode())
        for header in ("Basic " + token, "Bearer", "Bearer ", token, "bearer  " + token):
            answer = self.server_.client(cert="").get("/v1/status", headers={"Authorization": header})
            self.assertEqual(answer.status, 401, header)

    def test_a_bad_token_is_not_saved_by_a_certificate(self):
        client = self.server_.client(token="kwt_" + "0" * 32 + "_" + "A" * 43)
        self.assertEqual(client.get("/v1/status").status, 401)

    def test_another_authoritys(self):
        other = self.server(self.home("other"))
        answer = other.client().post("/v1/tokens", {"principal": "b", "roles": "root", "tenants": "*"})
        self.assertEqual(self.holder(answer.json["token"]).get("/v1/status").status, 401)

    def test_expired(self):
        token = self.token(lifetime_seconds=2)["token"]
        client = self.holder(token)
        self.assertEqual(client.generate().status, 200)
        until = time.monotonic() + WAIT
        while (answer := client.generate()).status == 200:
            self.assertLess(time.monotonic(), until, "still accepted")
            time.sleep(0.05)
        self.assertEqual((answer.status, answer.error), (401, "token_expired"))

    def test_revoked(self):
        """From the answer to the revocation on, on a connection that is open as well."""
        made = self.token()
        client = self.holder(made["token"])
        for _ in range(3):
            self.assertEqual(client.unwrap(self.wrapped).status, 200)
        self.assertEqual(self.root.call("DELETE", f"/v1/tokens/{made['id']}").status, 200)
        answer = client.unwrap(self.wrapped)
        self.assertEqual((answer.status, answer.error), (401, "unauthenticated"))
        self.assertEqual(self.holder(made["token"]).unwrap(self.wrapped).status, 401)

    def test_scope_and_role(self):
        service = self.holder(self.token()["token"])
        self.assertEqual(service.unwrap(self.wrapped).status, 200)
        for answer in (service.unwrap(self.foreign), service.generate(tenant="globex"),
                       service.post("/v1/tenants/acme/suspend"),
                       service.post("/v1/tokens", {"principal": "x", "roles": "root"}),
                       service.post("/v1/tenants", {"id": "mine", "regions": ["eu"]}),
                       service.post("/v1/certificates", {"name": "x", "role": "root"}),
                       service.get("/v1/ledger/checkpoint")):
            self.assertIn(answer.status, (403, 404), answer.body)
        absent = service.generate(tenant="nobody")  # whether a foreign tenant exists is not told
        present = service.generate(tenant="globex")
        strip = lambda a: (a.status, re.sub(r"nobody|globex|[0-9a-f]{16}", "", a.body.decode()))
        self.assertEqual(strip(absent), strip(present))
        admin = self.holder(self.token("admin", "*")["token"])
        self.assertEqual(admin.unwrap(self.wrapped).status, 403)
        auditor = self.holder(self.token("auditor", "*")["token"])
        self.assertEqual(auditor.get("/v1/ledger/checkpoint").status, 200)
        self.assertEqual(auditor.unwrap(self.wrapped).status, 403)
        self.assertEqual(auditor.post("/v1/tenants/acme/suspend").status, 403)

    def test_nobody(self):
        client = self.server_.client(cert="")
        for method, path in (("GET", "/v1/status"), ("POST", "/v1/data-keys/generate"),
                             ("GET", "/v1/ledger/checkpoint"), ("GET", "/v1/nothing")):
            answer = client.call(method, path)
            self.assertEqual((answer.status, answer.error), (401, "unauthenticated"), path)
        self.assertEqual(client.get("/healthz").status, 200)


if __name__ == "__main__":
    main()
