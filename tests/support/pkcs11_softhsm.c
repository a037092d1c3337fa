#include "pkcs11_softhsm.h"

#include "scratch.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <p11-kit/pkcs11.h>

#define UTIL "/usr/bin/softhsm2-util"

extern char **environ;

static char *folder;
static char pin_path[4200];
static const char *softhsm;
static CK_FUNCTION_LIST *fn;
static struct kw_faulty *faulty;

#define ok(call) assert_int_equal((call), CKR_OK)

static const char *find_softhsm(void)
{
    static const char *const places[] = {"/usr/lib/softhsm/libsofthsm2.so",
                                         "/usr/lib64/softhsm/libsofthsm2.so",
                                         "/usr/lib64/pkcs11/libsofthsm2.so"};
    for (size_t i = 0; i < KW_COUNT(places); i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    return NULL;
}

const char *kw_softhsm_file(const char *name, const char *text)
{
    static char path[4200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
    return path;
}

static bool init_token(const char *label)
{
    char *const words[] = {strdup("softhsm2-util"),
                           strdup("--init-token"),
                           strdup("--free"),
                           strdup("--label"),
                           strdup(label),
                           strdup("--pin"),
                           strdup(KW_SOFTHSM_PIN),
                           strdup("--so-pin"),
                           strdup("security-officer"),
                           NULL};
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", 1 /* O_WRONLY */, 0);
    pid_t pid;
    int status = -1;
    if (posix_spawn(&pid, UTIL, &quiet, NULL, words, environ) == 0)
        waitpid(pid, &status, 0);
    posix_spawn_file_actions_destroy(&quiet);
    for (size_t i = 0; words[i] != NULL; i++)
        free(words[i]);
    return status == 0;
}

static void *symbol_of(const char *path, const char *name)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        print_error("%s\n", dlerror());
    return handle != NULL ? dlsym(handle, name) : NULL;
}

static bool make_folder(void)
{
    void *made;
    char text[4400];
    if (kw_scratch_make(&made) != 0)
        return false;
    folder = made;
    snprintf(text, sizeof text, "%s/tokens", folder);
    if (mkdir(text, 0700) != 0)
        return false;
    snprintf(text, sizeof text,
             "directories.tokendir = %s/tokens\nobjectstore.backend = file\n"
             "log.level = ERROR\nslots.removable = false\n",
             folder);
    setenv("SOFTHSM2_CONF", kw_softhsm_file("softhsm2.conf", text), 1);
    snprintf(pin_path, sizeof pin_path, "%s", kw_softhsm_file("pin", KW_SOFTHSM_PIN "\n"));
    return true;
}

bool kw_softhsm_start(void)
{
    softhsm = find_softhsm();
    if (softhsm == NULL || access(UTIL, X_OK) != 0) {
        print_message("skipped: SoftHSM is not installed; remedy: scripts/install-deps test\n");
        return false;
    }
    setenv("KW_FAULTY_BEHIND", softhsm, 1);
    void *symbol = symbol_of(softhsm, "C_GetFunctionList");
    CK_C_GetFunctionList get;
    memcpy(&get, &symbol, sizeof get);
    faulty = symbol_of(KW_FAULTY_MODULE, "kw_faulty");
    if (!make_folder() || !init_token(KW_SOFTHSM_TOKEN) || !init_token("other") || get == NULL ||
        get(&fn) != CKR_OK || faulty == NULL)
        abort();
    kw_softhsm_key_make(&(struct kw_softhsm_key){.label = "eu", .bytes = 32});
    kw_softhsm_key_make(&(struct kw_softhsm_key){.label = "us", .bytes = 32});
    (void)fn->C_Finalize(NULL);
    return true;
}

void kw_softhsm_stop(void)
{
    void *gone = folder;
    (void)fn->C_Finalize(NULL);
    (void)kw_scratch_remove(&gone);
}

struct kw_softhsm_options kw_softhsm_options(bool with_faults)
{
    return (struct kw_softhsm_options){.module = with_faults ? KW_FAULTY_MODULE : softhsm,
                                       .token = KW_SOFTHSM_TOKEN,
                                       .pin_file = pin_path};
}

static const char *option(void *arg, const char *name)
{
    const struct kw_softhsm_options *options = arg;
    const struct {
        const char *name;
        const char *value;
    } all[] = {{"module", options->module},    {"token", options->token},
               {"slot", options->slot},        {"pin_file", options->pin_file},
               {"pin_env", options->pin_env},  {"iv", options->iv},
               {"sessions", options->sessions}};
    for (size_t i = 0; i < KW_COUNT(all); i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].value;
    return NULL;
}

struct kw_provider_settings kw_softhsm_settings(const struct kw_softhsm_options *options)
{
    struct kw_provider_settings settings = {.name = "hsm", .get = option};
    memcpy(&settings.arg, &options, sizeof options); /* option() changes nothing */
    return settings;
}

KW_ERR kw_softhsm_provider(const struct kw_softhsm_options *options, struct kw_provider **out,
                           struct kw_error *err)
{
    const struct kw_provider_settings settings = kw_softhsm_settings(options);
    return kw_provider_pkcs11_new(&settings, out, err);
}

struct kw_faulty *kw_softhsm_faults(void)
{
    kw_softhsm_fail(KW_FAULTY_NONE, 0, 0, CKR_OK);
    atomic_store(&faulty->hang, 0);
    atomic_store(&faulty->iv, KW_FAULTY_IV_TAKEN);
    atomic_store(&faulty->set, 0);
    atomic_store(&faulty->longer, 0);
    atomic_store(&faulty->log_out, 0);
    for (size_t i = 0; i < KW_FAULTY_CALLS; i++)
        atomic_store(&faulty->calls[i], 0);
    return faulty;
}

void kw_softhsm_fail(enum kw_faulty_call call, uint64_t skip, uint64_t times, unsigned long rv)
{
    atomic_store(&faulty->call, KW_FAULTY_NONE);
    atomic_store(&faulty->rv, rv);
    atomic_store(&faulty->skip, skip);
    atomic_store(&faulty->times, times);
    atomic_store(&faulty->call, (int)call);
}

static void initialize(void)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_RV rv = fn->C_Initialize(&args);
    assert_true(rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED);
}

static CK_SLOT_ID slot(void)
{
    CK_SLOT_ID slots[16];
    CK_ULONG count = KW_COUNT(slots);
    initialize();
    ok(fn->C_GetSlotList(CK_TRUE, slots, &count));
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        ok(fn->C_GetTokenInfo(slots[i], &info));
        if (memcmp(info.label, KW_SOFTHSM_TOKEN " ", sizeof KW_SOFTHSM_TOKEN) == 0)
            return slots[i];
    }
    fail_msg("the token is gone");
    return 0;
}

static CK_SESSION_HANDLE session(void)
{
    CK_SESSION_HANDLE made;
    CK_BYTE pin[] = KW_SOFTHSM_PIN;
    ok(fn->C_OpenSession(slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &made));
    CK_RV rv = fn->C_Login(made, CKU_USER, pin, sizeof pin - 1);
    assert_true(rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN);
    return made;
}

void kw_softhsm_key_make(const struct kw_softhsm_key *key)
{
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL sensitive = key->insensitive ? CK_FALSE : CK_TRUE;
    CK_BBOOL extractable = key->extractable ? CK_TRUE : CK_FALSE;
    CK_BBOOL encrypt = key->no_encrypt ? CK_FALSE : CK_TRUE;
    CK_ULONG bytes = key->bytes;
    CK_OBJECT_HANDLE made;
    char label[64];
    snprintf(label, sizeof label, "%s", key->label);
    CK_MECHANISM mechanism = {key->generic ? CKM_GENERIC_SECRET_KEY_GEN : CKM_AES_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE wanted[] = {
        {CKA_LABEL, label, strlen(label)},
        {CKA_VALUE_LEN, &bytes, sizeof bytes},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_SENSITIVE, &sensitive, sizeof sensitive},
        {CKA_EXTRACTABLE, &extractable, sizeof extractable},
        {CKA_ENCRYPT, &encrypt, sizeof encrypt},
        {CKA_DECRYPT, &yes, sizeof yes},
    };
    CK_SESSION_HANDLE at = session();
    ok(fn->C_GenerateKey(at, &mechanism, wanted, KW_COUNT(wanted), &made));
    ok(fn->C_CloseSession(at));
}

static CK_ULONG find(CK_SESSION_HANDLE at, const char *label, CK_OBJECT_HANDLE *found, CK_ULONG max)
{
    char text[64];
    CK_ULONG count;
    snprintf(text, sizeof text, "%s", label);
    CK_ATTRIBUTE wanted[] = {{CKA_LABEL, text, strlen(text)}};
    ok(fn->C_FindObjectsInit(at, wanted, 1));
    ok(fn->C_FindObjects(at, found, max, &count));
    ok(fn->C_FindObjectsFinal(at));
    return count;
}

void kw_softhsm_keys_destroy(const char *label)
{
    CK_OBJECT_HANDLE found[8];
    CK_SESSION_HANDLE at = session();
    CK_ULONG count = find(at, label, found, KW_COUNT(found));
    for (CK_ULONG i = 0; i < count; i++)
        ok(fn->C_DestroyObject(at, found[i]));
    ok(fn->C_CloseSession(at));
}

bool kw_softhsm_key_is_locked_in(const char *label)
{
    CK_OBJECT_HANDLE found[2];
    CK_SESSION_HANDLE at = session();
    CK_BBOOL is[5] = {0};
    CK_ATTRIBUTE told[] = {{CKA_ALWAYS_SENSITIVE, &is[0], 1},
                           {CKA_NEVER_EXTRACTABLE, &is[1], 1},
                           {CKA_PRIVATE, &is[2], 1},
                           {CKA_TOKEN, &is[3], 1},
                           {CKA_WRAP, &is[4], 1}};
    assert_int_equal(find(at, label, found, KW_COUNT(found)), 1);
    ok(fn->C_GetAttributeValue(at, found[0], told, KW_COUNT(told)));
    ok(fn->C_CloseSession(at));
    return is[0] == CK_TRUE && is[1] == CK_TRUE && is[2] == CK_TRUE && is[3] == CK_TRUE &&
           is[4] == CK_FALSE;
}

void kw_softhsm_close_all_sessions(void)
{
    ok(fn->C_CloseAllSessions(slot()));
}

void kw_softhsm_log_out(void)
{
    CK_SESSION_HANDLE at = session();
    ok(fn->C_Logout(at));
    ok(fn->C_CloseSession(at));
}

void kw_softhsm_finalize(void)
{
    ok(fn->C_Finalize(NULL));
}

void kw_softhsm_take_away(bool away)
{
    char here[4400];
    char there[4400];
    snprintf(here, sizeof here, "%s/tokens", folder);
    snprintf(there, sizeof there, "%s/away", folder);
    assert_int_equal(away ? rename(here, there) : rename(there, here), 0);
}

bool kw_softhsm_is_finalized(void)
{
    CK_INFO info;
    return fn->C_GetInfo(&info) == CKR_CRYPTOKI_NOT_INITIALIZED;
}

const char *kw_softhsm_slot(void)
{
    static char text[24];
    snprintf(text, sizeof text, "%lu", slot());
    return text;
}
