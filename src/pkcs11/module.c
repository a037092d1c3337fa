/* Modules are initialised once a process, whoever uses them, and each knows one initialised state:
 * hence a list of those that are loaded. They stay loaded: many register exit handlers or thread
 * destructors, and would be called into thin air after a dlclose. */
#include "pkcs11/internal.h"

#include "base/clock.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <unistd.h>

enum { RESTART_PATIENCE_MS = 100, RESTART_PAUSE_MS = 2000 };

struct kw_p11_module {
    struct kw_p11_module *next;
    void *handle;
    CK_FUNCTION_LIST *fn;
    pid_t pid; /* a forked child must initialise anew (PKCS#11 2.40, 5.4) */
    unsigned refs;
    pthread_mutex_t start_lock; /* guards what follows; C_Initialize may take its time */
    pthread_cond_t left;
    bool started;
    bool ours; /* it was not initialised by others before us */
    bool restarting;
    unsigned inside;    /* threads that are in its functions, or may go there */
    int64_t restart_ms; /* not before */
    _Atomic uint64_t generation;
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kw_p11_module *list;

static void lock_list(void)
{
    pthread_mutex_lock(&list_lock);
}

static void unlock_list(void)
{
    pthread_mutex_unlock(&list_lock);
}

/* So that a child never finds the list locked by a thread that it does not have. */
static void guard_forks(void)
{
    pthread_atfork(lock_list, unlock_list, unlock_list);
}

static KW_ERR load_functions(const struct kw_p11_options *options, void **handle,
                             CK_FUNCTION_LIST **out, struct kw_error *err)
{
    void *loaded = dlopen(options->module, RTLD_NOW | RTLD_LOCAL);
    if (loaded == NULL)
        return kw_fail(err, KW_BAD_CONFIG,
                       "%s: the module does not load: %.200s; set module to its path",
                       options->where, dlerror());
    CK_C_GetFunctionList get;
    void *symbol = dlsym(loaded, "C_GetFunctionList");
    memcpy(&get, &symbol, sizeof get); /* ISO C has no conversion to a function pointer */
    CK_FUNCTION_LIST *fn = NULL;
    if (get == NULL || get(&fn) != CKR_OK || fn == NULL || fn->version.major < 2) {
        dlclose(loaded);
        return kw_fail(err, KW_BAD_CONFIG,
                       "%s: %.200s is no PKCS#11 module: it gives no C_GetFunctionList",
                       options->where, options->module);
    }
    *handle = loaded;
    *out = fn;
    return KW_OK;
}

static struct kw_p11_module *find(const CK_FUNCTION_LIST *fn)
{
    struct kw_p11_module *module = list;
    while (module != NULL && (module->fn != fn || module->pid != getpid()))
        module = module->next;
    return module;
}

KW_ERR kw_p11_module_load(const struct kw_p11_options *options, struct kw_p11_module **out,
                          struct kw_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, guard_forks);
    void *handle = NULL;
    CK_FUNCTION_LIST *fn = NULL;
    KW_TRY(load_functions(options, &handle, &fn, err));
    lock_list();
    struct kw_p11_module *module = find(fn);
    if (module == NULL && (module = calloc(1, sizeof *module)) != NULL) {
        module->handle = handle;
        module->fn = fn;
        module->pid = getpid();
        pthread_mutex_init(&module->start_lock, NULL);
        kw_p11_cond_init(&module->left);
        module->next = list;
        list = module;
    }
    if (module != NULL)
        module->refs++;
    unlock_list();
    if (module == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    *out = module;
    return KW_OK;
}

CK_FUNCTION_LIST *kw_p11_module_functions(const struct kw_p11_module *module)
{
    return module->fn;
}

static CK_RV initialize(struct kw_p11_module *module)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_RV rv = module->fn->C_Initialize(&args);
    if (rv == CKR_OK) {
        module->ours = true;
        module->generation++;
    }
    if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED)
        rv = CKR_OK; /* by another library of this process, or another thread of ours */
    module->started = rv == CKR_OK;
    return rv;
}

CK_RV kw_p11_module_start(struct kw_p11_module *module, bool anew)
{
    CK_RV rv = CKR_OK;
    pthread_mutex_lock(&module->start_lock);
    if (!module->started || anew)
        rv = initialize(module);
    pthread_mutex_unlock(&module->start_lock);
    return rv;
}

uint64_t kw_p11_module_generation(struct kw_p11_module *module)
{
    return module->generation;
}

void kw_p11_module_enter(struct kw_p11_module *module)
{
    pthread_mutex_lock(&module->start_lock);
    while (module->restarting)
        pthread_cond_wait(&module->left, &module->start_lock);
    module->inside++;
    pthread_mutex_unlock(&module->start_lock);
}

void kw_p11_module_leave(struct kw_p11_module *module)
{
    pthread_mutex_lock(&module->start_lock);
    module->inside--;
    pthread_cond_broadcast(&module->left);
    pthread_mutex_unlock(&module->start_lock);
}

/* With the lock held. One that hangs in the module never leaves. */
static bool is_alone(struct kw_p11_module *module)
{
    int64_t until = kw_clock_ms() + RESTART_PATIENCE_MS;
    while (module->inside > 1 && kw_clock_ms() < until)
        kw_p11_nap(&module->left, &module->start_lock, RESTART_PATIENCE_MS);
    return module->inside == 1;
}

bool kw_p11_module_restart(struct kw_p11_module *module)
{
    bool done = false;
    pthread_mutex_lock(&module->start_lock);
    if (module->started && module->ours && !module->restarting &&
        kw_clock_ms() >= module->restart_ms) {
        module->restarting = true;
        module->restart_ms = kw_clock_ms() + RESTART_PAUSE_MS;
        if (is_alone(module)) {
            (void)module->fn->C_Finalize(NULL);
            done = initialize(module) == CKR_OK;
        }
        module->restarting = false;
        pthread_cond_broadcast(&module->left);
    }
    pthread_mutex_unlock(&module->start_lock);
    return done;
}

static void unlink_module(const struct kw_p11_module *module)
{
    struct kw_p11_module **at = &list;
    while (*at != module)
        at = &(*at)->next;
    *at = module->next;
}

/* Under the lock of the list, so that nobody loads and starts it meanwhile. */
void kw_p11_module_release(struct kw_p11_module *module)
{
    lock_list();
    bool last = --module->refs == 0;
    if (last) {
        unlink_module(module);
        if (module->started && module->ours)
            (void)module->fn->C_Finalize(NULL);
    }
    unlock_list();
    if (!last)
        return;
    pthread_cond_destroy(&module->left);
    pthread_mutex_destroy(&module->start_lock);
    free(module);
}
