/* libkeyward: seal data under the keys of your tenants before it reaches a database, and open it
 * again.
 *
 *     struct kw_client_options where = KW_CLIENT_OPTIONS_INIT;   -- KEYWARD_ADDR, KEYWARD_TOKEN,
 * ... struct kw_client *client = NULL; struct kw_error err; if (kw_client_open(&where, &client,
 * &err) != KW_OK) die(err.text);
 *
 *     struct kw_call_options acme = KW_CALL_OPTIONS_INIT;
 *     acme.tenant = "acme";
 *     acme.region = "eu";
 *     struct kw_output sealed = KW_OUTPUT_INIT;
 *     if (kw_seal(client, &acme, kw_input_of(text, strlen(text)), &sealed, &err) != KW_OK)
 *         die(err.text);
 *     ...
 *     kw_free(&sealed);
 *     kw_client_close(client, NULL);
 *
 * Data is sealed and opened in this process; the authority, at an address or in a data folder,
 * gives and unwraps the data keys and records each in its ledger. docs/library.md is the guide.
 *
 * ABI: structures whose first member is size may grow at their end in later versions; initialise
 * them with their _INIT, and old programs go on working. All others are fixed. */
#ifndef KEYWARD_H
#define KEYWARD_H

#include <keyward/client.h>
#include <keyward/error.h>
#include <keyward/fields.h>
#include <keyward/inspect.h>
#include <keyward/seal.h>
#include <keyward/stream.h>
#include <keyward/types.h>

#endif
