#include "client_scene.h"

#include "home/home.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

void client_scene_post(struct client_scene *self, const char *path, const char *body)
{
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    struct kw_error err = {.text = ""};
    kw_code code = kw_backend_call(self->backend, "POST", path, kw_bytes_str(body), &answer, &err);
    if (code != KW_OK)
        fail_msg("%s: %s", path, err.text);
}

void client_scene_start(struct client_scene *self, const char *folder)
{
    struct kw_home_facts facts;
    struct kw_error err = {.text = ""};
    *self = (struct client_scene){.acme = KW_CALL_OPTIONS_INIT, .globex = KW_CALL_OPTIONS_INIT};
    self->acme.tenant = "acme";
    self->globex.tenant = "globex";
    self->acme.region = self->globex.region = "eu";
    snprintf(self->dir, sizeof self->dir, "%s/home", folder);
    if (kw_home_init(&(struct kw_home_init_options){.dir = self->dir}, &facts, &err) != KW_OK ||
        kw_backend_folder(self->dir, "", &self->backend, &err) != KW_OK ||
        kw_client_on(self->backend, &self->client, &err) != KW_OK)
        fail_msg("%s", err.text);
    client_scene_post(self, "/v1/tenants", "{\"id\":\"acme\",\"regions\":[\"eu\",\"us\"]}");
    client_scene_post(self, "/v1/tenants", "{\"id\":\"globex\",\"regions\":[\"eu\"]}");
}

void client_scene_stop(struct client_scene *self)
{
    assert_int_equal(kw_client_close(self->client, NULL), KW_OK);
    assert_int_equal(kw_backend_close(self->backend, NULL), KW_OK);
}
