/* caches.c -- caches of the rows in C, and whether they keep what is put beside them.
 */
#include "script.h"

static struct cairn_chain *chain_of(struct cairn_store *store,
                                    const struct cairn_policy *policy) {
    const struct cairn_chain_member member = {.store = store};
    struct cairn_chain *chain;
    struct cairn_error error;
    bench_check(cairn_chain_open(&member, 1, policy, &chain, &error), &error,
                "open a chain");
    return chain;
}

void bench_cache_open(const struct bench *bench, struct cairn_store *store,
                      struct bench_cache *out) {
    struct cairn_error error;
    out->L = bench_script_open();
    bench_script_policies(out->L, bench_no_policies(bench), true);
    const struct cairn_policy *policy = bench_script_policy(out->L);
    out->chain = chain_of(store, policy);
    bench_check(cairn_cache_open(out->chain, policy, NULL, &out->cache, &error), &error,
                "open a cache");
}

void bench_cache_close(struct bench_cache *cache) {
    cairn_cache_close(cache->cache);
    cairn_chain_close(cache->chain);
    lua_close(cache->L);
}

void bench_cache_write(const struct bench_cache *cache,
                       const struct bench_message *message,
                       const struct bench_entry *entry) {
    struct cairn_error error;
    struct cairn_id id;
    bench_check(cairn_cache_write(cache->cache, NULL, &message->value, 0, &id, &error),
                &error, "write a message");
    if (!cairn_slice_equal(cairn_id_slice(&id), bench_id(&entry->key)))
        bench_stop("a message was written as %s and is %.*s", id.text, CAIRN_ID_SIZE,
                   bench_id(&entry->key).data);
}

void bench_cache_compare(struct cairn_store *store, const struct bench_entry *entry) {
    struct cairn_entry expected;
    struct cairn_view view;
    struct cairn_error error;
    struct cairn_bytes header = {0};
    bench_check(cairn_entry_decode((struct cairn_slice){entry->bytes, entry->size},
                                   &expected, &error),
                &error, "decode an entry");
    bench_check(
        cairn_store_get(store, NULL, bench_id(&entry->key), &view, NULL, &error),
        &error, "read a message");
    bench_check(cairn_entry_encode_header(&view.entry, &header, &error), &error,
                "encode an entry");
    if (!cairn_slice_equal(view.entry.payload, expected.payload) ||
        header.size != entry->size - expected.payload.size)
        bench_stop("cairn keeps other bytes of a message than are put beside it");
    cairn_view_release(&view);
    cairn_bytes_free(&header);
}
