"""Google's own client against the fake: what it accepts, and what it understands, the fake does as Google does.
Arguments: the fake's port, a key file, the name of a key."""
import os
import sys

port, key_file, key = sys.argv[1:]
os.environ["GCE_METADATA_HOST"] = f"127.0.0.1:{port}"

from google.api_core import exceptions  # noqa: E402
from google.auth import compute_engine  # noqa: E402
from google.auth.transport.requests import AuthorizedSession  # noqa: E402
from google.cloud import kms_v1 as kms  # noqa: E402
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceRestTransport  # noqa: E402
from google.oauth2 import service_account  # noqa: E402
from fake import crc32c  # noqa: E402

SCOPES = ["https://www.googleapis.com/auth/cloudkms"]


def client(credentials):
    transport = KeyManagementServiceRestTransport(host=f"127.0.0.1:{port}", url_scheme="http", credentials=credentials)
    return kms.KeyManagementServiceClient(transport=transport)


def fails(kind, call, *words):
    try:
        call()
    except kind as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError(f"no {kind.__name__}")


def round_trip(google):
    sealed = google.encrypt(request={
        "name": key, "plaintext": b"plaintext", "plaintext_crc32c": crc32c(b"plaintext"),
        "additional_authenticated_data": b"context", "additional_authenticated_data_crc32c": crc32c(b"context")})
    assert sealed.name.startswith(key + "/cryptoKeyVersions/"), sealed.name
    assert sealed.verified_plaintext_crc32c and sealed.verified_additional_authenticated_data_crc32c
    assert sealed.ciphertext_crc32c == crc32c(sealed.ciphertext)
    opened = google.decrypt(request={"name": key, "ciphertext": sealed.ciphertext,
                                     "additional_authenticated_data": b"context"})
    assert opened.plaintext == b"plaintext" and opened.plaintext_crc32c == crc32c(b"plaintext")
    assert opened.used_primary
    return sealed


signed = service_account.Credentials.from_service_account_file(key_file, scopes=SCOPES, always_use_jwt_access=True)
google = client(signed)
sealed = round_trip(google)
assert len(signed.token.split(".")) == 3, "the token is the JWT itself"

# Errors; over REST the client knows them by their status alone.
fails(exceptions.BadRequest, lambda: google.decrypt(request={"name": key, "ciphertext": sealed.ciphertext}),
      "Decryption failed")
fails(exceptions.BadRequest, lambda: google.encrypt(
    request={"name": key, "plaintext": b"x", "plaintext_crc32c": 1}), "plaintext_crc32c")
fails(exceptions.NotFound, lambda: google.get_crypto_key(name=key + "-none"))
fails(exceptions.Unauthorized, lambda: client(
    service_account.Credentials.from_service_account_file(key_file, scopes=["other"], always_use_jwt_access=True)
).get_crypto_key(name=key))

# States.
State = kms.CryptoKeyVersion.CryptoKeyVersionState
found = google.get_crypto_key(name=key)
assert found.purpose == kms.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT and found.primary.state == State.ENABLED
version = google.update_crypto_key_version(request={
    "crypto_key_version": {"name": sealed.name, "state": State.DISABLED}, "update_mask": "state"})
assert version.state == State.DISABLED
fails(exceptions.BadRequest, lambda: google.decrypt(name=key, ciphertext=sealed.ciphertext), "DISABLED")
fails(exceptions.BadRequest, lambda: google.encrypt(name=key, plaintext=b"x"), "DISABLED")
assert google.destroy_crypto_key_version(name=sealed.name).state == State.DESTROY_SCHEDULED
fails(exceptions.BadRequest, lambda: google.encrypt(name=key, plaintext=b"x"), "DESTROY_SCHEDULED")
assert google.restore_crypto_key_version(name=sealed.name).state == State.DISABLED
google.update_crypto_key_version(request={
    "crypto_key_version": {"name": sealed.name, "state": State.ENABLED}, "update_mask": "state"})

# A key that is made.
parent, made = key.rsplit("/cryptoKeys/", 1)[0], "made-by-google"
new = google.create_crypto_key(parent=parent, crypto_key_id=made, crypto_key={
    "purpose": kms.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT})
assert new.name == f"{parent}/cryptoKeys/{made}"
fails(exceptions.Conflict, lambda: google.create_crypto_key(
    parent=parent, crypto_key_id=made, crypto_key={"purpose": kms.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT}))

# The metadata server.
machine = compute_engine.Credentials(scopes=SCOPES)
round_trip(client(machine))
assert machine.token.startswith("ya29.")
assert AuthorizedSession  # its transport carried all of this
print("Google's own client agrees with the fake")
