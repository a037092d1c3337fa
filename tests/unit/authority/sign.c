/* Signing messages: nothing but a message of the caller's own tenant key is ever signed, and no
 * signature leaves that is not recorded. */
#include "authority_scene.h"

#include "authority/internal.h"
#include "base/encode.h"
#include "crypto/hash.h"
#include "envelope/message.h"
#include "ledger/reader.h"

#include <string.h>
#include <unistd.h>

static struct kw_error err;

static int setup(void **state)
{
    KW_UNUSED(state);
    f = kw_fixture_open(NULL);
    kw_fixture_tenant(f, "acme", "eu");
    kw_fixture_tenant(f, "globex", "eu");
    return 0;
}

/* A statement, and where it goes. */
struct scene {
    uint8_t bytes[KW_MESSAGE_STATEMENT_SIZE + 8];
    struct kw_message_statement statement;
    struct kw_message_signing request;
    struct kw_message_signature out;
};

static void write_statement(struct scene *s)
{
    kw_message_statement_write(&s->statement, s->bytes);
    s->request.statement = kw_bytes(s->bytes, KW_MESSAGE_STATEMENT_SIZE);
}

/* About acme's key in eu, as a client makes it. */
static void scene_init(struct scene *s)
{
    struct kw_key_row key = kw_fixture_key_row(f, "acme", "eu");
    *s = (struct scene){.request = {.tenant = "acme", .region = "eu"}};
    s->statement.signing_version = s->request.version = key.current_version;
    s->statement.suite = key.suite;
    kw_put_u64(s->statement.key_ref, key.reference);
    kw_class_tag(s->statement.class_tag, "pii");
    memset(s->statement.context_digest, 0x0c, sizeof s->statement.context_digest);
    memset(s->statement.commitment, 0x0d, sizeof s->statement.commitment);
    memset(s->statement.body_digest, 0x0e, sizeof s->statement.body_digest);
    write_statement(s);
}

static kw_code sign_as(struct scene *s, const struct kw_caller *caller)
{
    return kw_authority_message_sign(f->authority, caller, &s->request, &s->out, &err);
}

static kw_code sign(struct scene *s)
{
    return sign_as(s, &kw_fixture_root);
}

static void assert_nothing_signed(const struct scene *s)
{
    static const struct kw_message_signature none;
    assert_memory_equal(s->out.signature, none.signature, sizeof none.signature);
    assert_int_equal(s->out.ledger_index, 0);
}

/* Refused with code, recorded as that, and nothing came out. */
static void refused(struct scene *s, const struct kw_caller *caller, kw_code code)
{
    size_t before = kw_fixture_entries(f, "SignMessage", kw_code_name(code));
    assert_int_equal(sign_as(s, caller), code);
    assert_int_equal(kw_fixture_entries(f, "SignMessage", kw_code_name(code)), before + 1);
    assert_int_equal(kw_fixture_entries(f, "SignMessage", ""), 0);
    assert_nothing_signed(s);
}

static void verify(const struct scene *s, kw_code expected)
{
    struct kw_key_row key = kw_fixture_key_row(f, "acme", "eu");
    struct kw_version_row version = kw_fixture_version_row(f, key.reference, s->request.version);
    assert_int_equal(kw_verify(version.sign_public, s->request.statement, s->out.signature, NULL),
                     expected);
}

/* ---- What is signed ---------------------------------------------------------------------------
 */

static void by_the_published_key(void **state)
{
    KW_UNUSED(state);
    struct scene s;
    struct scene again;
    scene_init(&s);
    assert_int_equal(sign(&s), KW_OK);
    verify(&s, KW_OK);
    scene_init(&again);
    assert_int_equal(sign(&again), KW_OK);
    assert_memory_equal(again.out.signature, s.out.signature, KW_SIGNATURE_SIZE);
    assert_int_equal(again.out.ledger_index, s.out.ledger_index + 1);
    assert_int_equal(kw_fixture_entries(f, "SignMessage", ""), 2);
    assert_int_equal(kw_authority_stats(f->authority).signed_messages, 2);
    s.bytes[100] ^= 1;
    verify(&s, KW_BAD_SIGNATURE);
}

static void service_may(void **state)
{
    KW_UNUSED(state);
    struct kw_caller service = kw_fixture_caller("service", "acme");
    struct scene s;
    scene_init(&s);
    assert_int_equal(sign_as(&s, &service), KW_OK);
    verify(&s, KW_OK);
}

static bool entry_has(const struct kw_buf *entry, const char *text)
{
    return memmem(entry->data, entry->len, text, strlen(text)) != NULL;
}

/* Who, what and which message: by the statement's hash, so that a message leads to its entry. */
static void the_entry_names_the_message(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) entry = KW_BUF_INIT;
    struct kw_caller caller = kw_fixture_root;
    struct scene s;
    uint8_t digest[KW_HASH_SIZE];
    char hex[2 * KW_HASH_SIZE + 1];
    char text[128];
    scene_init(&s);
    caller.justification = "order 7";
    assert_int_equal(sign_as(&s, &caller), KW_OK);
    assert_int_equal(kw_ledger_entry(f->ledger, s.out.ledger_index, &entry, NULL), KW_OK);
    kw_sha256_one(digest, s.request.statement);
    kw_hex_text(hex, kw_bytes(digest, sizeof digest));
    snprintf(text, sizeof text, "\"statement_sha256\":\"%s\"", hex);
    assert_true(entry_has(&entry, text));
    snprintf(text, sizeof text, "\"uid\":\"%016llx\",\"type\":\"tenant_key\",\"version\":\"1\"",
             (unsigned long long)kw_get_u64(s.statement.key_ref));
    assert_true(entry_has(&entry, text));
    assert_true(entry_has(&entry, "\"operation\":\"SignMessage\""));
    assert_true(entry_has(&entry, "\"tenant_uid\":\"acme\""));
    assert_true(entry_has(&entry, "\"data_class\":\"pii\""));
    assert_true(entry_has(&entry, "\"context_sha256\":\"0c0c0c"));
    assert_true(entry_has(&entry, "\"justification\":\"order 7\""));
}

/* ---- No oracle --------------------------------------------------------------------------------
 */

static void only_statements(void **state)
{
    KW_UNUSED(state);
    struct scene s;
    static const size_t fixed[] = {0, 8, 17, 18, 23}; /* domain, flags, format */
    for (size_t i = 0; i < KW_COUNT(fixed); i++) {
        scene_init(&s);
        s.bytes[fixed[i]] ^= 1;
        refused(&s, &kw_fixture_root, KW_BAD_FORMAT);
    }
    for (size_t len = 0; len <= sizeof s.bytes; len++) {
        scene_init(&s);
        s.request.statement.len = len;
        if (len != KW_MESSAGE_STATEMENT_SIZE)
            refused(&s, &kw_fixture_root, KW_BAD_FORMAT);
    }
}

/* What the key's other uses would be given to sign or derive from. */
static void no_foreign_text(void **state)
{
    KW_UNUSED(state);
    static const char *const domains[] = {"keyward envelope", "keyward/v1",
                                          "keyward.test/ledger\n"};
    struct scene s;
    for (size_t i = 0; i < KW_COUNT(domains); i++) {
        scene_init(&s);
        memcpy(s.bytes, domains[i], strlen(domains[i]));
        refused(&s, &kw_fixture_root, KW_BAD_FORMAT);
    }
}

static void only_this_key(void **state)
{
    KW_UNUSED(state);
    struct scene s;
    scene_init(&s);
    kw_put_u64(s.statement.key_ref, kw_fixture_key_row(f, "globex", "eu").reference);
    write_statement(&s);
    refused(&s, &kw_fixture_root, KW_NOT_THIS_TENANT);
    scene_init(&s);
    s.request.tenant = "globex"; /* the statement is about acme's */
    refused(&s, &kw_fixture_root, KW_NOT_THIS_TENANT);
    scene_init(&s);
    memset(s.statement.key_ref, 0, sizeof s.statement.key_ref);
    write_statement(&s);
    refused(&s, &kw_fixture_root, KW_NOT_THIS_TENANT);
}

static void only_what_fits_the_key(void **state)
{
    KW_UNUSED(state);
    struct scene s;
    scene_init(&s);
    s.statement.signing_version = 2;
    write_statement(&s);
    refused(&s, &kw_fixture_root, KW_BAD_FORMAT);
    scene_init(&s);
    s.statement.suite ^= 3;
    write_statement(&s);
    refused(&s, &kw_fixture_root, KW_BAD_FORMAT);
    scene_init(&s);
    kw_class_tag(s.statement.class_tag, "unheard-of");
    write_statement(&s);
    refused(&s, &kw_fixture_root, KW_UNKNOWN_CLASS);
}

/* ---- Callers and names ------------------------------------------------------------------------
 */

static void who_may_not(void **state)
{
    KW_UNUSED(state);
    static const char *const roles[] = {"admin", "auditor"};
    struct scene s;
    scene_init(&s);
    for (size_t i = 0; i < KW_COUNT(roles); i++) {
        struct kw_caller caller = kw_fixture_caller(roles[i], "*");
        refused(&s, &caller, KW_FORBIDDEN);
    }
    struct kw_caller stranger = kw_fixture_caller("service", "globex");
    refused(&s, &stranger, KW_FORBIDDEN);
    /* Neither does it help to name one's own tenant. */
    s.request.tenant = "globex";
    refused(&s, &stranger, KW_NOT_THIS_TENANT);
}

static void what_is_not_there(void **state)
{
    KW_UNUSED(state);
    static const uint32_t versions[] = {0, 2, UINT32_MAX};
    struct scene s;
    scene_init(&s);
    s.request.tenant = "nobody";
    refused(&s, &kw_fixture_root, KW_TENANT_NOT_FOUND);
    scene_init(&s);
    s.request.region = "us";
    refused(&s, &kw_fixture_root, KW_KEY_NOT_FOUND);
    for (size_t i = 0; i < KW_COUNT(versions); i++) {
        scene_init(&s);
        s.statement.signing_version = s.request.version = versions[i];
        write_statement(&s);
        refused(&s, &kw_fixture_root, KW_VERSION_NOT_FOUND);
    }
}

/* ---- States -----------------------------------------------------------------------------------
 */

static void a_suspended_tenant(void **state)
{
    KW_UNUSED(state);
    struct scene s;
    scene_init(&s);
    assert_int_equal(kw_authority_tenant_suspend(f->authority, &kw_fixture_root, "acme", &err),
                     KW_OK);
    refused(&s, &kw_fixture_root, KW_TENANT_SUSPENDED);
    assert_int_equal(kw_authority_tenant_resume(f->authority, &kw_fixture_root, "acme", &err),
                     KW_OK);
    assert_int_equal(sign(&s), KW_OK);
    verify(&s, KW_OK);
}

static void a_disabled_key(void **state)
{
    KW_UNUSED(state);
    struct scene s;
    scene_init(&s);
    assert_int_equal(kw_authority_key_disable(f->authority, &kw_fixture_root, "acme", "eu", &err),
                     KW_OK);
    refused(&s, &kw_fixture_root, KW_KEY_SUSPENDED);
    assert_int_equal(kw_authority_key_schedule_destroy(f->authority, &kw_fixture_root, "acme", "eu",
                                                       0, NULL, &err),
                     KW_OK);
    refused(&s, &kw_fixture_root, KW_KEY_PENDING);
}

static void a_closed_tenant(void **state)
{
    KW_UNUSED(state);
    struct scene s;
    scene_init(&s);
    assert_int_equal(kw_authority_tenant_close(f->authority, &kw_fixture_root, "acme", 0, &err),
                     KW_OK);
    refused(&s, &kw_fixture_root, KW_TENANT_CLOSED);
}

/* What it signed stays good; it signs no more. */
static void an_old_version(void **state)
{
    KW_UNUSED(state);
    struct scene old;
    struct scene fresh;
    scene_init(&old);
    assert_int_equal(sign(&old), KW_OK);
    assert_int_equal(
        kw_authority_key_rotate(f->authority, &kw_fixture_root, "acme", "eu", NULL, &err), KW_OK);
    verify(&old, KW_OK);
    struct scene again = old;
    assert_int_equal(sign(&again), KW_VERSION_NOT_ACTIVE);
    assert_int_equal(kw_fixture_entries(f, "SignMessage", "version_not_active"), 1);
    scene_init(&fresh);
    assert_int_equal(fresh.request.version, 2);
    assert_int_equal(sign(&fresh), KW_OK);
    verify(&fresh, KW_OK);
}

static void a_compromised_version(void **state)
{
    KW_UNUSED(state);
    struct scene s;
    scene_init(&s);
    struct kw_version_row row = kw_fixture_version_row(f, kw_get_u64(s.statement.key_ref), 1);
    row.state = KW_KEY_IS_COMPROMISED;
    assert_int_equal(kw_store_begin(f->store, &err), KW_OK);
    assert_int_equal(kw_store_version_set(f->store, &row, &err), KW_OK);
    assert_int_equal(kw_store_commit(f->store, &err), KW_OK);
    refused(&s, &kw_fixture_root, KW_VERSION_NOT_ACTIVE);
}

/* ---- Recorded first ---------------------------------------------------------------------------
 */

static void no_ledger_no_signature(void **state)
{
    KW_UNUSED(state);
    struct scene s;
    scene_init(&s);
    atomic_store(&f->ledger_fails, true);
    kw_code code = sign(&s);
    assert_true(kw_code_retryable(code));
    assert_nothing_signed(&s);
    /* Nor is a refusal told that could not be recorded. */
    s.request.tenant = "globex";
    assert_int_equal(sign(&s), code);
    assert_int_equal(kw_authority_stats(f->authority).signed_messages, 0);
    atomic_store(&f->ledger_fails, false);
    s.request.tenant = "acme";
    for (int i = 0; i < 200 && sign(&s) != KW_OK; i++)
        usleep(10000);
    verify(&s, KW_OK);
}

/* The ledger's disk, on whose sync the key is revoked: after it was decided, before it is let out.
 */
static struct kw_ledger_io disk;
static uint64_t revoked;

static int revoke_and_sync(struct kw_ledger_io *io, int fd)
{
    if (revoked != 0)
        kw_keyring_drop(f->authority->ring, revoked, KW_TENANT_SUSPENDED);
    return disk.sync(io, fd);
}

static void revoked_while_it_was_recorded(void **state)
{
    KW_UNUSED(state);
    struct scene s;
    scene_init(&s);
    disk = f->io;
    revoked = kw_get_u64(s.statement.key_ref);
    f->io.sync = revoke_and_sync;
    assert_int_equal(sign(&s), KW_TENANT_SUSPENDED);
    assert_nothing_signed(&s);
    /* The record may say too much, never too little. */
    assert_int_equal(kw_fixture_entries(f, "SignMessage", ""), 1);
    f->io.sync = disk.sync;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(by_the_published_key),
        TEST(service_may),
        TEST(the_entry_names_the_message),
        TEST(only_statements),
        TEST(no_foreign_text),
        TEST(only_this_key),
        TEST(only_what_fits_the_key),
        TEST(who_may_not),
        TEST(what_is_not_there),
        TEST(a_suspended_tenant),
        TEST(a_disabled_key),
        TEST(a_closed_tenant),
        TEST(an_old_version),
        TEST(a_compromised_version),
        TEST(no_ledger_no_signature),
        TEST(revoked_while_it_was_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
