/* An authority in a folder with tenants acme (eu, us) and globex (eu), and a client on it. */
#ifndef KW_TESTS_CLIENT_SCENE_H
#define KW_TESTS_CLIENT_SCENE_H

#include "client/client.h"

struct client_scene {
    struct kw_backend *backend;
    struct kw_client *client;
    struct kw_call_options acme; /* eu */
    struct kw_call_options globex;
    char dir[512];
};

/* folder must exist; the home is made at folder/home. Fails the test if something does. */
void client_scene_start(struct client_scene *self, const char *folder);
void client_scene_stop(struct client_scene *self);

/* POSTs {} or body and expects a success. */
void client_scene_post(struct client_scene *self, const char *path, const char *body);

#endif
