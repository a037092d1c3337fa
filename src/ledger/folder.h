/* A ledger's folder as a source of its resources (tlog/source.h), for reading alone. Thread-safe.
 */
#ifndef KW_LEDGER_FOLDER_H
#define KW_LEDGER_FOLDER_H

#include "tlog/source.h"

/* Is path one of a log's resources, checkpoint or tile/..., in its one right form? Nothing else may
 * be served: no path that passes leads out of the folder. */
bool kw_ledger_path_valid(const char *path);

/* The source of the ledger in dir, which must outlive it. Paths that are not valid are
 * KW_NOT_FOUND. */
struct kw_tlog_source kw_ledger_folder(const char *dir);

#endif
