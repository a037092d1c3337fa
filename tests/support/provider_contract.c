#include "provider_contract.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct kw_provider_subject *subject;
static struct kw_error err;

static const struct kw_provider_pair pairs[] = {
    {"tenant", "acme"}, {"region", "eu"}, {"reference", "0011223344556677"}, {"version", "1"}};

#define ok(call)          assert_int_equal((call), KW_OK)
#define fails(code, call) assert_int_equal((call), (code))

static int open_fresh(void **state)
{
    return subject->fresh(subject->arg, (struct kw_provider **)state, &err) == KW_OK ? 0 : -1;
}

static int close_it(void **state)
{
    kw_provider_free(*state);
    return 0;
}

static struct kw_provider_call call_of(const char *key)
{
    return (struct kw_provider_call){
        .key = key, .context = pairs, .context_count = KW_COUNT(pairs)};
}

static void make_secret(struct kw_secret *out, size_t len)
{
    ok(kw_secret_alloc(out, len, &err));
    for (size_t i = 0; i < len; i++)
        out->data[i] = (uint8_t)(i * 167 + len);
}

static void wrap(struct kw_provider *provider, size_t len, struct kw_buf *out)
{
    const struct kw_provider_call call = call_of(subject->key);
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    make_secret(&plaintext, len);
    ok(kw_provider_wrap(provider, &call, &plaintext, out, &err));
}

static void every_size_comes_back(void **state)
{
    static const size_t sizes[] = {1, 16, 31, 32, 33, 64, 1023, 1024, 1025, 4096};
    const struct kw_provider_call call = call_of(subject->key);
    for (size_t i = 0; i < KW_COUNT(sizes); i++) {
        KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
        KW_AUTO(kw_secret) got = KW_SECRET_INIT;
        KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
        make_secret(&plaintext, sizes[i]);
        kw_buf_append_str(&wrapped, "before"); /* is appended to */
        ok(kw_provider_wrap(*state, &call, &plaintext, &wrapped, &err));
        assert_memory_equal(wrapped.data, "before", 6);
        kw_buf_consume(&wrapped, 6);
        ok(kw_provider_unwrap(*state, &call, kw_buf_bytes(&wrapped), &got, &err));
        assert_true(kw_secret_equal(&plaintext, &got));
    }
}

static void wrong_sizes_are_refused(void **state)
{
    const struct kw_provider_call call = call_of(subject->key);
    static const uint8_t large[KW_PROVIDER_WRAPPED_MAX + 1] = {0};
    KW_AUTO(kw_secret) empty = KW_SECRET_INIT;
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    make_secret(&plaintext, KW_PROVIDER_PLAINTEXT_MAX + 1);
    fails(KW_TOO_LARGE, kw_provider_wrap(*state, &call, &empty, &out, &err));
    fails(KW_TOO_LARGE, kw_provider_wrap(*state, &call, &plaintext, &out, &err));
    assert_int_equal(out.len, 0);
    fails(KW_SEAL_BROKEN, kw_provider_unwrap(*state, &call, kw_bytes(NULL, 0), &empty, &err));
    fails(KW_SEAL_BROKEN,
          kw_provider_unwrap(*state, &call, kw_bytes(large, sizeof large), &empty, &err));
    fails(KW_SEAL_BROKEN, kw_provider_unwrap(*state, &call, kw_bytes(large, 77), &empty, &err));
    assert_null(empty.data);
}

static void copies_differ(void **state)
{
    KW_AUTO(kw_buf) first = KW_BUF_INIT;
    KW_AUTO(kw_buf) second = KW_BUF_INIT;
    wrap(*state, 32, &first);
    wrap(*state, 32, &second);
    assert_false(kw_bytes_equal(kw_buf_bytes(&first), kw_buf_bytes(&second)));
}

static void refuse(struct kw_provider *provider, const struct kw_provider_call *call,
                   struct kw_bytes wrapped)
{
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    fails(KW_SEAL_BROKEN, kw_provider_unwrap(provider, call, wrapped, &got, &err));
    assert_null(got.data);
}

static void other_contexts_are_refused(void **state)
{
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    struct kw_provider_pair changed[KW_COUNT(pairs) + 1];
    struct kw_provider_call call = call_of(subject->key);
    wrap(*state, 32, &wrapped);
    call.context = changed;
    for (size_t i = 0; i < KW_COUNT(pairs); i++) {
        memcpy(changed, pairs, sizeof pairs);
        changed[i].value = "other";
        refuse(*state, &call, kw_buf_bytes(&wrapped));
        changed[i] = (struct kw_provider_pair){"other", pairs[i].value};
        refuse(*state, &call, kw_buf_bytes(&wrapped));
    }
    memcpy(changed, pairs, sizeof pairs);
    call.context_count = KW_COUNT(pairs) - 1;
    refuse(*state, &call, kw_buf_bytes(&wrapped));
    changed[KW_COUNT(pairs)] = (struct kw_provider_pair){"more", ""};
    call.context_count = KW_COUNT(pairs) + 1;
    refuse(*state, &call, kw_buf_bytes(&wrapped));
    call.context_count = 0;
    refuse(*state, &call, kw_buf_bytes(&wrapped));
}

/* "ab" = "c" is not "a" = "bc", nor two pairs one. */
static void contexts_have_one_reading(void **state)
{
    static const struct kw_provider_pair one[] = {{"ab", "c"}};
    static const struct kw_provider_pair same_text[] = {{"a", "bc"}};
    static const struct kw_provider_pair two[] = {{"a", ""}, {"b", "c"}};
    struct kw_provider_call call = {.key = subject->key, .context = one, .context_count = 1};
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    make_secret(&plaintext, 32);
    ok(kw_provider_wrap(*state, &call, &plaintext, &wrapped, &err));
    call.context = same_text;
    refuse(*state, &call, kw_buf_bytes(&wrapped));
    call.context = two;
    call.context_count = 2;
    refuse(*state, &call, kw_buf_bytes(&wrapped));
}

static void other_keys_are_refused(void **state)
{
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    const struct kw_provider_call call = call_of(subject->other);
    wrap(*state, 32, &wrapped);
    refuse(*state, &call, kw_buf_bytes(&wrapped));
}

static void altered_copies_are_refused(void **state)
{
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    const struct kw_provider_call call = call_of(subject->key);
    wrap(*state, 32, &wrapped);
    size_t step = subject->every_bit ? 1 : 7;
    for (size_t bit = 0; bit < wrapped.len * 8; bit += step) {
        wrapped.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        refuse(*state, &call, kw_buf_bytes(&wrapped));
        wrapped.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    for (size_t len = 1; len < wrapped.len; len++)
        refuse(*state, &call, kw_bytes(wrapped.data, len));
    kw_buf_append_byte(&wrapped, 0);
    refuse(*state, &call, kw_buf_bytes(&wrapped));
}

static void malformed_calls_are_refused(void **state)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct kw_provider_pair many[KW_PROVIDER_PAIRS_MAX + 1];
    static const struct kw_provider_pair unnamed[] = {{"", "x"}};
    char name[KW_PROVIDER_KEY_NAME_MAX + 2];
    make_secret(&plaintext, 32);
    memset(name, 'k', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i < KW_COUNT(many); i++)
        many[i] = pairs[0];
    struct kw_provider_call call = call_of("");
    fails(KW_BAD_NAME, kw_provider_wrap(*state, &call, &plaintext, &out, &err));
    call.key = name;
    fails(KW_BAD_NAME, kw_provider_wrap(*state, &call, &plaintext, &out, &err));
    call = call_of(subject->key);
    call.context = many;
    call.context_count = KW_COUNT(many);
    fails(KW_BAD_CONTEXT, kw_provider_wrap(*state, &call, &plaintext, &out, &err));
    call.context = unnamed;
    call.context_count = 1;
    fails(KW_BAD_CONTEXT, kw_provider_wrap(*state, &call, &plaintext, &out, &err));
    call = call_of(subject->key);
    fails(KW_INTERNAL, kw_provider_unwrap(*state, &call, kw_bytes("x", 1), &plaintext, &err));
    assert_int_equal(out.len, 0);
}

static void late_calls_are_not_made(void **state)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct kw_provider_call call = call_of(subject->key);
    make_secret(&plaintext, 32);
    call.deadline_ms = 1; /* long past */
    fails(KW_TIMEOUT, kw_provider_wrap(*state, &call, &plaintext, &out, &err));
    fails(KW_TIMEOUT, kw_provider_check(*state, subject->key, 1, &err));
    assert_int_equal(out.len, 0);
}

static void calls_are_counted(void **state)
{
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    const struct kw_provider_call call = call_of(subject->key);
    ok(kw_provider_check(*state, subject->key, 0, &err));
    wrap(*state, 32, &wrapped);
    ok(kw_provider_unwrap(*state, &call, kw_buf_bytes(&wrapped), &got, &err));
    refuse(*state, &call, kw_bytes(wrapped.data, wrapped.len - 1));
    struct kw_provider_stats stats = kw_provider_stats(*state);
    assert_int_equal(stats.wraps, 1);
    assert_int_equal(stats.unwraps, 2);
    assert_int_equal(stats.failures, 1);
    assert_true(strlen(kw_provider_name(*state)) > 0);
    assert_true(strlen(kw_provider_kind(*state)) > 0);
}

enum { THREADS = 4, ROUNDS = 60 };

/* Many keys at once: what a provider keeps for each must be safe to make while others use it. */
static KW_ERR round_trip(struct kw_provider *provider, unsigned number)
{
    static const char *const regions[] = {"tenant-a", "tenant-b", "tenant-c"};
    const struct kw_provider_pair own[] = {{"tenant", regions[number % 3]}};
    const struct kw_provider_call call = {
        .key = number % 2 == 0 ? subject->key : subject->other, .context = own, .context_count = 1};
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    KW_TRY(kw_secret_alloc(&plaintext, 32, NULL));
    memset(plaintext.data, (int)number, plaintext.len);
    KW_TRY(kw_provider_wrap(provider, &call, &plaintext, &wrapped, NULL));
    KW_TRY(kw_provider_unwrap(provider, &call, kw_buf_bytes(&wrapped), &got, NULL));
    return kw_secret_equal(&plaintext, &got) ? KW_OK : KW_INTERNAL;
}

static void *round_trips(void *provider)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        if (round_trip(provider, i) != KW_OK)
            return provider;
    return NULL;
}

static void threads_share_it(void **state)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, round_trips, *state), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(kw_provider_stats(*state).wraps, THREADS * ROUNDS);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_fresh, close_it)

int kw_provider_contract(const struct kw_provider_subject *which)
{
    subject = which;
    const struct CMUnitTest tests[] = {
        TEST(every_size_comes_back),
        TEST(wrong_sizes_are_refused),
        TEST(copies_differ),
        TEST(other_contexts_are_refused),
        TEST(contexts_have_one_reading),
        TEST(other_keys_are_refused),
        TEST(altered_copies_are_refused),
        TEST(malformed_calls_are_refused),
        TEST(late_calls_are_not_made),
        TEST(calls_are_counted),
        TEST(threads_share_it),
    };
    return _cmocka_run_group_tests(which->name, tests, KW_COUNT(tests), NULL, NULL);
}
