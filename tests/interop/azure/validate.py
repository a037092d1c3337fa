"""Azure's own clients against the fake: what they accept, and what they understand, the fake does as Azure does.
Arguments: the addresses of vault and authority, the CA file, the version of the key "hidden"."""
import os
import socket
import sys

vault, authority, os.environ["REQUESTS_CA_BUNDLE"], hidden_version = sys.argv[1:]

from azure.core import exceptions  # noqa: E402
from azure.identity import ClientSecretCredential  # noqa: E402
from azure.keyvault.keys import KeyClient  # noqa: E402
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm  # noqa: E402
from fake import CLIENT, SECRET, TENANT, VAULT  # noqa: E402

resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: resolve("127.0.0.1" if host == VAULT else host, *rest, **more)


def credential(secret=SECRET):
    return ClientSecretCredential(TENANT, CLIENT, secret, authority=authority, disable_instance_discovery=True)


def fails(kind, call, *words):
    try:
        call()
    except kind as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError(f"no {kind.__name__}")


# The challenge's resource is checked by the client against the vault's host; retries would hide refusals.
keys = KeyClient(vault, credential(), retry_total=0)
made = keys.create_rsa_key("made", hardware_protected=True, size=2048, key_operations=["wrapKey", "unwrapKey"])
assert made.key_type == "RSA-HSM" and made.properties.enabled and set(made.key_operations) == {"wrapKey", "unwrapKey"}
crypto = CryptographyClient(made, credential())
wrapped = crypto.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"k" * 64)  # done locally, with the public key
assert crypto.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key).key == b"k" * 64

# A client that may not read the key has the vault wrap.
hidden = keys.vault_url + "/keys/hidden/" + hidden_version
remote = CryptographyClient(hidden, credential())
wrapped = remote.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"k" * 64)
assert wrapped.key_id == hidden and len(wrapped.encrypted_key) == 256
assert remote.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key).key == b"k" * 64
broken = bytes([wrapped.encrypted_key[0] ^ 1]) + wrapped.encrypted_key[1:]
fails(exceptions.HttpResponseError, lambda: remote.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, broken), "BadParameter")

# Disabled: unwrapping is refused.
local = crypto.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"k" * 64)
assert not keys.update_key_properties("made", enabled=False).properties.enabled
fails(exceptions.HttpResponseError, lambda: crypto.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, local.encrypted_key),
      "disabled")
assert keys.update_key_properties("made", enabled=True).properties.enabled

# Versions.
assert keys.create_rsa_key("made", size=2048).properties.version != made.properties.version
assert crypto.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, local.encrypted_key).key == b"k" * 64

# Deletion.
deleted = keys.begin_delete_key("made").result()
assert deleted.scheduled_purge_date > deleted.deleted_date
fails(exceptions.ResourceNotFoundError, lambda: keys.get_key("made"), "KeyNotFound")
fails(exceptions.ResourceExistsError, lambda: keys.create_rsa_key("made"), "deleted but recoverable")
assert keys.begin_recover_deleted_key("made").result().name == "made"
fails(exceptions.ResourceNotFoundError, lambda: keys.get_key("none"), "KeyNotFound")

# Credentials.
fails(exceptions.ClientAuthenticationError, lambda: KeyClient(vault, credential("wrong")).get_key("made"), "AADSTS7000215")
print("Azure's own clients agree with the fake")
