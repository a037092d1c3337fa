/* Modules are initialised once a process, whoever uses them, and each knows one initialised state:
 * hence a list of those that are loaded. They stay loaded: many register exit handlers or thread
 * destructors, and would be called into thin air after a dlclose. */
#include "pkcs11/internal.h"

#include <dlfcn.h>
#include <unistd.h>

struct kw_p11_module {
    struct kw_p11_module *next;
    void *handle;
    CK_FUNCTION_LIST *fn;
    pid_t pid; /* a forked child must initialise anew (PKCS#11 2.40, 5.4) */
    unsigned refs;
    pthread_mutex_t start_lock; /* guards what follows; C_Initialize may take its time */
    bool started;
    bool ours; /* it was not initialised by others before us */
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

CK_RV kw_p11_module_start(struct kw_p11_module *module, bool anew)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_RV rv = CKR_OK;
    pthread_mutex_lock(&module->start_lock);
    if (!module->started || anew) {
        rv = module->fn->C_Initialize(&args);
        if (rv == CKR_OK)
            module->ours = true;
        if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED)
            rv = CKR_OK; /* by another library of this process, or another thread of ours */
        module->started = rv == CKR_OK;
    }
    pthread_mutex_unlock(&module->start_lock);
    return rv;
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
    pthread_mutex_destroy(&module->start_lock);
    free(module);
}
