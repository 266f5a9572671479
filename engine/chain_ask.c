/* chain_ask.c -- one question to one member, and what its answer means. */
#include "chain_core.h"
#include "list.h"

enum verdict verdict_of(enum cairn_status status) {
    switch (status) {
    case CAIRN_OK:
    case CAIRN_INVALID_PATH:
    case CAIRN_INVALID_ARGUMENT:
    case CAIRN_IS_GROUP:
    case CAIRN_NOT_A_GROUP:
    case CAIRN_LINK_LOOP:
    case CAIRN_CONFLICT:
        return ANSWERED;
    case CAIRN_NOT_FOUND:
    case CAIRN_NAME_TOO_LONG: /* what it cannot hold it has not got */
        return MISSED;
    default:
        return FAILED;
    }
}

/* A value, or with `groups` also a group. */
static void ask_value(struct cairn_store *store, const struct cairn_context *context,
                      struct cairn_slice path, bool groups, struct answer *out) {
    out->status = store_get(store, context, path, &out->view, &out->path, &out->error);
    if (!out->status && !groups && out->view.entry.kind == CAIRN_GROUP) {
        cairn_view_release(&out->view);
        out->path.text.size = 0; /* nothing dangles */
        out->status =
            cairn_fail_at(&out->error, CAIRN_NOT_FOUND, "a group has no value", path);
    }
}

/* Where links led, of what was not found: out->path, empty if there was none. */
static void find_dangling(struct cairn_store *store,
                          const struct cairn_context *context, struct cairn_slice path,
                          struct answer *out) {
    struct cairn_error error;
    enum cairn_status status =
        cairn_store_resolve(store, context, path, &out->path, &error);
    if (status || cairn_slice_equal(out->path.text, path))
        out->path.text.size = 0;
}

/* A store resolves also what is not there; only what is there is an answer. */
static void ask_where(struct cairn_store *store, const struct cairn_context *context,
                      struct cairn_slice path, struct answer *out) {
    out->status = cairn_store_resolve(store, context, path, &out->path, &out->error);
    if (out->status)
        return;
    out->status =
        cairn_store_type(store, context, out->path.text, &out->kind, &out->error);
    if (out->status == CAIRN_NOT_FOUND && cairn_slice_equal(out->path.text, path))
        out->path.text.size = 0;
}

void ask(enum question question, struct member *member,
         const struct cairn_context *context, struct cairn_slice path,
         const struct cairn_list_options *options, struct answer *out) {
    struct cairn_store *store = member->store;
    struct cairn_error *error = &out->error;
    struct cairn_context room;
    const struct cairn_context *given = context;
    context = in_reach(member, context, &room);
    out->path.text = (struct cairn_slice){"", 0};
    switch (question) {
    case ASK_GET:
    case ASK_READ:
        ask_value(store, context, path, question == ASK_GET, out);
        return;
    case ASK_RESOLVE:
        ask_where(store, context, path, out);
        return;
    case ASK_TYPE:
        out->status = cairn_store_type(store, context, path, &out->kind, error);
        break;
    case ASK_STAT:
        out->status = cairn_store_stat(store, context, path, &out->view, error);
        break;
    case ASK_LIST:
        out->status = cairn_list_open(store, context, path, options, &out->list, error);
        if (!out->status)
            list_hand_over(out->list, given);
        break;
    }
    if (out->status == CAIRN_NOT_FOUND)
        find_dangling(store, context, path, out);
}
