/* rocks.c -- looks into a RocksDB directory, and damages it, behind the engine's back.
 *
 *     rocks DIRECTORY keys                   every key and value, in hexadecimal, large
 *                                          values cut at 512 bytes
 *     rocks DIRECTORY put FAMILY KEY VALUE   in hexadecimal ("-" is empty)
 *
 * Works on whatever column families are there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rocksdb/c.h>

struct database {
    rocksdb_t *db;
    char **names; /* of the families */
    rocksdb_column_family_handle_t **families;
    size_t count;
};

static void die(const char *what, const char *why) {
    fprintf(stderr, "rocks: %s: %s\n", what, why);
    exit(1);
}

static void open_database(struct database *database, const char *directory) {
    char *message = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    database->names =
        rocksdb_list_column_families(options, directory, &database->count, &message);
    if (message)
        die(directory, message);
    const rocksdb_options_t **each =
        calloc(database->count, sizeof(rocksdb_options_t *));
    database->families = calloc(database->count, sizeof *database->families);
    if (!each || !database->families)
        die(directory, "no memory");
    for (size_t i = 0; i < database->count; i++)
        each[i] = options;
    database->db = rocksdb_open_column_families(
        options, directory, (int)database->count, (const char *const *)database->names,
        each, database->families, &message);
    if (message)
        die(directory, message);
    free(each);
    rocksdb_options_destroy(options);
}

static void close_database(struct database *database) {
    for (size_t i = 0; i < database->count; i++)
        rocksdb_column_family_handle_destroy(database->families[i]);
    rocksdb_close(database->db);
    rocksdb_list_column_families_destroy(database->names, database->count);
    free(database->families);
}

static void print_hex(const char *bytes, size_t size) {
    if (size == 0)
        putchar('-');
    for (size_t i = 0; i < size; i++)
        printf("%02x", (unsigned char)bytes[i]);
}

static void print_keys(struct database *database) {
    rocksdb_readoptions_t *how = rocksdb_readoptions_create();
    for (size_t i = 0; i < database->count; i++) {
        rocksdb_iterator_t *at =
            rocksdb_create_iterator_cf(database->db, how, database->families[i]);
        for (rocksdb_iter_seek_to_first(at); rocksdb_iter_valid(at);
             rocksdb_iter_next(at)) {
            size_t key_size, value_size;
            const char *key = rocksdb_iter_key(at, &key_size);
            const char *value = rocksdb_iter_value(at, &value_size);
            printf("%s ", database->names[i]);
            print_hex(key, key_size);
            putchar(' ');
            print_hex(value, value_size < 512 ? value_size : 512);
            putchar('\n');
        }
        rocksdb_iter_destroy(at);
    }
    rocksdb_readoptions_destroy(how);
}

/* Decodes in place; returns the size. */
static size_t from_hex(char *hex) {
    size_t size = 0;
    if (strcmp(hex, "-") == 0)
        return 0;
    for (char *at = hex; at[0] && at[1]; at += 2) {
        const char pair[] = {at[0], at[1], '\0'};
        hex[size++] = (char)strtoul(pair, NULL, 16);
    }
    return size;
}

static void put(struct database *database, const char *family, char *key, char *value) {
    size_t key_size = from_hex(key), value_size = from_hex(value), i = 0;
    while (i < database->count && strcmp(database->names[i], family) != 0)
        i++;
    if (i == database->count)
        die(family, "there is no such column family");
    char *message = NULL;
    rocksdb_writeoptions_t *how = rocksdb_writeoptions_create();
    rocksdb_put_cf(database->db, how, database->families[i], key, key_size, value,
                   value_size, &message);
    if (message)
        die(family, message);
    rocksdb_writeoptions_destroy(how);
}

int main(int argc, char **argv) {
    struct database database;
    if (argc == 3 && strcmp(argv[2], "keys") == 0) {
        open_database(&database, argv[1]);
        print_keys(&database);
    } else if (argc == 6 && strcmp(argv[2], "put") == 0) {
        open_database(&database, argv[1]);
        put(&database, argv[3], argv[4], argv[5]);
    } else {
        fputs("usage: rocks DIRECTORY keys | put FAMILY KEY VALUE\n", stderr);
        return 2;
    }
    close_database(&database);
    return 0;
}
