#include "cryptoki_faulty.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum { IV_APPENDED = 16 };

#define EXPORT __attribute__((visibility("default")))

EXPORT extern struct kw_faulty kw_faulty;
struct kw_faulty kw_faulty;
static struct kw_faulty *faults = &kw_faulty;

static CK_FUNCTION_LIST *behind;
static CK_FUNCTION_LIST front;

/* Of the operation between C_EncryptInit and C_Encrypt, which one thread makes. */
static _Thread_local CK_BYTE own_iv[IV_APPENDED];

static void hang(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    atomic_fetch_add(&faults->hanging, 1);
    while (atomic_load(&faults->hang) != 0)
        nanosleep(&pause, NULL);
    atomic_fetch_sub(&faults->hanging, 1);
}

static bool take_one(_Atomic uint64_t *counter)
{
    uint64_t left = atomic_load(counter);
    while (left > 0)
        if (atomic_compare_exchange_weak(counter, &left, left - 1))
            return true;
    return false;
}

/* CKR_OK: pass the call on. */
static CK_RV fault(enum kw_faulty_call call)
{
    atomic_fetch_add(&faults->calls[call], 1);
    if (atomic_load(&faults->call) != (int)call || take_one(&faults->skip) ||
        !take_one(&faults->times))
        return CKR_OK;
    if (atomic_load(&faults->hang) == 0)
        return atomic_load(&faults->rv);
    hang();
    return CKR_OK;
}

#define PASS(call, expression)                                                                     \
    do {                                                                                           \
        CK_RV rv_ = fault(KW_FAULTY_##call);                                                       \
        return rv_ != CKR_OK ? rv_ : behind->expression;                                           \
    } while (0)

static CK_RV initialize(void *args)
{
    PASS(INITIALIZE, C_Initialize(args));
}

static CK_RV slot_list(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *count)
{
    PASS(SLOT_LIST, C_GetSlotList(present, slots, count));
}

static CK_RV token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    CK_RV rv = fault(KW_FAULTY_TOKEN_INFO);
    if (rv == CKR_OK)
        rv = behind->C_GetTokenInfo(slot, info);
    if (rv == CKR_OK)
        info->flags |= atomic_load(&faults->set);
    return rv;
}

static CK_RV mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    PASS(MECHANISM_INFO, C_GetMechanismInfo(slot, type, info));
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
                          CK_SESSION_HANDLE *session)
{
    PASS(OPEN_SESSION, C_OpenSession(slot, flags, application, notify, session));
}

static CK_RV session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
    PASS(SESSION_INFO, C_GetSessionInfo(session, info));
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_BYTE *pin, CK_ULONG len)
{
    PASS(LOGIN, C_Login(session, user, pin, len));
}

static CK_RV find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *wanted, CK_ULONG count)
{
    int left = atomic_load(&faults->log_out);
    while (left > 0 && !atomic_compare_exchange_weak(&faults->log_out, &left, left - 1))
        ;
    if (left > 0)
        (void)behind->C_Logout(session);
    PASS(FIND_INIT, C_FindObjectsInit(session, wanted, count));
}

static CK_RV find(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *found, CK_ULONG max, CK_ULONG *count)
{
    PASS(FIND, C_FindObjects(session, found, max, count));
}

static CK_RV find_final(CK_SESSION_HANDLE session)
{
    PASS(FIND_FINAL, C_FindObjectsFinal(session));
}

static CK_RV attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *told,
                        CK_ULONG count)
{
    PASS(ATTRIBUTES, C_GetAttributeValue(session, object, told, count));
}

static CK_RV generate_key(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *wanted,
                          CK_ULONG count, CK_OBJECT_HANDLE *key)
{
    PASS(GENERATE_KEY, C_GenerateKey(session, mechanism, wanted, count, key));
}

static bool is_zero(const CK_BYTE *bytes, CK_ULONG len)
{
    for (CK_ULONG i = 0; i < len; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static CK_RV encrypt_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    CK_RV rv = fault(KW_FAULTY_ENCRYPT_INIT);
    int iv = atomic_load(&faults->iv);
    if (rv != CKR_OK || iv == KW_FAULTY_IV_TAKEN)
        return rv != CKR_OK ? rv : behind->C_EncryptInit(session, mechanism, key);
    CK_GCM_PARAMS *given = mechanism->pParameter;
    CK_GCM_PARAMS params = *given;
    CK_MECHANISM changed = {mechanism->mechanism, &params, sizeof params};
    if (getrandom(own_iv, sizeof own_iv, 0) != (ssize_t)sizeof own_iv)
        return CKR_HOST_MEMORY;
    if (iv == KW_FAULTY_IV_WRITTEN) {
        if (!is_zero(given->pIv, given->ulIvLen))
            return CKR_MECHANISM_PARAM_INVALID;
        memcpy(given->pIv, own_iv, given->ulIvLen);
    } else {
        params.pIv = own_iv;
        params.ulIvLen = iv == KW_FAULTY_IV_APPENDED ? IV_APPENDED : given->ulIvLen;
        params.ulIvBits = params.ulIvLen * 8;
    }
    return behind->C_EncryptInit(session, &changed, key);
}

static CK_RV encrypt(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG len, CK_BYTE *out,
                     CK_ULONG *out_len)
{
    CK_ULONG room = *out_len;
    CK_RV failed = fault(KW_FAULTY_ENCRYPT);
    CK_RV rv = behind->C_Encrypt(session, data, len, out, out_len); /* ends the operation */
    if (failed != CKR_OK || rv != CKR_OK)
        return failed != CKR_OK ? failed : rv;
    if (atomic_load(&faults->iv) == KW_FAULTY_IV_APPENDED) {
        if (room < *out_len + IV_APPENDED)
            return CKR_BUFFER_TOO_SMALL;
        memcpy(out + *out_len, own_iv, IV_APPENDED);
        *out_len += IV_APPENDED;
    }
    *out_len += (CK_ULONG)atomic_load(&faults->longer);
    return CKR_OK;
}

static CK_RV decrypt_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    PASS(DECRYPT_INIT, C_DecryptInit(session, mechanism, key));
}

static CK_RV decrypt(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG len, CK_BYTE *out,
                     CK_ULONG *out_len)
{
    CK_RV failed = fault(KW_FAULTY_DECRYPT);
    CK_RV rv = behind->C_Decrypt(session, data, len, out, out_len); /* ends the operation */
    if (failed != CKR_OK)
        return failed;
    if (rv == CKR_OK)
        *out_len += (CK_ULONG)atomic_load(&faults->longer);
    return rv;
}

/* Controls in a file are those of whoever has mapped it, too: a test that drives a whole program.
 */
static bool share_controls(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    void *mapped = ftruncate(fd, sizeof *faults) == 0
                       ? mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                       : MAP_FAILED;
    close(fd);
    if (mapped == MAP_FAILED)
        return false;
    faults = mapped;
    return true;
}

static bool load_behind(void)
{
    const char *controls = getenv("KW_FAULTY_CONTROLS");
    if (controls != NULL && !share_controls(controls))
        return false;
    const char *path = getenv("KW_FAULTY_BEHIND");
    void *handle = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    void *symbol = handle != NULL ? dlsym(handle, "C_GetFunctionList") : NULL;
    CK_C_GetFunctionList get;
    memcpy(&get, &symbol, sizeof get);
    return get != NULL && get(&behind) == CKR_OK;
}

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out)
{
    if (behind == NULL) {
        if (!load_behind())
            return CKR_GENERAL_ERROR;
        front = *behind;
        front.C_Initialize = initialize;
        front.C_GetSlotList = slot_list;
        front.C_GetTokenInfo = token_info;
        front.C_GetMechanismInfo = mechanism_info;
        front.C_OpenSession = open_session;
        front.C_GetSessionInfo = session_info;
        front.C_Login = login;
        front.C_FindObjectsInit = find_init;
        front.C_FindObjects = find;
        front.C_FindObjectsFinal = find_final;
        front.C_GetAttributeValue = attributes;
        front.C_GenerateKey = generate_key;
        front.C_EncryptInit = encrypt_init;
        front.C_Encrypt = encrypt;
        front.C_DecryptInit = decrypt_init;
        front.C_Decrypt = decrypt;
    }
    *out = &front;
    return CKR_OK;
}
