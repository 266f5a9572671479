/* control_server.c -- serves a control socket until it is sent SIGTERM.
 *
 *     control_server PATH     says "serving", or "CODE: MESSAGE" and exits with 1
 *
 * Questions: "echo TEXT", "bytes N" (so many x), "sleep MS" (then "awake"),
 * "thread" (its name, and whether signals are blocked); others get no answer. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cairn/control.h"

static unsigned answered;

static bool is_about(struct cairn_slice question, const char *word,
                     struct cairn_slice *rest) {
    size_t size = strlen(word);
    if (question.size < size || memcmp(question.data, word, size) != 0)
        return false;
    *rest = cairn_slice_sub(question, size, question.size - size);
    return true;
}

static size_t number(struct cairn_slice digits) {
    size_t value = 0;
    for (size_t i = 0; i < digits.size; i++)
        value = value * 10 + (size_t)(digits.data[i] - '0');
    return value;
}

static void answer_sleep(size_t ms, struct cairn_bytes *answer) {
    struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
    cairn_bytes_append(answer, cairn_slice_of("awake"));
}

static void answer_thread(struct cairn_bytes *answer) {
    char name[16] = "", text[64];
    sigset_t blocked;
    pthread_getname_np(pthread_self(), name, sizeof name);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    snprintf(text, sizeof text, "%s, %s", name,
             sigismember(&blocked, SIGINT) && sigismember(&blocked, SIGCHLD)
                 ? "signals blocked"
                 : "signals let in");
    cairn_bytes_append(answer, cairn_slice_of(text));
}

static void answer_bytes(size_t count, struct cairn_bytes *answer) {
    if (!cairn_bytes_reserve(answer, count))
        return;
    memset(answer->data, 'x', count);
    answer->size = count;
}

static void answer(void *arg, struct cairn_slice question, struct cairn_bytes *out) {
    struct cairn_slice rest;
    ++*(unsigned *)arg;
    if (is_about(question, "echo ", &rest))
        cairn_bytes_append(out, rest);
    else if (is_about(question, "bytes ", &rest))
        answer_bytes(number(rest), out);
    else if (is_about(question, "sleep ", &rest))
        answer_sleep(number(rest), out);
    else if (is_about(question, "thread", &rest))
        answer_thread(out);
}

int main(int argc, char **argv) {
    struct cairn_control *control = NULL;
    struct cairn_error error;
    sigset_t end;
    int ignored;
    if (argc != 2) {
        fputs("usage: control_server PATH\n", stderr);
        return 2;
    }
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &end, NULL);
    enum cairn_status status =
        cairn_control_serve(argv[1], answer, &answered, &control, &error);
    if (status) {
        printf("%s: %s\n", cairn_status_word(status), error.message);
        return 1;
    }
    printf("serving %s\n", argv[1]);
    fflush(stdout);
    sigwait(&end, &ignored);
    cairn_control_close(control);
    printf("answered %u\n", answered);
    return 0;
}
