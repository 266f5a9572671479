/* check.c -- whether an operation makes sense in itself, wherever it is to be done. */
#include "check.h"

#include "cairn/metadata.h"

static enum cairn_status check_metadata(struct cairn_slice metadata,
                                        struct cairn_slice path,
                                        struct cairn_error *error) {
    struct cairn_metadata_walk walk;
    struct cairn_field field;
    enum cairn_status status = cairn_metadata_open(metadata, &walk, NULL);
    while (!status && !(status = cairn_metadata_next(&walk, &field, NULL)))
        continue;
    return status == CAIRN_NOT_FOUND
               ? CAIRN_OK
               : cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                               "the bytes are no metadata that are to be kept for",
                               path);
}

static enum cairn_status check_child(const struct cairn_pack_child *child,
                                     struct cairn_error *error) {
    const struct cairn_entry *entry = &child->entry;
    struct cairn_path target;
    if (entry->kind == CAIRN_LINK &&
        (cairn_path_normalize(entry->payload, &target, NULL) ||
         !cairn_slice_equal(target.text, entry->payload)))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "the target is no normal path of the inline link",
                             child->name);
    if (entry->form != CAIRN_PLAIN || entry->expires_ms)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "an inline child is plain and does not expire",
                             child->name);
    return check_metadata(entry->metadata, child->name, error);
}

enum cairn_status check_operation(const struct cairn_operation *operation,
                                  struct cairn_error *error) {
    enum cairn_operation_kind kind = operation->kind;
    if ((operation->metadata.size || operation->compress || operation->if_equal) &&
        kind != CAIRN_WRITE)
        return cairn_fail_at(
            error, CAIRN_INVALID_ARGUMENT,
            "metadata, compression and if_equal are for values, not for",
            operation->path);
    if (operation->expires_ms && kind != CAIRN_WRITE && kind != CAIRN_MAKE_LINK)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "only values and links can expire, not", operation->path);
    if (operation->if_absent && kind != CAIRN_WRITE && kind != CAIRN_MAKE_LINK)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "only values and links can be made if_absent, not",
                             operation->path);
    if (operation->keep && ((kind != CAIRN_WRITE && kind != CAIRN_MAKE_PACK) ||
                            operation->if_absent || operation->if_equal))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "to keep what is there is for values and packs without "
                             "other conditions, not for",
                             operation->path);
    for (size_t i = 0; i < operation->child_count; i++) {
        enum cairn_status status = check_child(&operation->children[i], error);
        if (status)
            return status;
    }
    if (operation->expires_ms < 0)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "an expiry before 1970 was asked for", operation->path);
    if (operation->metadata.size > CAIRN_METADATA_MAX)
        return cairn_fail_at(error, CAIRN_LIMIT, "over 65536 bytes of metadata for",
                             operation->path);
    return check_metadata(operation->metadata, operation->path, error);
}
