/* What a customer does to import a key, for tests over authority_fixture.h: asks for an offer,
 * wraps material, sends it. What goes wrong fails the test, but for the answers that are given
 * back. */
#ifndef KW_TESTS_AUTHORITY_IMPORT_H
#define KW_TESTS_AUTHORITY_IMPORT_H

#include "authority/custody.h"
#include "authority_fixture.h"

/* 32 bytes of material that are told apart by seed; not random, so that tests can look for them. */
void kw_import_material(uint8_t seed, uint8_t out[KW_IMPORT_MATERIAL]);

/* An offer for tenant's key in eu. The caller wipes offer->public_der. */
kw_code kw_import_ask(struct kw_fixture *f, const char *tenant, struct kw_import_offer *offer);

/* len bytes wrapped under the offer's key. */
void kw_import_wrap(const struct kw_import_offer *offer, const void *material, size_t len,
                    struct kw_buf *out);

/* Sends wrapped bytes for tenant's key in eu; result and err may be NULL. */
kw_code kw_import_send(struct kw_fixture *f, const char *tenant, const char *token,
                       struct kw_bytes wrapped, int64_t expires_ms, struct kw_import_result *result,
                       struct kw_error *err);

/* All three, with the material of seed. */
kw_code kw_import_whole(struct kw_fixture *f, const char *tenant, uint8_t seed, int64_t expires_ms,
                        struct kw_import_result *result);

/* How many copies the version has. */
size_t kw_import_copies(struct kw_fixture *f, uint64_t reference, uint32_t version);

/* How often bytes stand in the files of folder and those below it: as they are, in hex or base64.
 */
size_t kw_import_search(const char *folder, struct kw_bytes bytes);

#endif
