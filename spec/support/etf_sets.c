/* etf_sets.c -- reads Erlang sets from a file and says what is in them, for the specs.
 *
 *     etf_sets LINES
 *
 * LINES is a file with a term in hexadecimal ("-" is empty) on each line. For each, one
 * line comes out: "ok", the number of members that are no names, and the names in
 * hexadecimal; or the status and what was wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etf.h"

static enum cairn_status print_name(void *arg, struct cairn_slice name,
                                    struct cairn_error *error) {
    (void)error;
    struct cairn_bytes *line = arg;
    char hex[4];
    if (!cairn_bytes_append(line, cairn_slice_of(" -")))
        return CAIRN_NO_MEMORY;
    line->size -= name.size > 0;
    for (size_t i = 0; i < name.size; i++) {
        snprintf(hex, sizeof hex, "%02x", (unsigned char)name.data[i]);
        if (!cairn_bytes_append(line, cairn_slice_of(hex)))
            return CAIRN_NO_MEMORY;
    }
    return CAIRN_OK;
}

/* The term lies in memory of just its size, so that reading past it is noticed. */
static void read_line(const char *hex) {
    size_t size = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
    char *term = malloc(size ? size : 1);
    if (!term)
        exit(1);
    for (size_t i = 0; i < size; i++) {
        const char pair[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        term[i] = (char)strtoul(pair, NULL, 16);
    }
    struct cairn_bytes names = {0};
    struct cairn_error error = {{0}};
    struct etf_set set;
    enum cairn_status status = etf_read_set((struct cairn_slice){term, size},
                                            print_name, &names, &set, &error);
    if (status)
        printf("%s %s\n", cairn_status_word(status), error.message);
    else
        printf("ok %llu%.*s\n", (unsigned long long)set.skipped, (int)names.size,
               names.size ? names.data : "");
    cairn_bytes_free(&names);
    free(term);
}

int main(int count, char **words) {
    FILE *lines = count == 2 ? fopen(words[1], "r") : NULL;
    if (!lines) {
        fprintf(stderr, "usage: etf_sets LINES\n");
        return 1;
    }
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    while ((size = getline(&line, &room, lines)) > 0) {
        line[size - 1] = '\0';
        read_line(line);
    }
    free(line);
    fclose(lines);
    return 0;
}
