/* What libcurl's results mean to who asked. Private to client/. */
#ifndef KW_CLIENT_WEB_ERROR_H
#define KW_CLIENT_WEB_ERROR_H

#include "client/web.h"

#include <curl/curl.h>

/* result is not CURLE_OK; detail is libcurl's error buffer, which names hosts and certificates. */
kw_code kw_web_explain(CURLcode result, const char *detail, const struct kw_web_response *response,
                       struct kw_error *err);

#endif
