/* context.c -- time and patience. */
#include "cairn/context.h"

#include <time.h>

int64_t cairn_context_now(const struct cairn_context *context) {
    if (context && context->now_ms)
        return context->now_ms(context->clock);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum cairn_status cairn_context_check(const struct cairn_context *context,
                                      struct cairn_error *error) {
    if (!context)
        return CAIRN_OK;
    if (context->cancelled && atomic_load(context->cancelled))
        return cairn_fail(error, CAIRN_TIMEOUT, "the call was cancelled");
    if (context->deadline_ms && cairn_context_now(context) >= context->deadline_ms)
        return cairn_fail(error, CAIRN_TIMEOUT, "the call's deadline has passed");
    return CAIRN_OK;
}
