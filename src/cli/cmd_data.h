/* The data commands, for their table in cmd_data.c. */
#ifndef KW_CLI_CMD_DATA_H
#define KW_CLI_CMD_DATA_H

#include "cli/command.h"

KW_ERR kw_run_seal(struct kw_invocation *in, struct kw_error *err);
KW_ERR kw_run_open(struct kw_invocation *in, struct kw_error *err);
KW_ERR kw_run_fields_seal(struct kw_invocation *in, struct kw_error *err);
KW_ERR kw_run_fields_open(struct kw_invocation *in, struct kw_error *err);
KW_ERR kw_run_message_seal(struct kw_invocation *in, struct kw_error *err);
KW_ERR kw_run_message_open(struct kw_invocation *in, struct kw_error *err);
KW_ERR kw_run_inspect(struct kw_invocation *in, struct kw_error *err);
KW_ERR kw_run_rewrap_files(struct kw_invocation *in, struct kw_error *err);

#endif
