/* messages.c -- messages that can be made again from their number, and the bytes that a
 * RocksDB store keeps of them (engine/FORMATS.md). */
#include "bench.h"
#include "cairn/id.h"

void bench_message_of(uint64_t i, struct bench_message *out) {
    static const char *const keys[BENCH_MESSAGE_KEYS] = {
        "account",  "balance",  "category", "currency", "customer",
        "location", "quantity", "recorded", "supplier", "warehouse"};
    for (size_t k = 0; k < BENCH_MESSAGE_KEYS; k++) {
        bench_text_of(i * BENCH_MESSAGE_KEYS + k, out->texts[k]);
        out->fields[k] = (struct cairn_pair){
            .key = cairn_slice_of(keys[k]),
            .value = {.type = CAIRN_VALUE_BYTES,
                      .as.bytes = {out->texts[k], BENCH_TEXT_SIZE}}};
    }
    out->value = (struct cairn_value){.type = CAIRN_VALUE_MESSAGE,
                                      .count = BENCH_MESSAGE_KEYS,
                                      .as.fields = out->fields};
}

static void pack(const struct bench_message *message, struct cairn_bytes *out) {
    struct cairn_pack_child children[BENCH_MESSAGE_KEYS];
    struct cairn_error error;
    for (size_t k = 0; k < BENCH_MESSAGE_KEYS; k++)
        children[k] = (struct cairn_pack_child){
            .name = message->fields[k].key,
            .entry = {.kind = CAIRN_RAW, .payload = message->fields[k].value.as.bytes}};
    bench_check(cairn_pack_encode(children, BENCH_MESSAGE_KEYS, out, &error), &error,
                "pack a message");
}

void bench_entry_of(struct bench_message *message, struct bench_entry *out) {
    struct cairn_bytes packed = {0}, bytes = {0};
    struct cairn_error error;
    struct cairn_id id;
    pack(message, &packed);
    const struct cairn_entry entry = {.kind = CAIRN_GROUP,
                                      .payload = cairn_bytes_slice(&packed),
                                      .created_ms = cairn_context_now(NULL)};
    bench_check(cairn_entry_encode(&entry, &bytes, &error), &error, "encode an entry");
    bench_check(cairn_id_of_message(&message->value, CAIRN_IDS_SAFE, &id, &error),
                &error, "make an id");
    if (bytes.size > sizeof out->bytes)
        bench_stop("an entry of %zu bytes has no room", bytes.size);
    out->key = (struct bench_key){.size = 1 + CAIRN_ID_SIZE};
    memcpy(out->key.bytes + 1, id.text, CAIRN_ID_SIZE);
    out->size = bytes.size;
    memcpy(out->bytes, bytes.data, bytes.size);
    cairn_bytes_free(&packed);
    cairn_bytes_free(&bytes);
}

uint64_t bench_next_message(void) {
    static uint64_t next;
    return next++;
}

void bench_batch_draw_messages(struct bench_batch *batch, size_t entries) {
    struct bench_message message;
    struct bench_entry entry;
    for (size_t i = 0; i < batch->count; i++) {
        bench_message_of(bench_random(entries), &message);
        bench_entry_of(&message, &entry);
        batch->keys[BENCH_RAW][i] = batch->keys[BENCH_CAIRN][i] = entry.key;
    }
}
