/* main.c -- the table of rows: which are asked for, what they must reach, how they are
 * printed. Started by scripts/bench/run. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <link.h>
#include <lua.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"

enum library { ROCKSDB, ROCKSDB_AND_LUA, LUA, CRYPTO, KERNEL, KERNEL_AND_LUA };
enum sense {
    RATE_AT_LEAST,
    TIME_AT_MOST,
    BYTES_AT_MOST,
    KIB_AT_MOST,
    MIB_AT_MOST,
    MS_AT_MOST,
    SECONDS_AT_MOST,
    RUNS_AT_MOST,
};

static const struct row {
    const char *id;
    void (*run)(const struct bench *, struct bench_result *);
    enum sense sense;
    double bar;
    enum library library;
} rows[] = {
    {"store.read.c", bench_read, RATE_AT_LEAST, 0.95, ROCKSDB},
    {"store.read.c.2", bench_read_two, RATE_AT_LEAST, 0.95, ROCKSDB},
    {"store.read.lua", bench_read_lua, RATE_AT_LEAST, 0.85, ROCKSDB_AND_LUA},
    {"store.miss.c", bench_miss, TIME_AT_MOST, 4, ROCKSDB},
    {"store.read.link", bench_read_link, TIME_AT_MOST, 2.2, ROCKSDB},
    {"store.read.linkgroup", bench_read_linkgroup, TIME_AT_MOST, 3.5, ROCKSDB},
    {"store.write.child", bench_write_child, RATE_AT_LEAST, 0.80, ROCKSDB},
    {"store.write.growth", bench_write_growth, TIME_AT_MOST, 1.2, ROCKSDB},
    {"store.list", bench_list, RATE_AT_LEAST, 0.7, ROCKSDB},
    {"store.list.memory", bench_list_memory, KIB_AT_MOST, 1024, ROCKSDB},
    {"memory.read.c", bench_memory_read, RATE_AT_LEAST, 6, ROCKSDB},
    {"memory.read.lua", bench_memory_read_lua, RATE_AT_LEAST, 3.5, ROCKSDB_AND_LUA},
    {"fs.read", bench_fs_read, RATE_AT_LEAST, 0.7, KERNEL},
    {"fs.write", bench_fs_write, RATE_AT_LEAST, 0.8, KERNEL},
    {"message.id", bench_message_id, RATE_AT_LEAST, 0.3, CRYPTO},
    {"message.write.c", bench_message_write, RATE_AT_LEAST, 0.6, ROCKSDB},
    {"message.write.lua", bench_message_write_lua, RATE_AT_LEAST, 0.4, ROCKSDB_AND_LUA},
    {"message.read.c", bench_message_read, RATE_AT_LEAST, 0.8, ROCKSDB},
    {"message.read.lua", bench_message_read_lua, RATE_AT_LEAST, 0.5, ROCKSDB_AND_LUA},
    {"resolve.hit.id", bench_resolve_id, RATE_AT_LEAST, 1.2, ROCKSDB_AND_LUA},
    {"resolve.hit.table", bench_resolve_table, RATE_AT_LEAST, 0.6, ROCKSDB_AND_LUA},
    {"policy.decide.known", bench_decide_known, TIME_AT_MOST, 20, LUA},
    {"policy.decide.new", bench_decide_new, TIME_AT_MOST, 100, LUA},
    {"policy.reload.ms", bench_reload_ms, MS_AT_MOST, 20, LUA},
    {"policy.reload.stalls", bench_reload_stalls, TIME_AT_MOST, 1.1, LUA},
    {"policy.reload.growth", bench_reload_growth, MIB_AT_MOST, 1, LUA},
    {"worker.dedup.runs", bench_dedup_runs, RUNS_AT_MOST, 1, ROCKSDB_AND_LUA},
    {"worker.dedup.ms", bench_dedup_ms, MS_AT_MOST, 150, ROCKSDB_AND_LUA},
    {"worker.ask", bench_worker_ask, TIME_AT_MOST, 2, KERNEL_AND_LUA},
    {"worker.send", bench_worker_send, TIME_AT_MOST, 10, LUA},
    {"worker.idle.bytes", bench_worker_idle_bytes, BYTES_AT_MOST, 3072, LUA},
    {"worker.idle.s", bench_worker_idle_seconds, SECONDS_AT_MOST, 2, LUA},
    {"worker.loop", bench_worker_loop, MS_AT_MOST, 20, LUA},
    {"worker.slow", bench_worker_slow, TIME_AT_MOST, 1.1, LUA},
};

enum { ROWS = sizeof rows / sizeof *rows };

void bench_stop(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    _exit(1); /* databases are open and their threads run: no destructors */
}

void bench_check(enum cairn_status status, const struct cairn_error *error,
                 const char *doing) {
    if (status)
        bench_stop("cairn cannot %s: %s", doing, error->message);
}

const char *bench_path(const struct bench *bench, const char *name) {
    static char paths[32][4096];
    static size_t used;
    if (used == sizeof paths / sizeof *paths)
        bench_stop("too many places; make room in bench_path");
    char *path = paths[used++];
    int size = snprintf(path, sizeof *paths, "%s/%s", bench->directory, name);
    if (size < 0 || (size_t)size >= sizeof *paths)
        bench_stop("the name of the directory is too long");
    return path;
}

/* -- What was measured against ---------------------------------------------------- */

/* A library that asserts imports the function that reports a failed assertion. */
static int find_assertions(struct dl_phdr_info *info, size_t size, void *arg) {
    const char **answer = arg;
    struct stat stat;
    (void)size;
    if (!strstr(info->dlpi_name, "librocksdb"))
        return 0;
    int file = open(info->dlpi_name, O_RDONLY | O_CLOEXEC);
    if (file >= 0 && fstat(file, &stat) == 0 && stat.st_size > 0) {
        size_t bytes = (size_t)stat.st_size;
        void *map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, file, 0);
        if (map != MAP_FAILED) {
            static const char name[] = "__assert_fail";
            *answer = memmem(map, bytes, name, sizeof name) ? ", with assertions"
                                                            : ", without assertions";
            munmap(map, bytes);
        }
    }
    if (file >= 0)
        close(file);
    return 1;
}

static const char *library_name(enum library library) {
    static char text[256];
    const char *assertions = "";
    struct utsname system;
    if (library == KERNEL || library == KERNEL_AND_LUA) {
        uname(&system);
        snprintf(text, sizeof text, "%s %s%s", system.sysname, system.release,
                 library == KERNEL_AND_LUA ? ", " LUA_RELEASE : "");
        return text;
    }
    if (library == LUA)
        return LUA_RELEASE;
    if (library == CRYPTO) {
        snprintf(text, sizeof text, "OpenSSL %s",
                 OpenSSL_version(OPENSSL_VERSION_STRING));
        return text;
    }
    dl_iterate_phdr(find_assertions, &assertions);
    snprintf(text, sizeof text, "rocksdb %s%s%s", ROCKSDB_VERSION, assertions,
             library == ROCKSDB_AND_LUA ? ", " LUA_RELEASE : "");
    return text;
}

static const char *const units[] = {
    [RATE_AT_LEAST] = "ratio", [TIME_AT_MOST] = "ratio", [BYTES_AT_MOST] = "bytes",
    [KIB_AT_MOST] = "KiB",     [MIB_AT_MOST] = "MiB",    [MS_AT_MOST] = "ms",
    [SECONDS_AT_MOST] = "s",   [RUNS_AT_MOST] = "runs"};

/* -- Printing --------------------------------------------------------------------- */

/* A row's result as the bar sees it. */
struct figure {
    double value, least, most;
    bool holds;
};

static struct figure judge(const struct row *row, struct bench_result *result) {
    struct figure figure;
    for (unsigned i = 0; i < result->count && row->sense == RATE_AT_LEAST; i++)
        result->ratios[i] = 1 / result->ratios[i];
    figure.value = bench_median(result->ratios, result->count); /* sorts them */
    figure.least = result->ratios[0];
    figure.most = result->ratios[result->count - 1];
    figure.holds = row->sense == RATE_AT_LEAST ? figure.value >= row->bar
                                               : figure.value <= row->bar;
    return figure;
}

static void print_json(const struct row *row, struct bench_result *result) {
    struct figure figure = judge(row, result);
    printf("{\"id\":\"%s\",\"value\":%.4g,\"unit\":\"%s\",\"spread\":[%.4g,%.4g],"
           "\"n\":%zu,\"bar\":\"%s %g\",\"holds\":%s,\"library\":\"%s\"}\n",
           row->id, figure.value, units[row->sense], figure.least, figure.most,
           result->operations, row->sense == RATE_AT_LEAST ? ">=" : "<=", row->bar,
           figure.holds ? "true" : "false", library_name(row->library));
}

static void print_text(const struct row *row, struct bench_result *result) {
    struct figure figure = judge(row, result);
    printf("%-21s %7.4g  [%.4g, %.4g]  n=%zu  %s %g  %s  ", row->id, figure.value,
           figure.least, figure.most, result->operations,
           row->sense == RATE_AT_LEAST ? ">=" : "<=", row->bar,
           figure.holds ? "holds" : "MISSES");
    if (result->note)
        printf("%s: %s", units[row->sense], result->note);
    else
        printf("raw %.0f ns, cairn %.0f ns", result->nanoseconds[BENCH_RAW],
               result->nanoseconds[BENCH_CAIRN]);
    printf("; %s\n", library_name(row->library));
}

/* -- The command line ------------------------------------------------------------- */

static const char usage[] =
    "usage: bench --directory EMPTY [--only PATTERN] [--json] [--entries N] "
    "[--repeats N] [--list]\n";

static size_t number(const char *text, size_t least, size_t most) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value < least || value > most)
        bench_stop("'%s' is not a number from %zu to %zu", text, least, most);
    return (size_t)value;
}

/* A pattern as the shell's; a word without a star is also good as a part of an id, if
 * none is called like that. */
static bool select_rows(const char *pattern, bool selected[ROWS]) {
    bool any = false;
    for (size_t i = 0; i < ROWS; i++)
        any |= selected[i] = fnmatch(pattern, rows[i].id, 0) == 0;
    for (size_t i = 0; i < ROWS && !strpbrk(pattern, "*?["); i++)
        selected[i] = any ? selected[i] : strstr(rows[i].id, pattern) != NULL;
    for (size_t i = 0; i < ROWS; i++)
        any |= selected[i];
    return any;
}

/* Without it a store would make the directory, and nobody remove it. */
static void check_directory(const char *path) {
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, NULL);
    if (count < 0)
        bench_stop("cannot use the directory %s: %s", path, strerror(errno));
    if (count > 2) /* . and .. */
        bench_stop("the directory %s is not empty", path);
    while (count > 0)
        free(names[--count]);
    free(names);
}

static void run_rows(const struct bench *bench, const bool selected[ROWS], bool json) {
    for (size_t i = 0; i < ROWS; i++) {
        struct bench_result result = {0};
        if (!selected[i])
            continue;
        rows[i].run(bench, &result);
        (json ? print_json : print_text)(&rows[i], &result);
        if (fflush(stdout) != 0)
            bench_stop("cannot write the result: %s", strerror(errno));
    }
    bench_stores_close();
}

int main(int count, char *words[]) {
    static const struct option options[] = {
        {"directory", required_argument, NULL, 'd'},
        {"only", required_argument, NULL, 'o'},
        {"json", no_argument, NULL, 'j'},
        {"entries", required_argument, NULL, 'e'},
        {"repeats", required_argument, NULL, 'r'},
        {"list", no_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    struct bench bench = {.entries = 1000000, .repeats = 3};
    bool selected[ROWS], json = false;
    const char *pattern = "*";
    int option;
    while ((option = getopt_long(count, words, "", options, NULL)) != -1) {
        switch (option) {
        case 'd':
            bench.directory = optarg;
            break;
        case 'o':
            pattern = optarg;
            break;
        case 'j':
            json = true;
            break;
        case 'e':
            bench.entries = number(optarg, 1000, 100000000);
            break;
        case 'r':
            bench.repeats = (unsigned)number(optarg, 3, BENCH_REPEATS_MAX);
            break;
        case 'l':
            for (size_t i = 0; i < ROWS; i++)
                puts(rows[i].id);
            return 0;
        default:
            fputs(usage, stderr);
            return 1;
        }
    }
    if (optind != count || !bench.directory) {
        fputs(usage, stderr);
        return 1;
    }
    check_directory(bench.directory);
    if (!select_rows(pattern, selected))
        bench_stop("no row is called '%s'; --list names them", pattern);
    run_rows(&bench, selected, json);
    return 0;
}
