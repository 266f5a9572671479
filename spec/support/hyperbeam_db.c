/* hyperbeam_db.c -- makes a RocksDB database as HyperBEAM leaves it, for the specs.
 *
 *     hyperbeam_db DIRECTORY LINES [flush|hold]
 *
 * LINES is a file with a key and a value in hexadecimal ("-" is empty) on each line,
 * and after them perhaps "deflate": then the Erlang term behind the value's tag is
 * written compressed. With "flush" the database is left in a table file, otherwise in
 * the log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rocksdb/c.h>
#include <zlib.h>

struct text {
    char *data; /* owned */
    size_t size;
};

static void die(const char *what, const char *why) {
    fprintf(stderr, "hyperbeam_db: %s: %s\n", what, why);
    exit(1);
}

static struct text from_hex(const char *hex) {
    struct text out = {malloc(strlen(hex) / 2 + 1), 0};
    if (!out.data)
        die("a value", "no memory");
    if (strcmp(hex, "-") == 0)
        return out;
    for (; hex[0] && hex[1]; hex += 2) {
        const char pair[] = {hex[0], hex[1], '\0'};
        out.data[out.size++] = (char)strtoul(pair, NULL, 16);
    }
    return out;
}

/* Tag 3, version 131, a term: the term becomes 80, its size and a zlib stream. */
static struct text deflated(struct text plain) {
    uLong term = plain.size - 2;
    uLongf packed = compressBound(term);
    struct text out = {malloc(packed + 7), 0};
    if (!out.data)
        die("a value", "no memory");
    memcpy(out.data, plain.data, 2);
    out.data[2] = 80;
    for (int i = 0; i < 4; i++)
        out.data[3 + i] = (char)(term >> (24 - 8 * i));
    if (compress((Bytef *)out.data + 7, &packed, (Bytef *)plain.data + 2, term) != Z_OK)
        die("a value", "cannot be compressed");
    out.size = packed + 7;
    free(plain.data);
    return out;
}

static void put_line(rocksdb_t *database, const rocksdb_writeoptions_t *how,
                     char *line) {
    char *message = NULL;
    const char *key_hex = strtok(line, " \n");
    const char *value_hex = strtok(NULL, " \n");
    const char *form = strtok(NULL, " \n");
    if (!value_hex)
        die("a line", "not a key and a value");
    struct text key = from_hex(key_hex), value = from_hex(value_hex);
    if (form)
        value = deflated(value);
    rocksdb_put(database, how, key.data, key.size, value.data, value.size, &message);
    if (message)
        die(key_hex, message);
    free(key.data);
    free(value.data);
}

static void put_lines(rocksdb_t *database, const char *name) {
    FILE *lines = fopen(name, "r");
    if (!lines)
        die(name, "cannot be read");
    rocksdb_writeoptions_t *how = rocksdb_writeoptions_create();
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, lines) > 0)
        put_line(database, how, line);
    free(line);
    rocksdb_writeoptions_destroy(how);
    fclose(lines);
}

int main(int count, char **words) {
    if (count < 3)
        die("usage", "hyperbeam_db DIRECTORY LINES [flush|hold]");
    char *message = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_t *database = rocksdb_open(options, words[1], &message);
    if (message)
        die(words[1], message);
    put_lines(database, words[2]);
    if (count > 3 && strcmp(words[3], "hold") == 0) {
        puts("held");
        fflush(stdout);
        for (;;)
            pause();
    }
    if (count > 3) {
        rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
        rocksdb_flush(database, flush, &message);
        rocksdb_flushoptions_destroy(flush);
    }
    rocksdb_close(database);
    rocksdb_options_destroy(options);
    if (message)
        die(words[1], message);
    return 0;
}
