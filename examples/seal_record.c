/* Seals the e-mail address and the card numbers of a customer's record, shows what a database would
 * then hold, and opens it again.
 *
 *     examples/seal_record acme eu '{"id":7,"email":"ada@example.org","cards":[{"number":"4111"}]}'
 *
 * The authority is found by KEYWARD_ADDR, KEYWARD_CACERT and KEYWARD_TOKEN (or a client
 * certificate), or, with KEYWARD_DATA set, in that data folder. */
#include <keyward.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what, const struct kw_error *err)
{
    fprintf(stderr, "%s: %s (%s)\n", what, err->text, kw_code_name(err->code));
    return kw_code_exit_status(err->code);
}

/* The record's number is part of the context: a sealed value that is copied into another row does
 * not open there. */
static int seal_and_open(struct kw_client *client, const struct kw_call_options *options,
                         const char *record)
{
    const char *fields = "$.email,$.cards[*].number:financial";
    struct kw_output sealed = KW_OUTPUT_INIT;
    struct kw_output opened = KW_OUTPUT_INIT;
    struct kw_error err;
    int status = 0;
    if (kw_fields_seal(client, options, fields, kw_input_text(record), &sealed, &err) != KW_OK) {
        status = fail("sealing", &err);
    } else {
        printf("sealed: %s\n", (const char *)sealed.data);
        if (kw_fields_open(client, options, fields, kw_input_of(sealed.data, sealed.len), &opened,
                           &err) != KW_OK)
            status = fail("opening", &err);
        else
            printf("opened: %s\n", (const char *)opened.data);
    }
    kw_free(&opened); /* overwrites what was opened */
    kw_free(&sealed);
    return status;
}

int main(int argc, char **argv)
{
    const struct kw_pair context[] = {{"table", "customers"}, {"row", "7"}};
    struct kw_client_options where = KW_CLIENT_OPTIONS_INIT;
    struct kw_call_options options = KW_CALL_OPTIONS_INIT;
    struct kw_client *client = NULL;
    struct kw_error err;
    if (argc != 4) {
        fprintf(stderr, "usage: %s TENANT REGION RECORD\n", argv[0]);
        return 2;
    }
    where.data_dir = getenv("KEYWARD_DATA");
    if (kw_client_open(&where, &client, &err) != KW_OK)
        return fail("opening the client", &err);
    options.tenant = argv[1];
    options.region = argv[2];
    options.data_class = "pii";
    options.context = context;
    options.context_count = 2;
    int status = seal_and_open(client, &options, argv[3]);
    if (kw_client_close(client, &err) != KW_OK && status == 0)
        status = fail("closing the client", &err);
    return status;
}
