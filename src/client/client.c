#include "client/client.h"

#include "client/internal.h"

const char *kw_version(void)
{
    return KW_VERSION;
}

KW_ERR kw_client_on(struct kw_backend *backend, struct kw_client **out, struct kw_error *err)
{
    struct kw_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    pthread_mutex_init(&client->lock, NULL);
    client->backend = backend;
    *out = client;
    return KW_OK;
}

static KW_ERR open_backend(const struct kw_client_options *options, struct kw_backend **out,
                           struct kw_error *err)
{
    struct kw_remote_options remote = {
        .address = options->address,
        .token = options->token,
        .ca_file = options->ca_file,
        .cert_file = options->cert_file,
        .key_file = options->key_file,
        .connect_timeout_ms = options->connect_timeout_ms,
        .timeout_ms = options->timeout_ms,
    };
    if (options->data_dir != NULL && options->data_dir[0] != '\0')
        return kw_backend_folder_run(options->data_dir, options->passphrase_file, true, out, err);
    kw_remote_options_environment(&remote);
    return kw_backend_remote(&remote, out, err);
}

KW_ERR kw_client_open(const struct kw_client_options *options, struct kw_client **out,
                      struct kw_error *err)
{
    static const struct kw_client_options defaults = KW_CLIENT_OPTIONS_INIT;
    struct kw_client_options read = {0};
    struct kw_client *client = NULL;
    KW_TRY(kw_options_read(&read, sizeof read, options != NULL ? options : &defaults, err));
    KW_TRY(kw_client_on(NULL, &client, err));
    client->owned = true;
    kw_code code = open_backend(&read, &client->backend, err);
    if (code == KW_OK) {
        *out = client;
    } else {
        client->owned = false;
        kw_client_close(client, NULL);
    }
    return code;
}

kw_code kw_client_close(struct kw_client *client, struct kw_error *err)
{
    if (client == NULL)
        return KW_OK;
    kw_code code = client->owned ? kw_backend_close(client->backend, err) : KW_OK;
    pthread_mutex_destroy(&client->lock);
    free(client);
    return code;
}

static void fill_item(struct kw_key_item *item, const struct kw_prepared *prepared)
{
    item->tenant = prepared->options.tenant;
    item->region = prepared->options.region;
    item->data_class = prepared->options.data_class;
    item->context = &prepared->context;
}

static KW_ERR one_key(struct kw_key_batch *batch, const struct kw_prepared *prepared,
                      struct kw_error *err)
{
    KW_TRY(kw_key_batch_init(batch, 1, err));
    batch->justification = prepared->options.justification;
    batch->timeout_ms = prepared->options.timeout_ms;
    fill_item(&batch->items[0], prepared);
    return KW_OK;
}

KW_ERR kw_client_generate(struct kw_client *client, const struct kw_prepared *prepared,
                          struct kw_key_batch *batch, struct kw_data_key *out, struct kw_error *err)
{
    KW_TRY(one_key(batch, prepared, err));
    KW_TRY(kw_backend_generate(client->backend, batch, err));
    *out = (struct kw_data_key){.head = batch->items[0].head};
    return kw_key_batch_key(batch, 0, &out->key, err);
}

KW_ERR kw_client_unwrap(struct kw_client *client, const struct kw_prepared *prepared,
                        const struct kw_wrapped_key *head, struct kw_key_batch *batch,
                        const uint8_t **out, struct kw_error *err)
{
    KW_TRY(one_key(batch, prepared, err));
    batch->items[0].head = *head;
    KW_TRY(kw_backend_unwrap(client->backend, batch, err));
    return kw_key_batch_key(batch, 0, out, err);
}
