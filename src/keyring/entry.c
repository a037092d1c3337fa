#include "keyring/entry.h"

static const size_t secret_size = (size_t)(1 + KW_KEYRING_DERIVED) * KW_KEYRING_KEY_SIZE;

size_t kw_keyring_entry_bytes(void)
{
    return sizeof(struct kw_keyring_entry) + secret_size;
}

KW_ERR kw_keyring_entry_new(const struct kw_keyring_facts *facts, const struct kw_secret *key,
                            struct kw_keyring_entry **out, struct kw_error *err)
{
    if (key->len != KW_KEYRING_KEY_SIZE)
        return kw_fail(err, KW_INTERNAL, "a tenant key has %zu bytes", key->len);
    struct kw_keyring_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = kw_secret_alloc(&entry->keys, secret_size, err);
    if (code != KW_OK) {
        free(entry);
        return code;
    }
    memcpy(entry->keys.data, key->data, KW_KEYRING_KEY_SIZE);
    entry->facts = *facts;
    entry->held = facts->held;
    atomic_init(&entry->holds, 1);
    atomic_init(&entry->refusal, KW_OK);
    atomic_init(&entry->wraps_total, facts->wraps_before);
    pthread_mutex_init(&entry->derived_lock, NULL);
    *out = entry;
    return KW_OK;
}

void kw_keyring_entry_free(struct kw_keyring_entry *entry)
{
    kw_secret_wipe(&entry->keys);
    pthread_mutex_destroy(&entry->derived_lock);
    free(entry);
}

struct kw_keyring_entry *kw_keyring_hold(struct kw_keyring_entry *entry)
{
    atomic_fetch_add_explicit(&entry->holds, 1, memory_order_relaxed);
    return entry;
}

const struct kw_keyring_facts *kw_keyring_facts(const struct kw_keyring_entry *entry)
{
    return &entry->facts;
}

const uint8_t *kw_keyring_key(const struct kw_keyring_entry *entry)
{
    return entry->keys.data;
}

kw_code kw_keyring_refusal(const struct kw_keyring_entry *entry)
{
    return (kw_code)atomic_load_explicit(&entry->refusal, memory_order_acquire);
}

uint64_t kw_keyring_count_wraps(struct kw_keyring_entry *entry, uint64_t n)
{
    atomic_fetch_add_explicit(&entry->wraps_unreported, n, memory_order_relaxed);
    return atomic_fetch_add_explicit(&entry->wraps_total, n, memory_order_relaxed) + n;
}

void kw_keyring_count_unwraps(struct kw_keyring_entry *entry, uint64_t n)
{
    atomic_fetch_add_explicit(&entry->unwraps_unreported, n, memory_order_relaxed);
}

static uint8_t *derived_at(struct kw_keyring_entry *entry, unsigned slot)
{
    return entry->keys.data + (size_t)(1 + slot) * KW_KEYRING_KEY_SIZE;
}

static bool recall(struct kw_keyring_entry *entry, uint64_t tag, uint8_t *out)
{
    bool found = false;
    pthread_mutex_lock(&entry->derived_lock);
    for (unsigned i = 0; i < KW_KEYRING_DERIVED && !found; i++) {
        if (entry->derived_tag[i] != tag)
            continue;
        memcpy(out, derived_at(entry, i), KW_KEYRING_KEY_SIZE);
        found = true;
    }
    pthread_mutex_unlock(&entry->derived_lock);
    return found;
}

static void remember(struct kw_keyring_entry *entry, uint64_t tag, const struct kw_secret *derived)
{
    pthread_mutex_lock(&entry->derived_lock);
    unsigned slot = entry->derived_next;
    entry->derived_next = (slot + 1) % KW_KEYRING_DERIVED;
    entry->derived_tag[slot] = tag;
    memcpy(derived_at(entry, slot), derived->data, KW_KEYRING_KEY_SIZE);
    pthread_mutex_unlock(&entry->derived_lock);
}

KW_ERR kw_keyring_derived(struct kw_keyring_entry *entry, uint64_t tag,
                          KW_ERR (*derive)(const struct kw_keyring_entry *entry, void *arg,
                                           struct kw_secret *out, struct kw_error *err),
                          void *arg, uint8_t out[KW_KEYRING_KEY_SIZE], struct kw_error *err)
{
    if (tag == 0)
        return kw_fail(err, KW_INTERNAL, "a derived key needs a tag");
    if (recall(entry, tag, out))
        return KW_OK;
    KW_AUTO(kw_secret) derived = KW_SECRET_INIT;
    KW_TRY(derive(entry, arg, &derived, err));
    if (derived.len != KW_KEYRING_KEY_SIZE)
        return kw_fail(err, KW_INTERNAL, "a derived key has %zu bytes", derived.len);
    remember(entry, tag, &derived);
    memcpy(out, derived.data, KW_KEYRING_KEY_SIZE);
    return KW_OK;
}
