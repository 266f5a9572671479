/* row_message.c -- messages in C: their ids against an HMAC of the same bytes, writing
 * and reading them against puts and gets of the bytes that a store keeps of them. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "cairn/id.h"
#include "raw.h"

/* -- Ids -------------------------------------------------------------------------- */

enum { IDS = 500, ID_ROUNDS = 100 };

struct naming {
    EVP_MAC_CTX *mac; /* of HMAC-SHA256, with the key */
    struct bench_message messages[IDS];
    struct cairn_bytes bases[IDS];
    uint64_t next; /* message */
};

static void fill_ids(void *arg, struct bench_batch *batch) {
    struct naming *naming = arg;
    struct cairn_error error;
    (void)batch;
    for (size_t i = 0; i < IDS; i++) {
        bench_message_of(naming->next++, &naming->messages[i]);
        naming->bases[i].size = 0;
        bench_check(cairn_id_base(&naming->messages[i].value, CAIRN_IDS_SAFE,
                                  &naming->bases[i], &error),
                    &error, "make a signature base");
    }
}

static void raw_id(struct naming *naming, size_t i,
                   unsigned char out[CAIRN_HASH_SIZE]) {
    size_t size;
    if (!EVP_MAC_init(naming->mac, NULL, 0, NULL) ||
        !EVP_MAC_update(naming->mac, (const unsigned char *)naming->bases[i].data,
                        naming->bases[i].size) ||
        !EVP_MAC_final(naming->mac, out, &size, CAIRN_HASH_SIZE))
        bench_stop("OpenSSL cannot authenticate");
}

static void raw_ids(void *arg, const struct bench_batch *batch) {
    unsigned char hash[CAIRN_HASH_SIZE];
    (void)batch;
    for (size_t i = 0; i < IDS; i++) {
        raw_id(arg, i, hash);
        bench_look_at((struct cairn_slice){(const char *)hash, sizeof hash});
    }
}

static void make_id(struct naming *naming, size_t i, struct cairn_id *out) {
    struct cairn_error error;
    bench_check(
        cairn_id_of_message(&naming->messages[i].value, CAIRN_IDS_SAFE, out, &error),
        &error, "make an id");
}

static void cairn_ids(void *arg, const struct bench_batch *batch) {
    struct cairn_id id;
    (void)batch;
    for (size_t i = 0; i < IDS; i++) {
        make_id(arg, i, &id);
        bench_look_at(cairn_id_slice(&id));
    }
}

/* Both sides must come to one id. */
static void check_id(struct naming *naming) {
    unsigned char hash[CAIRN_HASH_SIZE];
    struct cairn_id id, other;
    fill_ids(naming, NULL);
    raw_id(naming, 0, hash);
    cairn_id_encode(hash, &other);
    make_id(naming, 0, &id);
    if (strcmp(id.text, other.text) != 0)
        bench_stop("the id %s is not the HMAC of its base, %s", id.text, other.text);
}

static EVP_MAC_CTX *open_mac(void) {
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = algorithm ? EVP_MAC_CTX_new(algorithm) : NULL;
    EVP_MAC_free(algorithm); /* the context keeps it */
    if (!mac || !EVP_MAC_init(mac, (const unsigned char *)"ao", 2, params))
        bench_stop("OpenSSL has no HMAC-SHA256");
    return mac;
}

void bench_message_id(const struct bench *bench, struct bench_result *result) {
    struct naming *naming = calloc(1, sizeof *naming);
    if (!naming)
        bench_stop("no memory for %d messages", IDS);
    struct bench_plan plan = {fill_ids, {raw_ids, cairn_ids}, naming, IDS, ID_ROUNDS};
    naming->mac = open_mac();
    check_id(naming);
    bench_measure(&plan, bench->repeats, result);
    EVP_MAC_CTX_free(naming->mac);
    for (size_t i = 0; i < IDS; i++)
        cairn_bytes_free(&naming->bases[i]);
    free(naming);
}

/* -- Writing ---------------------------------------------------------------------- */

enum { WRITES = 1000 };

struct writing {
    struct bench_cache cache;
    const struct bench_stores *stores;
    struct bench_message messages[WRITES];
    struct bench_entry entries[WRITES];
};

static void fill_fresh(void *arg, struct bench_batch *batch) {
    struct writing *writing = arg;
    (void)batch;
    for (size_t i = 0; i < WRITES; i++) {
        bench_message_of(bench_next_message(), &writing->messages[i]);
        bench_entry_of(&writing->messages[i], &writing->entries[i]);
    }
}

static void raw_put(void *arg, const struct bench_batch *batch) {
    struct writing *writing = arg;
    (void)batch;
    bench_raw_put_entries(writing->stores->raw, writing->entries, WRITES);
}

static void cairn_write(void *arg, const struct bench_batch *batch) {
    struct writing *writing = arg;
    (void)batch;
    for (size_t i = 0; i < WRITES; i++)
        bench_cache_write(&writing->cache, &writing->messages[i], &writing->entries[i]);
}

void bench_message_write(const struct bench *bench, struct bench_result *result) {
    struct writing *writing = calloc(1, sizeof *writing);
    size_t rounds = bench->entries / WRITES / bench->repeats;
    if (!writing)
        bench_stop("no memory for %d messages", WRITES);
    struct bench_plan plan = {
        fill_fresh, {raw_put, cairn_write}, writing, WRITES, rounds ? rounds : 1};
    writing->stores = bench_fresh(bench);
    bench_cache_open(bench, writing->stores->store, &writing->cache);
    bench_measure(&plan, bench->repeats, result);
    bench_cache_compare(writing->stores->store, &writing->entries[0]);
    bench_cache_close(&writing->cache);
    free(writing);
}

/* -- Reading ---------------------------------------------------------------------- */

enum { READS = 2000, READ_ROUNDS = 100 };

struct reading {
    const struct bench *bench;
    struct bench_cache cache;
    const struct bench_stores *stores;
};

static void fill_ids_drawn(void *arg, struct bench_batch *batch) {
    const struct reading *reading = arg;
    bench_batch_draw_messages(batch, reading->bench->entries);
}

static void raw_get(void *arg, const struct bench_batch *batch) {
    const struct reading *reading = arg;
    bench_raw_get(reading->stores->raw, batch->keys[BENCH_RAW], batch->count);
}

/* Looks at each of its values. */
static void read_one(struct cairn_cache *cache, struct cairn_slice id) {
    struct cairn_reading message;
    struct cairn_error error;
    bench_check(cairn_cache_read(cache, NULL, id, 0, &message, &error), &error,
                "read a message");
    if (message.value.type != CAIRN_VALUE_MESSAGE ||
        message.value.count != BENCH_MESSAGE_KEYS)
        bench_stop("there is no whole message at %.*s", (int)id.size, id.data);
    for (size_t i = 0; i < message.value.count; i++)
        bench_look_at(message.value.as.fields[i].value.as.bytes);
    cairn_reading_release(&message);
}

static void cairn_read(void *arg, const struct bench_batch *batch) {
    const struct reading *reading = arg;
    for (size_t i = 0; i < batch->count; i++)
        read_one(reading->cache.cache, bench_id(&batch->keys[BENCH_CAIRN][i]));
}

void bench_message_read(const struct bench *bench, struct bench_result *result) {
    struct reading reading = {.bench = bench, .stores = bench_messages(bench)};
    struct bench_plan plan = {
        fill_ids_drawn, {raw_get, cairn_read}, &reading, READS, READ_ROUNDS};
    bench_cache_open(bench, reading.stores->store, &reading.cache);
    bench_measure(&plan, bench->repeats, result);
    bench_cache_close(&reading.cache);
}
