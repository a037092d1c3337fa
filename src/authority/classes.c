#include "authority/internal.h"

#include "base/names.h"

static const char *const built_in[] = {"default", "pii", "financial", "health", "secret"};

const struct kw_data_class *kw_class_by_tag(const struct kw_authority *authority,
                                            const uint8_t tag[KW_CLASS_TAG_SIZE])
{
    for (size_t i = 0; i < authority->class_count; i++)
        if (memcmp(authority->classes[i].tag, tag, KW_CLASS_TAG_SIZE) == 0)
            return &authority->classes[i];
    return NULL;
}

const struct kw_data_class *kw_class_by_name(const struct kw_authority *authority, const char *name)
{
    for (size_t i = 0; i < authority->class_count; i++)
        if (strcmp(authority->classes[i].name, name) == 0)
            return &authority->classes[i];
    return NULL;
}

size_t kw_authority_class_count(const struct kw_authority *authority)
{
    return authority->class_count;
}

const char *kw_authority_class_at(const struct kw_authority *authority, size_t i)
{
    return i < authority->class_count ? authority->classes[i].name : NULL;
}

KW_ERR kw_authority_class_check(const struct kw_authority *authority, const char *name,
                                struct kw_error *err)
{
    if (kw_class_by_name(authority, name) != NULL)
        return KW_OK;
    return kw_fail(err, KW_UNKNOWN_CLASS,
                   "no data class is called '%.32s': add it to 'classes' in the configuration",
                   name);
}

/* A tag names one class of an authority; two names with the same tag would be told apart by trial.
 */
static KW_ERR add(struct kw_authority *authority, const char *name, struct kw_data_class **out,
                  struct kw_error *err)
{
    KW_TRY(kw_class_name_check(name, err));
    for (size_t i = 0; i < authority->class_count; i++) {
        *out = &authority->classes[i];
        if (strcmp((*out)->name, name) == 0)
            return KW_OK;
    }
    if (authority->class_count == KW_CLASSES_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "more than %d data classes", KW_CLASSES_MAX);
    struct kw_data_class *cls = &authority->classes[authority->class_count];
    kw_class_tag(cls->tag, name);
    const struct kw_data_class *other = kw_class_by_tag(authority, cls->tag);
    if (other != NULL)
        return kw_fail(err, KW_BAD_CONFIG,
                       "the data classes '%s' and '%s' have the same tag: rename one", name,
                       other->name);
    snprintf(cls->name, sizeof cls->name, "%s", name);
    authority->class_count++;
    *out = cls;
    return KW_OK;
}

/* A hard maximum of the authority's own that a class's ttl goes beyond goes along with it. */
static void fill_in(const struct kw_authority *authority, struct kw_data_class *cls)
{
    if (cls->age.ttl_ms == 0)
        cls->age.ttl_ms = authority->age.ttl_ms;
    if (cls->age.hard_ttl_ms == 0)
        cls->age.hard_ttl_ms = authority->age.hard_ttl_ms;
    if (cls->age.hard_ttl_ms < cls->age.ttl_ms)
        cls->age.hard_ttl_ms = cls->age.ttl_ms;
    cls->age.held_ms = cls->held_keep_ms;
}

KW_ERR kw_classes_init(struct kw_authority *authority, const struct kw_class_rules *rules,
                       size_t count, struct kw_error *err)
{
    struct kw_data_class *cls = NULL;
    for (size_t i = 0; i < KW_COUNT(built_in); i++)
        KW_TRY(add(authority, built_in[i], &cls, err));
    for (size_t i = 0; i < count; i++) {
        KW_TRY(add(authority, rules[i].name, &cls, err));
        cls->age = rules[i].age;
        cls->hsm = rules[i].hsm;
        authority->hsm_classes |= cls->hsm;
        cls->held_batch = rules[i].held_batch;
        cls->held_keep_ms = rules[i].held_keep_ms;
    }
    for (size_t i = 0; i < authority->class_count; i++)
        fill_in(authority, &authority->classes[i]);
    return KW_OK;
}
