#include "api/api.h"

/* build/embedded/kw_openapi_json.c, made of openapi.json by cmake/embed.cmake. */
extern const unsigned char kw_openapi_json[];
extern const size_t kw_openapi_json_size;

struct kw_bytes kw_api_openapi(void)
{
    return kw_bytes(kw_openapi_json, kw_openapi_json_size);
}
