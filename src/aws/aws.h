/* Root keys in AWS KMS: provider kind "aws".
 *
 * A root key is a symmetric KMS key, named by its ARN, its id or an alias (call->key). Wrapping is
 * KMS's Encrypt, so the key never leaves AWS; the call's context is the encryption context. The
 * copy is KMS's own CiphertextBlob. A key of another AWS region than the provider's is refused
 * before and after a call.
 *
 * Options (docs/providers.md): region; endpoint, ca_file; credentials and what belongs to its kinds
 * (aws/source.h). An operation is one request; if AWS does not accept the credentials, they are
 * fetched anew and it is sent once more. Whether to try again otherwise is decided by who routes.
 */
#ifndef KW_AWS_AWS_H
#define KW_AWS_AWS_H

#include "provider/settings.h"

/* KW_BAD_CONFIG names the option that is wrong. Nothing is sent yet. Thread-safe. */
KW_ERR kw_provider_aws_new(const struct kw_provider_settings *settings, struct kw_provider **out,
                           struct kw_error *err);

#endif
