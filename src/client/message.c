/* Messages, and the public keys that their signatures are checked with. */
#include "client/message.h"
#include "client/client.h"

static struct kw_message_call call_of(struct kw_client *client, const struct kw_prepared *prepared)
{
    const struct kw_call_options *options = &prepared->options;
    return (struct kw_message_call){
        .backend = client->backend,
        .tenant = options->tenant,
        .region = options->region,
        .data_class = options->data_class,
        .justification = options->justification,
        .context = &prepared->context,
        .timeout_ms = options->timeout_ms,
        .is_signed = (options->flags & KW_SIGNED) != 0,
    };
}

KW_ERR kw_message_seal(struct kw_client *client, const struct kw_call_options *options,
                       struct kw_input plaintext, struct kw_output *out, struct kw_error *err)
{
    KW_AUTO(kw_prepared) prepared = {0};
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_TRY(kw_prepare(&prepared, options, KW_AS_TEXT | KW_SIGNED, err));
    struct kw_message_call call = call_of(client, &prepared);
    KW_TRY(kw_message_call_seal(&call, kw_bytes(plaintext.data, plaintext.len), &sealed, err));
    return kw_output_sealed(out, &sealed, prepared.options.flags, err);
}

static bool recall(struct kw_client *client, const struct kw_message *message,
                   uint8_t out[KW_SIGN_PUBLIC_SIZE])
{
    bool found = false;
    pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < KW_SIGNERS_KEPT && !found; i++) {
        const struct kw_known_signer *signer = &client->signer[i];
        found = signer->version != 0 && signer->version == message->signing_version &&
                memcmp(signer->key_ref, message->head.key_ref, KW_KEY_REF_SIZE) == 0;
        if (found)
            memcpy(out, signer->public_key, KW_SIGN_PUBLIC_SIZE);
    }
    pthread_mutex_unlock(&client->lock);
    return found;
}

static void remember(struct kw_client *client, const struct kw_message *message,
                     const uint8_t public_key[KW_SIGN_PUBLIC_SIZE])
{
    pthread_mutex_lock(&client->lock);
    struct kw_known_signer *signer = &client->signer[client->next_signer++ % KW_SIGNERS_KEPT];
    signer->version = message->signing_version;
    memcpy(signer->key_ref, message->head.key_ref, KW_KEY_REF_SIZE);
    memcpy(signer->public_key, public_key, KW_SIGN_PUBLIC_SIZE);
    pthread_mutex_unlock(&client->lock);
}

/* The public key of the version that signed, from the authority or from before. Without tenant and
 * region nobody's signature is expected, known or not. */
static KW_ERR public_key(struct kw_client *client, const struct kw_prepared *prepared,
                         const struct kw_message *message, uint8_t out[KW_SIGN_PUBLIC_SIZE],
                         struct kw_error *err)
{
    struct kw_message_call call = call_of(client, prepared);
    if (call.tenant != NULL && call.region != NULL && message->is_signed &&
        recall(client, message, out))
        return KW_OK;
    KW_TRY(kw_message_call_signer(&call, message, out, err));
    remember(client, message, out);
    return KW_OK;
}

KW_ERR kw_message_open(struct kw_client *client, const struct kw_call_options *options,
                       struct kw_input sealed, struct kw_output *out, struct kw_error *err)
{
    KW_AUTO(kw_prepared) prepared = {0};
    KW_AUTO(kw_key_batch) batch = {0};
    KW_AUTO(kw_buf) decoded = KW_BUF_INIT;
    KW_AUTO(kw_buf) plain = KW_BUF_SECRET;
    struct kw_bytes bytes;
    struct kw_message message;
    uint8_t signer[KW_SIGN_PUBLIC_SIZE];
    const uint8_t *key = NULL;
    KW_TRY(kw_prepare(&prepared, options, KW_SIGNED, err));
    bool must_be_signed = (prepared.options.flags & KW_SIGNED) != 0;
    KW_TRY(kw_sealed_bytes(sealed, &decoded, &bytes, err));
    KW_TRY(kw_message_parse(&message, bytes, err));
    if (must_be_signed) {
        KW_TRY(public_key(client, &prepared, &message, signer, err));
        /* Before the authority is asked: a forged message costs it nothing. */
        KW_TRY(kw_message_verify(&message, &prepared.context.bound, signer, err));
    } else if (message.is_signed) {
        return kw_fail(err, KW_BAD_SIGNATURE,
                       "the message is signed: open it with KW_SIGNED, tenant and region");
    }
    KW_TRY(kw_client_unwrap(client, &prepared, &message.head, &batch, &key, err));
    KW_TRY(kw_message_open_with_key(&plain, &message, &prepared.context.bound, key,
                                    must_be_signed ? signer : NULL, err));
    return kw_output_take(out, &plain, err);
}
