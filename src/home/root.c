#include "home/root.h"

#include "base/clock.h"
#include "crypto/random.h"
#include "provider/root_file.h"
#include "provider/root_text.h"

#include <time.h>

enum { ATTEMPT_MS = 10000, PATIENCE_MS = 60000, PAUSE_MS = 250, PAUSE_MAX_MS = 5000 };

static KW_ERR path_of(const struct kw_home *home, char out[KW_PATH_SIZE], struct kw_error *err)
{
    return kw_path_format(out, err, "%s/root.key", home->dir);
}

/* ---- By a provider ----------------------------------------------------------------------------
 */

/* The copy is good for this authority's root key and nothing else. */
struct held_call {
    struct kw_provider *provider;
    struct kw_provider_pair context[2];
    struct kw_provider_call call;
};

static void held_call_fill(const struct kw_home *home, struct kw_provider *provider,
                           const char *key, struct held_call *out)
{
    out->provider = provider;
    out->context[0] = (struct kw_provider_pair){"keyward:authority", home->facts.authority_id};
    out->context[1] = (struct kw_provider_pair){"keyward:purpose", "root"};
    out->call = (struct kw_provider_call){.key = key,
                                          .context = out->context,
                                          .context_count = KW_COUNT(out->context),
                                          .deadline_ms = kw_clock_ms() + ATTEMPT_MS};
}

/* Every text says who holds the key: what there is to do is to be done there. */
static kw_code their_side(const struct kw_root_holder *holder, const struct kw_error *why,
                          struct kw_error *err)
{
    const char *what = kw_code_retryable(why->code) ? "does not answer for now"
                       : why->code == KW_SEAL_BROKEN
                           ? "finds that root.key was altered, or is another authority's"
                           : "refuses, so that it must be allowed on that side";
    return kw_fail(err, why->code == KW_SEAL_BROKEN ? KW_WRONG_ROOT : why->code,
                   "the root key is held by provider %s (key %.80s), which %s: %s",
                   holder->provider, holder->key, what, why->text);
}

/* What was wrapped is opened once before anything is sealed under it: a right to wrap alone would
 * show at the next start, when it is too late. */
static KW_ERR wrap(const struct kw_home *home, const struct kw_secret *root,
                   struct kw_root_holder *holder, struct kw_error *err)
{
    struct held_call held;
    struct kw_error why = {.code = KW_OK};
    KW_AUTO(kw_secret) again = KW_SECRET_INIT;
    held_call_fill(home, kw_home_providers_find(&home->providers, holder->provider), holder->key,
                   &held);
    kw_code code = kw_provider_wrap(held.provider, &held.call, root, &holder->copy, &why);
    if (code == KW_OK) {
        held.call.deadline_ms = kw_clock_ms() + ATTEMPT_MS;
        code = kw_provider_unwrap(held.provider, &held.call, kw_buf_bytes(&holder->copy), &again,
                                  &why);
    }
    if (code != KW_OK)
        return their_side(holder, &why, err);
    if (!kw_secret_equal(root, &again))
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "provider %s does not give back what it has wrapped", holder->provider);
    return KW_OK;
}

static KW_ERR put(const struct kw_home *home, const struct kw_config *config,
                  const struct kw_secret *passphrase, const struct kw_secret *root, bool replace,
                  struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_AUTO(kw_root_holder) holder = {.copy = KW_BUF_INIT};
    const char *provider = kw_config_str(config, "root.provider");
    const char *key = kw_config_str(config, "root.key");
    KW_TRY(path_of(home, path, err));
    if (provider[0] == '\0')
        return kw_root_file_put(path, root, passphrase, replace, err);
    if (passphrase != NULL)
        return kw_fail(err, KW_USAGE,
                       "provider %s is to hold the root key (root.provider): leave out the "
                       "passphrase",
                       provider);
    KW_TRY(kw_root_text_names(provider, key, err));
    snprintf(holder.provider, sizeof holder.provider, "%s", provider);
    snprintf(holder.key, sizeof holder.key, "%s", key);
    KW_TRY(wrap(home, root, &holder, err));
    return kw_root_file_put_held(path, &holder, replace, err);
}

KW_ERR kw_home_root_make(const struct kw_home *home, const struct kw_config *config,
                         const struct kw_secret *passphrase, struct kw_secret *out,
                         struct kw_error *err)
{
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    KW_TRY(kw_random_secret(&root, KW_ROOT_SIZE, err));
    KW_TRY(put(home, config, passphrase, &root, false, err));
    kw_secret_move(out, &root);
    return KW_OK;
}

KW_ERR kw_home_root_move(const struct kw_home *home, const struct kw_config *config,
                         const struct kw_secret *passphrase, const struct kw_secret *root,
                         struct kw_error *err)
{
    return put(home, config, passphrase, root, true, err);
}

/* ---- Opening ----------------------------------------------------------------------------------
 */

/* Who changes [root] must move the key, too: else the next backup would rest on another provider
 * than its owner believes. */
static KW_ERR check_agrees(const struct kw_home *home, const struct kw_config *config,
                           const struct kw_root_holder *holder, struct kw_error *err)
{
    const char *provider = kw_config_str(config, "root.provider");
    const char *key = kw_config_str(config, "root.key");
    if (provider[0] == '\0' ||
        (strcmp(provider, holder->provider) == 0 && strcmp(key, holder->key) == 0))
        return KW_OK;
    return kw_fail(
        err, KW_BAD_CONFIG,
        "%s/root.key is held by provider %s (key %.60s), but [root] says %s (key %.60s): "
        "correct that, or hand the key over with 'keyward root rewrap --data %s'",
        home->dir, holder->provider, holder->key, provider, key, home->dir);
}

static KW_ERR find_holder(const struct kw_home *home, const struct kw_config *config,
                          const struct kw_root_holder *holder, struct kw_provider **out,
                          struct kw_error *err)
{
    *out = kw_home_providers_find(&home->providers, holder->provider);
    if (config != NULL)
        KW_TRY(check_agrees(home, config, holder, err));
    if (*out == NULL)
        return kw_fail(err, KW_BAD_CONFIG,
                       "%s/root.key is held by provider %s (key %.80s), which is not configured: "
                       "set [provider.%s], and [root] with provider and key, in %s/keyward.conf",
                       home->dir, holder->provider, holder->key, holder->provider, home->dir);
    return KW_OK;
}

static void pause_ms(int64_t ms)
{
    const struct timespec time = {.tv_sec = (time_t)(ms / 1000),
                                  .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

static KW_ERR ask(const struct kw_home *home, struct kw_provider *provider,
                  const struct kw_root_holder *holder, struct kw_secret *out, struct kw_error *err)
{
    struct held_call held;
    struct kw_error why = {.code = KW_OK};
    held_call_fill(home, provider, holder->key, &held);
    kw_code code = kw_provider_unwrap(provider, &held.call, kw_buf_bytes(&holder->copy), out, &why);
    return code == KW_OK ? KW_OK : their_side(holder, &why, err);
}

static KW_ERR unwrap(const struct kw_home *home, struct kw_provider *provider,
                     const struct kw_root_holder *holder, const struct kw_home_options *options,
                     struct kw_secret *out, struct kw_error *err)
{
    int64_t until = kw_clock_ms() + PATIENCE_MS;
    int64_t pause = PAUSE_MS;
    struct kw_error why = {.code = KW_OK};
    kw_code code;
    while ((code = ask(home, provider, holder, out, &why)) != KW_OK) {
        if (!kw_code_retryable(code) || kw_clock_ms() + pause >= until ||
            options->waiting == NULL || !options->waiting(options->waiting_arg, why.text))
            return kw_fail(err, code, "%s", why.text);
        pause_ms(pause);
        pause = 2 * pause < PAUSE_MAX_MS ? 2 * pause : PAUSE_MAX_MS;
    }
    return KW_OK;
}

static KW_ERR open_held(const struct kw_home *home, const struct kw_config *config,
                        const char *path, const struct kw_home_options *options,
                        struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_root_holder) holder = {.copy = KW_BUF_INIT};
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    struct kw_provider *provider = NULL;
    KW_TRY(kw_root_file_holder(path, &holder, err));
    KW_TRY(find_holder(home, config, &holder, &provider, err));
    KW_TRY(unwrap(home, provider, &holder, options, &root, err));
    if (root.len != KW_ROOT_SIZE)
        return kw_fail(err, KW_WRONG_ROOT, "what provider %s holds is not a root key",
                       holder.provider);
    kw_secret_move(out, &root);
    return KW_OK;
}

KW_ERR kw_home_root_open(const struct kw_home *home, const struct kw_config *config,
                         const struct kw_home_options *options, struct kw_secret *out,
                         struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    enum kw_root_kind kind;
    KW_TRY(path_of(home, path, err));
    KW_TRY(kw_root_file_kind(path, &kind, err));
    if (kind == KW_ROOT_HELD)
        return open_held(home, config, path, options, out, err);
    if (config != NULL && kw_config_is_set(config, "root.provider"))
        return kw_fail(err, KW_BAD_CONFIG,
                       "root.provider is %s, but %s is not held by it: hand it over with 'keyward "
                       "root rewrap --data %s'",
                       kw_config_str(config, "root.provider"), path, home->dir);
    return kw_root_file_open(path, options->passphrase, out, err);
}
