/* The table of the data commands. */
#include "cli/cmd_data.h"

// clang-format off
#define SCOPE(expected)                                                                            \
    {"tenant", 't', "TENANT", "whose key" expected},                                               \
    {"region", 'r', "REGION", "which of its keys" expected},                                       \
    {"class", 'c', "CLASS", "default, pii, financial, health, secret or your own" expected}
#define CONTEXT                                                                                    \
    {"context", 0, "KEY=VALUE", "what it is bound to; not stored, needed to open; repeatable"}
#define FILES                                                                                      \
    {"input", 'i', "FILE", "read from; '-' or nothing: standard input"},                           \
    {"output", 'o', "FILE", "write to; it appears only when it is complete"}
#define WHY {"justification", 0, "TEXT", "why; recorded in the ledger"}
#define END {NULL, 0, NULL, NULL}
#define EXPECTED ", if it must be this one"

static const struct kw_cli_option seal_options[] = {
    SCOPE(""),
    CONTEXT,
    FILES,
    {"format", 0, "FORMAT", "envelope or stream; by itself: an envelope up to 64 KiB"},
    {"text", 0, NULL, "write the text form, kw1. and base64url"},
    END,
};
static const struct kw_cli_option open_options[] = {SCOPE(EXPECTED), CONTEXT, FILES, WHY, END};
static const struct kw_cli_option fields_seal_options[] = {
    {"fields", 'f', "SPEC", "which values: '$.ssn,$.cards[*].number:financial'"},
    SCOPE(""),
    CONTEXT,
    {"context-field", 0, "KEY=$.PATH", "bind each record to a clear value of its own; repeatable"},
    FILES,
    END,
};
static const struct kw_cli_option fields_open_options[] = {
    {"fields", 'f', "SPEC", "which values; without it, all that are sealed"},
    SCOPE(EXPECTED),
    CONTEXT,
    {"context-field", 0, "KEY=$.PATH", "as when it was sealed; repeatable"},
    FILES,
    WHY,
    END,
};
static const struct kw_cli_option message_seal_options[] = {
    {"sign", 's', NULL, "have it signed by the tenant's key; the authority is not sent it"},
    SCOPE(""),
    CONTEXT,
    FILES,
    {"text", 0, NULL, "write the text form, kw1. and base64url"},
    WHY,
    END,
};
static const struct kw_cli_option message_open_options[] = {
    {"signed", 's', NULL, "it must be signed, by the key of --tenant and --region"},
    SCOPE(EXPECTED),
    CONTEXT,
    FILES,
    WHY,
    END,
};
static const struct kw_cli_option inspect_options[] = {
    {"input", 'i', "FILE", "read from; '-' or nothing: standard input"},
    END,
};
static const struct kw_cli_option rewrap_options[] = {
    CONTEXT,
    {"dry-run", 'n', NULL, "only count, by key and version; needs no authority"},
    {"rate", 0, "N", "change at most N files a second"},
    {"resume", 0, NULL, "go on where a run was cut off (any run does so)"},
    WHY,
    END,
};

#define SEAL_HELP                                                                                  \
    "A fresh data key each. Files of any size, in constant memory. It opens again only with the\n" \
    "same tenant, region, class and context."
#define OPEN_HELP                                                                                  \
    "It finds out by itself whether it is an envelope, a stream, a message or their text form. In\n" \
    "a pipe, use what came out only if the exit status is 0; a file of -o is complete or not there."
#define FIELDS_SEAL_HELP                                                                           \
    "All other bytes stay as they are, so the records stay JSON and can be searched by their other\n" \
    "fields. A path is $ and steps .name, ['name'], [index] or [*]; ':CLASS' behind it gives its\n" \
    "values another class. The first bad line ends it, named, and no output file appears."
#define MESSAGE_SEAL_HELP                                                                          \
    "All that comes in is one message, up to 16 MiB. Who holds the tenant's public key can check a\n" \
    "signature without opening the message; it holds through rotation and re-wrap. Against replay\n" \
    "put the queue's message id into the context."
#define MESSAGE_OPEN_HELP                                                                          \
    "With --signed only a signed message opens, without it only one that is not: what the reader\n" \
    "expects decides, not what the message says of itself."
#define REWRAP_HELP                                                                                \
    "Envelopes, streams, messages, their text forms and JSON records, in files and folders; only\n" \
    "the wrapped data key changes, never the payload, so a large file takes no longer than a small\n" \
    "one. Other files are counted and left. All must have been sealed under the --context given.\n" \
    "Safe at any interruption: run it again and it goes on."

const struct kw_command kw_commands_data[] = {
    {"seal", "", 0, 0, "seal a file or what comes in, under a tenant's key", SEAL_HELP,
     seal_options, kw_run_seal},
    {"open", "", 0, 0, "open what seal has made", OPEN_HELP, open_options, kw_run_open},
    {"fields seal", "", 0, 0, "seal chosen values of JSON records, one record a line",
     FIELDS_SEAL_HELP, fields_seal_options, kw_run_fields_seal},
    {"fields open", "", 0, 0, "open sealed values of JSON records",
     "Byte for byte what 'fields seal' was given.", fields_open_options, kw_run_fields_open},
    {"message seal", "", 0, 0, "seal a message for a queue, signed if wanted", MESSAGE_SEAL_HELP,
     message_seal_options, kw_run_message_seal},
    {"message open", "", 0, 0, "open a message, and check its signature", MESSAGE_OPEN_HELP,
     message_open_options, kw_run_message_open},
    {"inspect", "[FILE]", 0, 1, "what a sealed thing says of itself; needs no key",
     "Its kind, key reference, version, class, suite and sizes; of JSON records, counts of them.",
     inspect_options, kw_run_inspect},
    {"rewrap files", "PATH...", 1, KW_CLI_OPERANDS_MAX,
     "move sealed files to the newest version of their keys", REWRAP_HELP, rewrap_options,
     kw_run_rewrap_files},
    {0},
};
// clang-format on
