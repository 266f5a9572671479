/* keys.c -- names and values that can be made again from their number.
 *
 * So a million of them need no memory, and every run and both sides see the same. */
#include <stdlib.h>

#include "bench.h"

/* Splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
 * OOPSLA 2014): a good hash of a counter. */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t bench_random(uint64_t bound) {
    static uint64_t state;
    return mix(0x5eed0000 + state++) % bound;
}

/* Characters of base64url, which `seed` stands for. */
static void spell(uint64_t seed, char *out, size_t size) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t bits = 0;
    for (size_t at = 0; at < size; at++, bits >>= 6) {
        if (at % 10 == 0) /* ten digits to a word */
            bits = mix(seed + at);
        out[at] = digits[bits & 63];
    }
}

struct bench_key bench_key_of(const char *prefix, uint64_t kind, uint64_t i) {
    struct bench_key key = {.size = strlen(prefix)};
    memcpy(key.bytes, prefix, key.size);
    spell(mix(mix(kind) ^ i), key.bytes + key.size, BENCH_NAME_SIZE);
    key.size += BENCH_NAME_SIZE;
    return key;
}

void bench_text_of(uint64_t i, char out[BENCH_TEXT_SIZE]) {
    spell(mix(mix(BENCH_TEXTS) ^ i), out, BENCH_TEXT_SIZE);
}

void bench_value_of(uint64_t i, char out[BENCH_VALUE_SIZE]) {
    enum { HALF = BENCH_VALUE_SIZE / 2 };
    uint64_t words[HALF / sizeof(uint64_t) + 1];
    for (size_t word = 0; word < sizeof words / sizeof *words; word++)
        words[word] = mix(mix(~i) + word);
    memcpy(out, words, HALF);
    memcpy(out + HALF, words, HALF);
}

void bench_batch_open(struct bench_batch *batch, size_t count) {
    batch->count = count;
    batch->keys[0] = calloc(count, sizeof *batch->keys[0]);
    batch->keys[1] = calloc(count, sizeof *batch->keys[1]);
    batch->values = calloc(count, sizeof *batch->values);
    if (!batch->keys[0] || !batch->keys[1] || !batch->values)
        bench_stop("no memory for %zu keys", count);
}

void bench_batch_close(struct bench_batch *batch) {
    free(batch->keys[0]);
    free(batch->keys[1]);
    free(batch->values);
}

void bench_batch_draw(struct bench_batch *batch, const char *raw_prefix,
                      const char *cairn_prefix, uint64_t kind, size_t entries) {
    for (size_t i = 0; i < batch->count; i++) {
        uint64_t drawn = bench_random(entries);
        batch->keys[BENCH_RAW][i] = bench_key_of(raw_prefix, kind, drawn);
        batch->keys[BENCH_CAIRN][i] = bench_key_of(cairn_prefix, kind, drawn);
    }
}
